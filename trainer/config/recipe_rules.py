"""What the chosen recipe's data need on this machine, before a process is started for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainer.config import base_model, lora_rules
from trainer.config.text import clean
from trainer.errors import Problem, nearest
from trainer.paths import at_home

# Beginning of a data `_target_` → the packages that it needs, and the extra that brings them.
_PACKAGES = {
    "trainer.recipes.spectra.": (("pyarrow",), "spectra"),
    "trainer.recipes.lora.": (("transformers", "peft", "tokenizers", "safetensors"), "hf"),
}
# Data that lie in a folder, or are made where none is named.
_WITH_ROOT = ("trainer.recipes.spectra.", "trainer.recipes.text.")


def lacking(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what the chosen data lack on this machine; nothing is imported.

    Args:
        config: The resolved config.
    """
    section = config.get("data")
    target = section.get("_target_") if isinstance(section, Mapping) else None
    missing, extras = packages(config)
    if missing:
        be = "is" if len(missing) == 1 else "are"
        yield Problem(
            f"{target} needs {' and '.join(missing)}, which {be} not installed.",
            "",
            f"Install: pip install 'traindeck[{','.join(extras)}]'",
            "data._target_",
        )
    root = section.get("root") if isinstance(section, Mapping) else None
    if isinstance(target, str) and target.startswith(_WITH_ROOT) and isinstance(root, str) and root:
        yield from _no_folder(root)
    yield from lora_rules.lacking(config)


def _no_folder(root: str) -> Iterator[Problem]:
    folder = at_home(root)
    if folder.exists():
        return
    beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
    close = nearest(folder.name, sorted(each.name for each in beside if each.is_dir()))
    remedy = (
        close.replace("mean '", f"mean '{folder.parent}/") if folder.parent != Path() else close
    )
    yield Problem(
        f"There is no folder '{clean(root)}'.",
        "",
        clean(
            f"{remedy} Set data.root to the folder of the data, or to null for the recipe's own.".strip()
        ),
        "data.root",
    )


def out_of_reach(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what would have to come over a network that is not there; takes seconds.

    Args:
        config: The resolved config.
    """
    yield from lora_rules.out_of_reach(config)


def lacking_for_estimate(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what an estimate of the memory lacks here: less than a training, since it fetches nothing.

    Args:
        config: The resolved config.
    """
    asked = (base_model.not_for_estimate(*each) for each in lora_rules.base_models(config))
    yield from filter(None, asked)


def packages(config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Give the packages that the chosen data lack here, and the extras that bring them."""
    section = config.get("data")
    target = section.get("_target_") if isinstance(section, Mapping) else None
    missing, extras = [], []
    for prefix, (needed, extra) in _PACKAGES.items():
        if isinstance(target, str) and target.startswith(prefix):
            lacks = [package for package in needed if find_spec(package) is None]
            missing += lacks
            extras += [extra] if lacks else []
    return missing, extras
