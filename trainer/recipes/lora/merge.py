"""Merges an adapter into its base: `python -m trainer.recipes.lora.merge`, for `traindeck merge`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.errors import EXIT_INTERRUPTED, EXIT_OK, ConfigError, Problem, TraindeckError
from trainer.events.text import clean
from trainer.recipes.lora import hub
from trainer.recipes.lora.folder import clear
from trainer.recipes.lora.needs import need_hf


def merge(adapter: Path, out: Path, *, base: str | None = None) -> Path:
    """Write a model that needs no adapter: the base with the adapter's change in its weights.

    Args:
        adapter: A finished model's folder, with `adapter_config.json`.
        out: Where to; must not exist, or be an empty folder.
        base: The base, where it is not the one that the adapter names.

    Returns:
        The folder; transformers loads it as any model.

    Raises:
        ConfigError: There is no adapter, no base, the two do not fit, or the disk refuses.
    """
    need_hf()
    described = _described(adapter)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(Problem("is there already.", str(out), "Name a new folder."))
    named = base or str(described.get("base_model_name_or_path") or "")
    if not named:
        raise ConfigError(
            Problem("The adapter names no base model.", str(adapter), "Name it: --base FOLDER")
        )
    try:
        found = hub.find(named, revision=described.get("revision"), say=_say)
    except ConfigError as error:
        raise ConfigError(*(_with_base(problem) for problem in error.problems)) from error
    _check_digest(adapter, found)
    loaded = hub.load_model(found)
    if not described.get("ensure_weight_tying"):
        _untie(loaded)
    tokenizer = hub.load_tokenizer(hub.Base(str(adapter), adapter))
    from peft import PeftModel

    try:
        merged = PeftModel.from_pretrained(loaded, adapter).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, KeyError) as error:
        told = " ".join(str(error).split())[:300]
        raise ConfigError(
            Problem(f"The adapter does not fit '{found.name}': {told}", str(adapter))
        ) from error
    _tie_again(merged)
    aside = out.parent / f".making-{out.name}-{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        clear(out.parent)
        shutil.rmtree(aside, ignore_errors=True)
        merged.save_pretrained(aside)
        hub.open_weights(aside)
        tokenizer.save_pretrained(aside)
        if (adapter / "special_tokens_map.json").is_file():
            shutil.copy(adapter / "special_tokens_map.json", aside)
        _tell(aside, adapter, found)
        if out.is_dir():
            out.rmdir()
        aside.rename(out)
    except OSError as error:
        raise ConfigError(
            Problem(f"cannot be written: {error.strerror or error}", str(out))
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out


def _with_base(problem: Problem) -> Problem:
    """Say how to name a base here."""
    remedy = "Name the folder of the base that the adapter was trained from: --base FOLDER"
    return Problem(problem.what, problem.where, remedy)


def _untie(model: Any) -> None:
    """Let embedding and head be two tensors: an adapter of one would change the other as well."""
    given, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is not None and head.weight is given.weight:
        head.weight = nn.Parameter(head.weight.detach().clone(), requires_grad=False)
        model.config.tie_word_embeddings = False


def _tie_again(model: Any) -> None:
    """Let them be one again where they are the same, as most adapters leave them."""
    given, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None or head.weight is given.weight:
        return
    if head.weight.shape == given.weight.shape and torch.equal(head.weight, given.weight):
        head.weight = given.weight
        model.config.tie_word_embeddings = True


def _described(adapter: Path) -> dict[str, Any]:
    try:
        found = json.loads((adapter / hub.ADAPTER).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            Problem(
                f"there is no adapter: {hub.ADAPTER} is missing or cannot be read.",
                str(adapter),
                "Name the folder that a fine-tuning has left, or its run.",
            )
        ) from error
    return found if isinstance(found, dict) else {}


def _check_digest(adapter: Path, base: hub.Base) -> None:
    try:
        told = json.loads((adapter / "metadata.json").read_text("utf-8"))
        wanted = told["model"]["base_digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # an adapter of another program
    if wanted and wanted != base.digest():
        raise ConfigError(
            Problem(
                f"'{base.name}' has other weights than the base that the adapter was trained from.",
                str(adapter),
                "Name the right one: --base FOLDER",
            )
        )


def _tell(folder: Path, adapter: Path, base: hub.Base) -> None:
    """Write what was known of the adapter, and what it was merged into, to `metadata.json`."""
    told: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        told = dict(json.loads((adapter / "metadata.json").read_text("utf-8")))
    told["merged"] = {"adapter": str(adapter), "base": base.name}
    told["files"] = sorted([*(path.name for path in folder.iterdir()), "metadata.json"])
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    (folder / "metadata.json").write_text(text, "utf-8")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(words: Sequence[str] | None = None) -> int:
    """Merge as the command line says."""
    parser = argparse.ArgumentParser(prog="traindeck merge", add_help=False)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--base")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    try:
        made = merge(options.adapter, options.out, base=options.base)
    except TraindeckError as error:
        for problem in error.problems:
            sys.stderr.write(f"traindeck: {clean(str(problem))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    size = sum(path.stat().st_size for path in made.iterdir() if path.is_file())
    if options.json:
        print(json.dumps({"path": str(made), "bytes": size}))
    else:
        print(f"{clean(str(made))}: base and adapter in one, {size / 1e6:.0f} MB")
    return EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
