"""Lengths of time as people write them, in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_UNITS = {
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "weeks": 604800.0,
}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([a-z]+)\s*")
_CLOCK = re.compile(r"[0-9]+(:[0-9]{1,2}){1,3}(\.[0-9]+)?")
_CLOCK_UNITS = (1.0, 60.0, 3600.0, 86400.0)
FORMS = "seconds, a text such as '540m', '9h' or '1h30m', or a clock such as '9:00:00'"


def seconds(value: Any) -> float | None:
    """Read a length of time.

    Args:
        value: Seconds as a number; `540m`, `9h`, `1h 30m`; a clock read from its end
            (`[[days:]hours:]minutes:seconds`); a mapping of `days`, `hours`, `minutes`, `seconds`,
            `weeks`; or None.

    Returns:
        Seconds; None for None.

    Raises:
        ValueError: It is none of these, with the end of a sentence that says so.
    """
    if value is None:
        return None
    found: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = float(value)
    elif isinstance(value, str):
        found = _text(value.strip().lower())
    elif isinstance(value, Mapping) and value and set(value) <= set(_UNITS):
        found = _sum(value)
    if found is None or not math.isfinite(found) or found < 0:
        raise ValueError(f"must be a length of time ({FORMS}), not {value!r}")
    return found


def _sum(parts: Mapping[str, Any]) -> float | None:
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in parts.values()):
        return None
    return sum(float(n) * _UNITS[unit] for unit, n in parts.items())


def _text(text: str) -> float | None:
    if len(text) > 64:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    if _CLOCK.fullmatch(text):
        parts = [float(part) for part in reversed(text.split(":"))]
        return sum(part * unit for part, unit in zip(parts, _CLOCK_UNITS, strict=False))
    total, at = 0.0, 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match.group(2) not in _UNITS:
            return None
        total += float(match.group(1)) * _UNITS[match.group(2)]
        at = match.end()
    return total if text else None
