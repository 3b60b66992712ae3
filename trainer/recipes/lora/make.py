"""Makes instructions or a small base: `python -m trainer.recipes.lora.make`, for `traindeck data`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from trainer.errors import EXIT_INTERRUPTED, EXIT_OK, TraindeckError
from trainer.events.text import clean
from trainer.recipes.lora.generated import settings_of


def main(words: Sequence[str] | None = None) -> int:
    """Make what the command line says."""
    parser = argparse.ArgumentParser(prog="traindeck data", add_help=False)
    parser.add_argument("what", choices=("instruct", "base"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--max-items", type=int)
    parser.add_argument("--json", action="store_true")
    names = ("steps", "seed", "vocab_size", "hidden_size", "layers", "heads", "context", "threads")
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    options = parser.parse_args(words)
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    began = time.monotonic()
    try:
        new = _make(options, given)
    except TraindeckError as error:
        for problem in error.problems:
            sys.stderr.write(f"traindeck: {clean(str(problem))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing is left of it\n")
        return EXIT_INTERRUPTED
    spent = time.monotonic() - began
    made: dict[str, Any] = (settings_of(options.out) or {}).get("made", {})
    if options.json:
        row = {"path": str(options.out), "new": new, "seconds": round(spent, 3), **made}
        print(json.dumps(row))
    else:
        counted = ", ".join(f"{name} {value}" for name, value in made.items())
        how = f"made in {spent:.0f} s" if new else "was there already"
        print(f"{clean(str(options.out))}: {counted}; {how}")
    return EXIT_OK


def _make(options: argparse.Namespace, given: dict[str, int]) -> bool:
    if options.what == "instruct":
        from trainer.recipes.lora import instruct

        seed = given.get("seed", 0)
        return instruct.write(options.root, options.out, seed=seed, max_items=options.max_items)
    from trainer.recipes.lora.base import BaseSettings, make_base

    known = {field.name for field in fields(BaseSettings)}
    settings = BaseSettings(**{name: value for name, value in given.items() if name in known})
    return make_base(options.root, options.out, settings, _say)


def _say(text: str) -> None:
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    from trainer.engine.waiting import spin_briefly

    spin_briefly()
    raise SystemExit(main())
