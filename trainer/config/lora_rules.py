"""What can be known to be wrong with a fine-tuning before a model is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from trainer.config import base_model
from trainer.config.hardware_batch import whole
from trainer.config.peft_args import keywords
from trainer.config.prompt_template import Template
from trainer.config.samples import broken_lines
from trainer.config.schema import fields
from trainer.config.text import clean
from trainer.config.torch_rules import is_number, origin, text_of
from trainer.errors import ConfigError, Problem, nearest
from trainer.paths import at_home, in_the_way

RECIPE = "trainer.recipes.lora."
NAME_FIELDS = (
    "name", "expert", "role", "group", "base_short", "rank", "preset", "run", "date",
)  # fmt: skip
"""What `output.name_template` may hold."""
LONGEST_NAME = 200
"""Bytes in the name of a finished model's folder; disks take 255, and while it is made it has more."""
# What every platform's `strftime` knows.
_DATE_SIGNS = frozenset("aAwdbBmyYHIMpSfzZjUWcxXGuV%")
# What people call keywords of PEFT's `LoraConfig`, which are much like other ones of it.
_KEYWORDS = {
    "rank": "r",
    "lora_r": "r",
    "lora_rank": "r",
    "alpha": "lora_alpha",
    "dropout": "lora_dropout",
    "modules": "target_modules",
    "target": "target_modules",
}
# Keywords of `LoraConfig` that are the recipe's own, with the only value that they may have.
_SET_HERE = {
    "task_type": "CAUSAL_LM",
    "peft_type": "LORA",
    "inference_mode": False,
    "auto_mapping": None,
    "peft_version": None,
    "base_model_name_or_path": None,
    "revision": None,
}


def lora_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Check the prompt template, the name of the folder, and lengths against each other.

    Args:
        config: The resolved config.
        where: For each dotted key what set it.
    """
    expert, data = _section(config, "expert"), _section(config, "data")
    if isinstance(template := expert.get("prompt_template"), str):
        try:
            Template.of(template)
        except ConfigError as error:
            for found in error.problems:
                yield Problem(found.what, origin(found.key, where), found.remedy, found.key)
    yield from _keywords(_section(config, "lora"), where)
    yield from _patterns(_section(config, "lora"), where)
    if _is_ours(config):
        yield from _two_adapters(config, where)
    yield from _name(_section(config, "output").get("name_template"), where)
    yield from _date(_section(config, "output").get("date_format"), where)
    longest, length = expert.get("context_window"), data.get("sequence_length")
    if not (_is_ours(config) and isinstance(longest, int) and isinstance(length, int)):
        return
    if length > longest:
        key = "data.sequence_length"
        yield Problem(
            f"'{key}' is {length}, and the expert's context window is {longest} tokens.",
            origin(key, where),
            f"Set {key} to {longest} or less.",
            key,
        )


def _keywords(lora: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find keywords that PEFT's `LoraConfig` does not take, and values that are nothing for it."""
    declared = {
        name.removeprefix("lora."): known
        for name, known in fields().items()
        if name.startswith("lora.")
    }
    for name, value in lora.items():
        key, known = f"lora.{name}", declared.get(str(name))
        if known is not None and not (isinstance(value, str) and "str" in known.type.split(" | ")):
            continue  # the schema says all there is to say
        taken = keywords()
        place = origin(key, where)
        if name in _SET_HERE:
            if value is not None and value != _SET_HERE[name]:
                yield Problem(
                    f"'{key}' cannot be given: training sets it.", place, "Leave it out.", key
                )
        elif name in taken:
            if not taken[name].takes(value):
                what = (
                    f"'{key}' cannot be {text_of(value)}: LoraConfig takes {taken[name].words()}."
                )
                remedy = nearest(str(value), taken[name].choices) if isinstance(value, str) else ""
                yield Problem(what, place, remedy, key)
        elif known is None:
            right = _right_name(str(name), taken or declared)
            remedy = f"Did you mean 'lora.{right}'?" if right else ""
            # Without PEFT at hand nobody knows what else it takes.
            if remedy or taken:
                remedy = (
                    remedy
                    or f"LoraConfig takes {', '.join(n for n in taken if n not in _SET_HERE)}."
                )
                yield Problem(f"there is no key '{key}'.", place, remedy, key)


