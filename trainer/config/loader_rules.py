"""What is wrong, or without effect, in the keys of `dataloader` taken together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.schema_parts import Dataloader
from trainer.config.torch_rules import is_number, origin, text_of
from trainer.errors import Problem
from trainer.paths import at_home

_ONLY_FOR = {
    "MixupDataLoader": (
        "mixup_alpha",
        "mixup_prob",
        "num_classes",
        "quantize",
        "mu",
        "max_val",
    ),
    "TextDataLoader": ("tokenizer_path", "max_length", "use_separator"),
}


def loader_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what would keep the loaders from being made."""
    loader = config.get("dataloader")
    if not isinstance(loader, Mapping):
        return
    if loader.get("persistent_workers") is True and loader.get("num_workers") == 0:
        yield Problem(
            "'dataloader.persistent_workers' needs workers, and 'dataloader.num_workers' is 0.",
            origin("dataloader.persistent_workers", where),
            "Set dataloader.num_workers to 1 or more, or dataloader.persistent_workers=false.",
            "dataloader.persistent_workers",
        )
    if loader.get("type") == "TextDataLoader":
        yield from _tokenizer_problems(loader.get("tokenizer_path"), where)


def loader_notes(config: Mapping[str, Any]) -> Iterator[str]:
    """Tell of keys that are set and do nothing beside the others."""
    loader = config.get("dataloader")
    if not isinstance(loader, Mapping):
        return
    kind = loader.get("type")
    for owner, names in _ONLY_FOR.items():
        for name in names:
            usual = Dataloader.model_fields[name].default
            if kind != owner and loader.get(name, usual) != usual:
                yield (
                    f"dataloader.{name}: only a {owner} looks at it, "
                    f"and dataloader.type is {text_of(kind)}"
                )
    if kind != "MixupDataLoader":
        return
    alpha, share = loader.get("mixup_alpha"), loader.get("mixup_prob")
    if not (is_number(alpha) and is_number(share)):
        return
    if alpha == 0 or share == 0:
        if loader.get("quantize") is not True:
            none = "mixup_alpha" if alpha == 0 else "mixup_prob"
            yield f"dataloader.type: MixupDataLoader mixes nothing while dataloader.{none} is 0"
    elif loader.get("batch_size") == 1:
        yield "dataloader.mixup_alpha: a batch of one sample (dataloader.batch_size) is not mixed"


def _tokenizer_problems(path: Any, where: Mapping[str, Any]) -> Iterator[Problem]:
    key = "dataloader.tokenizer_path"
    if path is None or path == "":
        yield Problem(
            "TextDataLoader needs a tokenizer.",
            origin("dataloader.type", where),
            f"Set {key} to the folder that holds tokenizer/.",
            key,
        )
    elif isinstance(path, str) and (remedy := _missing(path)):
        yield Problem(
            f"'{key}' is {text_of(path)}, and there is no tokenizer/tokenizer.json in it.",
            origin(key, where),
            remedy,
            key,
        )


def _missing(path: str) -> str:
    """Say how to mend a folder that holds no tokenizer; an empty text if it holds one."""
    try:
        folder = at_home(path)
        if (folder / "tokenizer" / "tokenizer.json").is_file():
            return ""
        if folder.name == "tokenizer" and (folder / "tokenizer.json").is_file():
            return f"Give the folder above it, {folder.parent}."
        if (folder / "tokenizer.json").is_file():
            return "Move the tokenizer's files into a folder tokenizer/ below it."
    except (OSError, ValueError):  # a NUL, too long a name
        pass
    return "Save the trained tokenizer there, as Hugging Face's `save_pretrained` does."
