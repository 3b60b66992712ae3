"""Which metrics share a panel, and which panels matter most; works for names of any kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tui.text import clean

#: At most so many curves on one panel: a chart has eight colours.
CURVES = 8

_TRAIN = ("train", "training", "tr")
_EVAL = ("val", "valid", "validation", "eval", "dev")
_TEST = ("test",)
_SPLITS = {
    **dict.fromkeys(_TRAIN, "train"),
    **dict.fromkeys(_EVAL, "val"),
    **dict.fromkeys(_TEST, "test"),
}
_SPLIT = re.compile(rf"^({'|'.join(sorted(_SPLITS, key=len, reverse=True))})[/_.:-](.+)$", re.I)
_AGGREGATE = re.compile(r"^(.+)_(epoch|step)$")
_LR = re.compile(r"^(lr|learning[_ -]?rate)(?![a-z])", re.I)
_NORM = re.compile(r"^(total[_ -])?grad(ient)?s?[_ /-](total[_ -])?(global[_ -])?norm$", re.I)
_MEMORY = re.compile(r"(^|[/_.])(mem|memory|rss|vram)([/_.]|$)|bytes$", re.I)
_GPU_MEMORY = "gpu memory"
_APART = ("lr", "memory", _GPU_MEMORY, "weight_decay", "epoch")
#: Measures of speed, the ones that people read first at the front.
_SPEEDS = (
    "samples_per_sec",
    "samples_per_second",
    "throughput",
    "tokens_per_sec",
    "tokens_per_second",
    "it_per_sec",
    "steps_per_sec",
    "steps_per_second",
    "batches_per_sec",
)
#: Prefixes that tell of the machine rather than of the model; they stand last.
_MACHINE = ("perf", "gpu", "memory", "system", "sys", "cpu", "disk", "time", "timing", "hardware")


@dataclass(frozen=True, slots=True)
class Series:
    """One metric on a panel.

    Attributes:
        metric: Its name in the stream.
        label: What the panel calls it.
    """

    metric: str
    label: str


@dataclass(frozen=True, slots=True)
class Group:
    """One panel: metrics that belong over each other.

    Attributes:
        key: What the layout remembers it by.
        title: What it is called.
        kind: "loss", "norm", "speed", "lr", "memory", or "" for any other.
        series: Its metrics, training first, then validation.
        section: The prefix that it is listed under.
    """

    key: str
    title: str
    kind: str
    series: tuple[Series, ...]
    section: str = ""


@dataclass(frozen=True, slots=True)
class _Name:
    metric: str
    split: str
    stem: str
    aggregate: str

    @property
    def rank(self) -> tuple[int, str]:
        order = {"train": 0, "": 0, "val": 1, "test": 2}[self.split]
        return (order + (10 if self.aggregate else 0), "")


def split_name(metric: str) -> tuple[str, str]:
    """Part a name into the split it was measured on and the rest.

    Returns:
        ("train", "val", "test" or "", the rest): "val/loss" and "eval_loss" give ("val", "loss").
    """
    found = _SPLIT.match(metric)
    if found is None:
        return "", metric
    return _SPLITS[found.group(1).lower()], found.group(2)


def group(names: Iterable[str], goals: Mapping[str, str] | None = None) -> tuple[Group, ...]:
    """Put metrics onto panels, the most important panel first.

    Args:
        names: The metrics, in order of appearance.
        goals: "min" or "max" of those that have one; a stream without a loss leads with the
            first metric that has.
    """
    families: dict[str, list[_Name]] = {}
    for metric in names:
        split, stem = split_name(metric)
        aggregate = ""
        found = _AGGREGATE.match(stem)
        if found:
            stem, aggregate = found.group(1), found.group(2)
        family = _family(split, stem)
        families.setdefault(family, []).append(_Name(metric, split, stem, aggregate))
    main = _main(families, goals or {})
    speed = _speed(families)
    groups: list[Group] = []
    for key, members in families.items():
        kind = _kind(key, main, speed)
        ordered = sorted(members, key=lambda name: name.rank)
        for part in range(0, len(ordered), CURVES):
            number = part // CURVES
            series = tuple(
                Series(name.metric, _label(name, ordered)) for name in ordered[part : part + CURVES]
            )
            title = _title(key, kind) + (f" ({number + 1})" if number else "")
            groups.append(
                Group(
                    f"{key}#{number + 1}" if number else key,
                    title,
                    "" if number else kind,
                    series,
                    _section(key, kind, ordered),
                )
            )
    sections = list(dict.fromkeys(found.section for found in groups))
    groups.sort(key=lambda found: (_importance(found), sections.index(found.section)))
    return tuple(groups)


def _family(split: str, stem: str) -> str:
    """Give the key of the panel that a metric goes to."""
    if not split:
        if _LR.match(stem):
            return "lr"
        if _MEMORY.search(stem) and stem.endswith("bytes"):
            return "memory"
        # Another unit, and so another scale.
        if _MEMORY.search(stem) and stem.endswith("_gb"):
            return _GPU_MEMORY
    return stem


def _main(families: Mapping[str, list[_Name]], goals: Mapping[str, str]) -> str | None:
    """Choose the panel that answers whether it learns."""
    if "loss" in families:
        return "loss"
    for key in families:
        if re.search(r"(^|[/_. -])loss$", key, re.I):
            return key
    for key in families:
        if "loss" in key.lower():
            return key
    for key, members in families.items():
        if any(name.metric in goals for name in members) and _plain(key):
            return key
    return next((key for key in families if _plain(key)), next(iter(families), None))


def _plain(key: str) -> bool:
    return key.split("/", maxsplit=1)[0] not in _MACHINE and key not in _APART


def _speed(families: Mapping[str, list[_Name]]) -> str:
    for speed in _SPEEDS:
        for key in families:
            if key == speed or key.endswith((f"/{speed}", f"_{speed}", f".{speed}")):
                return key
    return ""


def _kind(key: str, main: str | None, speed: str) -> str:
    if main is not None and key == main:
        return "loss"
    if speed and key == speed:
        return "speed"
    if _NORM.match(key):
        return "norm"
    if key == _GPU_MEMORY:
        return "memory"
    return key if key in ("lr", "memory") else ""


def _title(key: str, kind: str) -> str:
    if key == _GPU_MEMORY:
        return key
    named = {"norm": "grad norm", "speed": "throughput", "lr": "lr", "memory": "memory"}
    return named.get(kind) or clean(key) or '""'


def _label(name: _Name, members: list[_Name]) -> str:
    """Name a curve as shortly as its panel allows."""
    if len(members) == 1:
        return name.split
    if len({member.stem for member in members}) > 1:
        last = name.metric.rsplit("/", 1)[-1].removesuffix("_bytes")
        if last.endswith("_gb"):
            last = last.removesuffix("_gb").replace("memory_", "")
        return clean(last) or clean(name.metric)
    labelled = " ".join(part for part in (name.split, name.aggregate) if part)
    return labelled or ("train" if any(m.split == "val" for m in members) else "")


def _section(key: str, kind: str, members: list[_Name]) -> str:
    if kind:
        return ""
    prefix = key.split("/", 1)[0] if "/" in key else ""
    return prefix or ("" if any(name.split for name in members) else " ")


def _importance(found: Group) -> int:
    kinds = ["loss", "norm", "speed", "lr", "memory"]
    if found.kind in kinds:
        return kinds.index(found.kind)
    if found.key == "weight_decay":
        return 9  # mostly one value from beginning to end
    if found.section in ("", " "):
        return 5 if found.section == "" else 6
    return 8 if found.section.lower() in _MACHINE else 7