def _patterns(lora: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is no rank and no alpha of a single module."""
    for name, kind in (("rank_pattern", "a whole number"), ("alpha_pattern", "a number")):
        for module, value in _section(lora, name).items():
            fits = whole(value) is not None if name == "rank_pattern" else is_number(value)
            if fits and value > 0:
                continue
            key = f"lora.{name}.{clean(str(module))}"
            yield Problem(
                f"'{key}' cannot be {text_of(value)}: it takes {kind} above 0.",
                origin(key, where) or origin(f"lora.{name}", where),
                "",
                f"lora.{name}",
            )


def _two_adapters(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find where the model has another adapter than the limits, the folder and people are told of.

    It follows `lora`, but not in the config of a run, in which all is written out.
    """
    told, built = _section(config, "lora"), _section(_section(config, "model"), "lora")
    for name in ("r", "lora_alpha", "rank_pattern", "alpha_pattern"):
        key, model = f"lora.{name}", f"model.lora.{name}"
        if built and built.get(name) != told.get(name):
            yield Problem(
                f"'{key}' is {text_of(told.get(name))}, and '{model}' is {text_of(built.get(name))}.",
                origin(key, where) or origin(model, where),
                f"Set {key} alone, in a new run: a checkpoint keeps the adapter that it was made with.",
                key,
            )


def _right_name(name: str, known: Iterable[str]) -> str:
    """Give the keyword that a name stands for, or is much like; empty if there is none."""
    names = [each for each in known if each not in _SET_HERE]
    close = nearest(name, [*names, *_KEYWORDS])
    meant = name if name in _KEYWORDS else close.split("'")[1] if close else ""
    return _KEYWORDS.get(meant, meant)


def lacking(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Name folders of data and base model that are not on this machine; looked for at launch.

    Args:
        config: The resolved config.
    """
    if not _is_ours(config):
        return
    data = _section(config, "data")
    root = data.get("root")
    if isinstance(root, str) and root:
        yield from _files(at_home(root), data, _section(config, "evaluation"))
    yield from _place(_section(config, "output").get("models_dir"))
    for asked in base_models(config):
        if (problem := base_model.not_here(*asked)) is not None:
            yield problem
        else:
            yield from _too_long(*asked, data.get("sequence_length"))


def _too_long(name: str, revision: str | None, length: Any) -> Iterator[Problem]:
    """Say that sequences are longer than a base model takes, which is on this machine."""
    longest = base_model.longest(name, revision)
    if longest is not None and isinstance(length, int) and length > longest:
        key = "data.sequence_length"
        what = f"'{key}' is {length}, and '{clean(name)}' takes {longest} tokens."
        yield Problem(what, "", f"Set {key} to {longest} or less.", key)


def _place(written: Any) -> Iterator[Problem]:
    """Say why no finished model could be left in a folder; it is made when there is one."""
    if not isinstance(written, str) or not written or written.startswith("~"):
        return
    there = in_the_way(Path(written).absolute())
    if there is None:
        return
    why = "may not be written to" if there.is_dir() else "is a file"
    yield Problem(
        f"No finished model can be left in '{clean(written)}': {clean(str(there))} {why}.",
        "",
        "Set output.models_dir to a folder of your own.",
        "output.models_dir",
    )


def _files(root: Path, data: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Iterator[Problem]:
    """Name the files of samples that are not there, or else the lines that are no samples."""
    splits = ["train_split", "val_split"]
    if evaluation.get("after_training") is True:
        splits.append(f"{evaluation.get('split') or 'test'}_split")
    named = {split: data.get(split) for split in splits}
    paths = {split: root / name for split, name in named.items() if isinstance(name, str) and name}
    for split, path in paths.items():
        if not path.is_file():
            remedy = "Set data.root to the folder of the samples"
            if root.is_file():
                remedy = f"data.root is a folder, and this is a file: set it to {clean(str(root.parent))}"
            elif root.is_dir():
                remedy = f"Set data.{split} to its name in {clean(str(root))}"
                remedy += "" if split == "train_split" else ", or to null"
            yield Problem(
                f"There is no file of samples {clean(str(path))}.",
                "",
                f"{remedy}; `traindeck data make-instruct FOLDER` makes a set.",
                f"data.{split}" if root.is_dir() else "data.root",
            )
            return
    for path in dict.fromkeys(paths.values()):
        yield from broken_lines(path)


def out_of_reach(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Name base models that only the hub has, where it does not answer; takes seconds.

    Args:
        config: The resolved config.
    """
    yield from filter(None, (base_model.out_of_reach(*asked) for asked in base_models(config)))


def base_models(config: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Give the base model that a fine-tuning asks for, and its version; nothing for the one made here."""
    model = _section(config, "model")
    name, revision = model.get("base_model"), model.get("revision")
    if not (_is_ours(config) and isinstance(name, str)):
        return []
    return [(name, revision if isinstance(revision, str) else None)]


def _name(template: Any, where: Mapping[str, Any]) -> Iterator[Problem]:
    key = "output.name_template"
    if not isinstance(template, str):
        return
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        yield Problem(f"The braces of '{key}' do not match: {error}.", origin(key, where), "", key)
        return
    written = sum(len(text.encode()) for text, *_ in Formatter().parse(template))
    if written > LONGEST_NAME:
        what = f"'{key}' is {written} bytes long, and a folder's name may have {LONGEST_NAME}."
        yield Problem(what, origin(key, where), "", key)
    for name in names:
        if name not in NAME_FIELDS:
            remedy = nearest(name, NAME_FIELDS) or f"There are {', '.join(NAME_FIELDS)}."
            what = f"Nothing fills in '{{{clean(name)}}}' in '{key}'."
            yield Problem(what, origin(key, where), remedy, key)


def _date(written: Any, where: Mapping[str, Any]) -> Iterator[Problem]:
    key = "output.date_format"
    for sign in re.findall(r"%(.?)", written) if isinstance(written, str) else ():
        if not sign or sign not in _DATE_SIGNS:
            what = f"'%{clean(sign)}' in '{key}' is no sign of a date."
            remedy = "Such as %Y%m%d: the year, the month and the day."
            yield Problem(what, origin(key, where), remedy, key)
            return


def _is_ours(config: Mapping[str, Any]) -> bool:
    target = _section(config, "data").get("_target_")
    return isinstance(target, str) and target.startswith(RECIPE)


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}
