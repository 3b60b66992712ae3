"""Two people changed one file: their changes put together where they do not touch each other."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

#: The lines around two versions of the same lines.
OURS, THEIRS = "<<<<<<< yours\n", ">>>>>>> on disk\n"


@dataclass(frozen=True, slots=True)
class Merged:
    """Two versions of a text put together.

    Attributes:
        text: The result; where both changed the same lines, both stand there between marks.
        conflicts: How many such places there are.
    """

    text: str
    conflicts: int


def merge(base: str, mine: str, theirs: str) -> Merged:
    """Merge by lines.

    Args:
        base: What both began with.
        mine: One version.
        theirs: The other.
    """
    old, a, b = (text.splitlines(keepends=True) for text in (base, mine, theirs))
    out: list[str] = []
    conflicts = 0
    at = at_a = at_b = 0
    for start, start_a, start_b, length in [
        *_unchanged(old, a, b),
        (len(old), len(a), len(b), 0),
    ]:
        was, own, other = old[at:start], a[at_a:start_a], b[at_b:start_b]
        if other in (own, was):
            out += own
        elif own == was:
            out += other
        else:
            conflicts += 1
            out += _marked(own, other)
        out += old[start : start + length]
        at, at_a, at_b = start + length, start_a + length, start_b + length
    return Merged("".join(out), conflicts)


def _unchanged(old: list[str], a: list[str], b: list[str]) -> list[tuple[int, int, int, int]]:
    """Give the stretches of lines that neither changed: where in each text, and how long."""
    found = []
    ours = SequenceMatcher(None, old, a, autojunk=False).get_matching_blocks()
    others = SequenceMatcher(None, old, b, autojunk=False).get_matching_blocks()
    i = j = 0
    while i < len(ours) and j < len(others):
        first, second = ours[i], others[j]
        start = max(first.a, second.a)
        end = min(first.a + first.size, second.a + second.size)
        if start < end:
            shift_a, shift_b = first.b - first.a, second.b - second.a
            found.append((start, start + shift_a, start + shift_b, end - start))
        if first.a + first.size < second.a + second.size:
            i += 1
        else:
            j += 1
    return found


def _marked(own: list[str], other: list[str]) -> list[str]:
    def ended(lines: list[str]) -> list[str]:
        if lines and not lines[-1].endswith("\n"):
            return [*lines[:-1], lines[-1] + "\n"]
        return lines

    return [
        OURS,
        *ended(own),
        "=======\n",
        *ended(other),
        THEIRS,
    ]
