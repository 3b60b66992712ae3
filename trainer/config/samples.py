"""What a line of a file of instructions must be, and which lines of a file are none.

The recipe reads its data by this; before launch the beginning of each file is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.config.text import clean
from trainer.errors import Problem

SCORES = ("quality_score", "quality")
"""What a sample may call its score."""

BOM = b"\xef\xbb\xbf"
LISTED = 5
"""Lines of a file that are named one by one."""

# What is looked at before launch; a line beyond it is told when the data are read.
_LOOKED_AT = 8 << 20


def sample_of(line: bytes) -> tuple[Mapping[str, Any], str]:
    """Read one line; gives what is wrong with it instead, if anything is."""
    try:
        sample = json.loads(line.removeprefix(BOM).decode("utf-8"))
    except UnicodeDecodeError as error:
        return {}, f"The line is no UTF-8: {error.reason} at byte {error.start}."
    except (ValueError, RecursionError) as error:
        return {}, f"The line is no JSON: {error}."
    if not isinstance(sample, dict):
        return {}, "The line is no JSON object."
    for name, needed in (("instruction", True), ("output", True), ("input", False)):
        value = sample.get(name)
        if (value is None and needed) or not isinstance(value, str | None):
            is_what = "lacks" if value is None else "has no text as"
            return {}, f"The sample {is_what} '{name}'."
        if value and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            return (
                {},
                f"The sample's '{name}' holds half a character, an escape without its other half.",
            )
    for name in SCORES:
        value = sample.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            return {}, f"The sample's '{name}' is no number: {value!r}."
    return sample, ""


def broken_lines(path: Path) -> list[Problem]:
    """Name the first lines of a file that are no samples, as far as it is looked at before launch.

    A file that has not changed is not read again; one that cannot be read has no broken lines.
    """
    try:
        status = path.stat()
        return list(_broken(path, status.st_mtime_ns, status.st_size, status.st_ino))
    except OSError:
        return []


@lru_cache(maxsize=64)
def _broken(path: Path, *_: int) -> tuple[Problem, ...]:
    problems: list[Problem] = []
    looked_at = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            looked_at += len(line)
            what = sample_of(line)[1] if line.removeprefix(BOM).strip() else ""
            if what:
                problems.append(Problem(clean(what), clean(f"{path}:{number}"), "", "data.root"))
            if len(problems) == LISTED or looked_at > _LOOKED_AT:
                break
    return tuple(problems)
