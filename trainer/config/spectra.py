"""STFT and mel settings in a config: those of training and those of evaluation, side by side.

A config of one kind of data has none; where both sides name some, figures of the evaluation mean
what training worked on only if they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Libraries differ in their names; the first of each row is the one that is shown.
_NAMES = {
    "fft_size": ("fft_size", "n_fft", "fft_sizes", "n_ffts"),
    "hop_size": ("hop_size", "hop_length", "hop_sizes", "hop_lengths"),
    "win_length": ("win_length", "win_size", "window_size", "win_lengths", "win_sizes"),
    "window": ("window", "window_fn"),
    "sample_rate": ("sample_rate", "sr"),
    "n_mels": ("n_mels", "n_mel", "num_mels"),
}
_KNOWN = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings}
# A mapping is one of settings if it names the size of the transform or its hop.
_TELLING = ("fft_size", "hop_size")
_TRAINING = ("model", "data", "loss")
_EVALUATION = ("eval_loss",)


@dataclass(frozen=True)
class Settings:
    """One resolution of an STFT that a config names.

    Attributes:
        key: Where it stands.
        values: The settings by name, as far as they are written.
    """

    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Clash:
    """Settings of evaluation that no settings of training agree with.

    Attributes:
        key: Where those of evaluation stand.
        other: Where the nearest ones of training stand.
        names: In what they differ: name, value in training, value in evaluation.
    """

    key: str
    other: str
    names: tuple[tuple[str, Any, Any], ...]


def training(config: Mapping[str, Any]) -> list[Settings]:
    """Find the STFT settings of training, every resolution of a multi-resolution loss alone."""
    return [found for name in _TRAINING for found in _walk(config.get(name), name)]


def evaluation(config: Mapping[str, Any]) -> list[Settings]:
    """Find the STFT settings of evaluation."""
    return [found for name in _EVALUATION for found in _walk(config.get(name), name)]


def clashes(config: Mapping[str, Any]) -> list[Clash]:
    """Tell which settings of evaluation have no counterpart in training; only what both write."""
    known = training(config)
    found = []
    for settings in evaluation(config):
        against = [(_apart(other.values, settings.values), other.key) for other in known]
        if against and all(names for names, _ in against):
            names, other_key = min(against, key=lambda pair: len(pair[0]))
            found.append(Clash(settings.key, other_key, tuple(names)))
    return found


def pre_transforms(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find every `pre_transform`, by its key."""
    return dict(_named(config, "pre_transform", ""))


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [
        (name, one[name], other[name]) for name in one if name in other and one[name] != other[name]
    ]


def _walk(value: Any, key: str) -> Iterator[Settings]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _walk(item, f"{key}.{place}")
    if not isinstance(value, Mapping) or value.get("enabled") is False:
        return
    named = {_KNOWN[name]: each for name, each in value.items() if name in _KNOWN}
    named = {name: each for name, each in named.items() if each is not None}
    if any(name in named for name in _TELLING):
        lists = [each for each in named.values() if isinstance(each, list)]
        numbers: Iterable[int | None] = range(max(map(len, lists))) if lists else (None,)
        for number in numbers:
            yield Settings(key, {name: _item(each, number) for name, each in named.items()})
    for name, below in value.items():
        yield from _walk(below, f"{key}.{name}")


def _item(value: Any, number: int | None) -> Any:
    if not isinstance(value, list) or number is None:
        return value
    return value[number] if number < len(value) else None


def _named(value: Any, wanted: str, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _named(item, wanted, f"{key}.{number}")
    if isinstance(value, Mapping):
        for name, below in value.items():
            place = f"{key}.{name}" if key else str(name)
            if name == wanted and below is not None:
                yield place, below
            else:
                yield from _named(below, wanted, place)
