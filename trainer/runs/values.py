"""Values out of files that anybody may have written: what is of another type reads as missing."""

from __future__ import annotations

import math

from trainer.events.text import clean


def printable(text: str) -> str:
    """Make a text from a file or a process one harmless line of what can be printed."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in clean(text))


def text(value: object, limit: int = 500) -> str:
    """Read a text of at most `limit` characters; line breaks become blanks so that it fits a line."""
    if not isinstance(value, str):
        return ""
    return printable(value[:limit].replace("\n", " "))


def integer(value: object) -> int | None:
    """Read an integer of at most 64 bits; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < 2**63 else None


def number(value: object) -> float | None:
    """Read a number that is finite."""
    found = any_number(value)
    return found if found is not None and math.isfinite(found) else None


def positive(value: object) -> float | None:
    """Read a number that is finite and above 0."""
    found = number(value)
    return found if found is not None and found > 0 else None


def any_number(value: object) -> float | None:
    """Read a float that JSON may have had to spell as a string."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
