"""Evaluates a run's model: `python -m trainer.recipes.lora.evaluate`, for `traindeck evaluate`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import EXIT_INTERRUPTED, EXIT_OK, ConfigError, Problem, TraindeckError
from trainer.events.text import clean


def main(words: Sequence[str] | None = None) -> int:
    """Measure perplexities and let both models answer, as the command line says."""
    parser = argparse.ArgumentParser(prog="traindeck evaluate", add_help=False)
    parser.add_argument("run", type=Path)
    parser.add_argument("--checkpoint", default="last")
    parser.add_argument("--split")
    parser.add_argument("--max-samples", type=int)
    parser.add_argument("--answers", type=int)
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--device")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    try:
        from trainer.recipes.lora.finish import in_words, report, settings_of
        from trainer.recipes.lora.measure import evaluate
        from trainer.recipes.lora.runs import load

        if options.device is not None:
            _check_device(options.device)
        tuned = load(options.run, options.checkpoint, device=options.device)
        settings = settings_of(tuned.config)
        for name in ("split", "max_samples", "answers", "max_new_tokens"):
            if getattr(options, name) is not None:
                settings[name] = getattr(options, name)
        found = evaluate(tuned.model, tuned.data, within=tuned.within, say=_say, **settings)
        if found is None:
            raise ConfigError(
                Problem(
                    "the run's data have neither a test nor a validation file.",
                    remedy="Name one in data.test_split.",
                    key="data.test_split",
                )
            )
    except TraindeckError as error:
        for problem in error.problems:
            sys.stderr.write(f"traindeck: {clean(str(problem))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    # A look at a part, or at another checkpoint, does not replace what the end of training gave.
    usual = _covers(settings, settings_of(tuned.config)) and options.checkpoint == "last"
    of = options.checkpoint if options.checkpoint in ("last", "best") else tuned.checkpoint.stem
    name = "evaluation" if usual else f"evaluation-{found.split}-{of}"
    path = report(found, options.run, name)
    if options.json:
        row = {"run": str(options.run), "checkpoint": str(tuned.checkpoint), **found.plain()}
        print(json.dumps(row, ensure_ascii=False))
    else:
        print(clean(f"{tuned.checkpoint.resolve().name}: {in_words(found)}", keep_newlines=True))
        print(f"\nkept in {clean(str(path))}")
    return EXIT_OK


def _say(text: str) -> None:
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


def _covers(asked: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    """Tell whether an evaluation tells all that the usual one tells."""
    same = all(asked.get(name) == usual.get(name) for name in ("split", "max_samples"))
    return same and int(asked.get("answers", 3)) >= int(usual.get("answers", 3))


def _check_device(name: str) -> None:
    import torch

    here = torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()
    if name != "cpu" and not here:
        raise ConfigError(
            Problem(f"torch finds no such device here: {name}.", "--device", "Take --device cpu.")
        )


if __name__ == "__main__":
    from trainer.engine.waiting import spin_briefly

    spin_briefly()
    raise SystemExit(main())
