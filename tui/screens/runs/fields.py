"""The fields of a run that the filter and the columns ask for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from trainer.runs.status import TERMINAL, State
from trainer.runs.summary import UNREADABLE, RunSummary

#: All states that a run in the list can have.
STATES: tuple[str, ...] = (*(str(state) for state in State), UNREADABLE)

#: Words for several states.
GROUPS: dict[str, frozenset[str]] = {
    "live": frozenset(str(s) for s in State if s not in TERMINAL),
    "over": frozenset(str(s) for s in TERMINAL),
    "ended": frozenset(str(s) for s in TERMINAL),
    "broken": frozenset({"failed", "out_of_memory", "lost", "killed", UNREADABLE}),
}

TRAIN, VAL, SAMPLES = "train/loss", "val/loss", "perf/samples_per_sec"

#: Other names of fields; metrics among them.
ALIASES: dict[str, str] = {
    "loss": TRAIN,
    "train": TRAIN,
    "val": VAL,
    "samples": SAMPLES,
    "tags": "tag",
    "steps": "step",
    "speed": "rate",
    "status": "state",
}


def _metric(run: RunSummary, name: str) -> float | None:
    return run.progress.metrics.get(name)


def metric_getter(name: str) -> Callable[[RunSummary, float], float | None]:
    """Give what reads the last value of a metric."""
    return lambda run, _now: _metric(run, name)


def rate(run: RunSummary) -> float | None:
    """Samples a second, or steps a second where samples are not counted."""
    samples = _metric(run, SAMPLES)
    return samples if samples is not None else run.progress.rate


def eta(run: RunSummary) -> float | None:
    """Seconds left; None for a run that does not train, or will not train to its end."""
    return run.progress.remaining if run.state == "running" else None


def age(run: RunSummary, now: float) -> float | None:
    """Seconds since a run was made; None if that is unknown."""
    return max(0.0, now - run.created) if run.created else None


def took(run: RunSummary, now: float) -> float | None:
    """Seconds that a run trained; None if it never began."""
    if run.started is None:
        return None
    end = run.ended if run.ended is not None else now if run.live else None
    return None if end is None else max(0.0, end - run.started)


#: Fields that hold text: what reads them, and a value for examples.
TEXTS: dict[str, tuple[Callable[[RunSummary], tuple[str, ...]], str]] = {
    "name": (lambda run: (run.name,), "spectra"),
    "id": (lambda run: (run.id,), "k3f9"),
    "preset": (lambda run: (run.preset,), "quickstart"),
    "recipe": (lambda run: (run.recipe,), "text"),
    "host": (lambda run: (run.host,), "gpu1"),
    "tag": (lambda run: run.tags, "ablation"),
    "reason": (lambda run: (run.reason, run.problem), "memory"),
    "parent": (lambda run: tuple(run.parent.values()), "k3f9"),
}

#: Reads a number of a run at a time in unix seconds; None if the run has none.
Getter = Callable[[RunSummary, float], float | None]


def _of(value: float | None) -> float | None:
    return None if value is None else float(value)


#: Fields that hold a number: what reads them, its kind, and a value for examples.
NUMBERS: dict[str, tuple[Getter, str, str]] = {
    "step": (lambda run, _now: _of(run.progress.step), "number", "1000"),
    "epoch": (lambda run, _now: _of(run.progress.epoch), "number", "3"),
    "progress": (lambda run, _now: _percent(run), "percent", "50%"),
    "rate": (lambda run, _now: rate(run), "number", "100"),
    "eta": (lambda run, _now: eta(run), "duration", "30m"),
    "age": (age, "duration", "2h"),
    "took": (took, "duration", "2h"),
    "attempt": (lambda run, _now: float(run.attempt), "number", "2"),
    "exit": (lambda run, _now: _of(run.exit_code), "number", "1"),
}


def _percent(run: RunSummary) -> float | None:
    fraction = run.progress.fraction
    return None if fraction is None else 100 * fraction


_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-zA-Z%]*)")
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def parse_number(text: str, kind: str) -> float | None:
    """Read a number as people write it: 0.5, 1e-3, 10k, 71%, 2h, nan.

    Args:
        text: The number.
        kind: "number", "percent" or "duration" (then in seconds: 90s, 30m, 2h, 3d).

    Returns:
        The number; None if it is none.
    """
    lower = text.strip().lower()
    if kind == "number" and lower.lstrip("+-") in ("nan", "inf", "infinity"):
        return math.nan if "nan" in lower else float(lower)
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    digits, unit = found.groups()
    if kind == "percent":
        scales = {"": 1.0, "%": 1.0}
    else:
        scales = _SECONDS if kind == "duration" else _SCALES
    scale = scales.get(unit.lower())
    try:
        return None if scale is None else float(digits.replace("_", "")) * scale
    except ValueError:
        return None
