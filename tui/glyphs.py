"""The signs that the screens draw with, for terminals that have them and for those that lack them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs.

    Attributes:
        plain: Whether these are ASCII only; charts then draw with ASCII as well.
        states: A sign for each state of a run or a sweep, always shown beside the word.
        bar: Signs of a progress bar: full and empty.
        spark: Signs of a sparkline, lowest first.
        arrow: Stands between an old and a new value.
        ellipsis: Ends a text that was cut.
        dash: Stands where there is no value.
        rule: A horizontal line.
        up: Marks a column that is sorted upwards.
        down: Marks a column that is sorted downwards.
        mark: Marks a chosen row.
        opened: Before a group whose members are shown.
        closed: Before a group whose members are hidden.
        separator: Stands between facts on one line.
    """

    plain: bool
    states: dict[str, str]
    bar: str
    spark: str
    arrow: str
    ellipsis: str
    dash: str
    rule: str
    up: str
    down: str
    mark: str
    opened: str
    closed: str
    separator: str

    def state(self, state: str) -> str:
        """Give the sign of a state."""
        return self.states.get(state, "?")


UNICODE = Glyphs(
    plain=False,
    states={
        "waiting": "·",
        "queued": "·",
        "starting": "▷",
        "running": "▶",
        "stopping": "◼",
        "completed": "✓",
        "stopped": "■",
        "timeout": "◔",
        "failed": "✗",
        "out_of_memory": "✗",
        "killed": "✗",
        "lost": "◦",
        "preempted": "◌",
        "requeued": "·",
        "unreadable": "?",
        "undriven": "▷",
        "unfinished": "■",
    },
    bar="━─",
    spark="▁▂▃▄▅▆▇█",
    arrow="→",
    ellipsis="…",
    dash="—",
    rule="─",
    up="▲",
    down="▼",
    mark="●",
    opened="▾",
    closed="▸",
    separator="·",
)

ASCII = Glyphs(
    plain=True,
    states={
        "waiting": ".",
        "queued": ".",
        "starting": "o",
        "running": ">",
        "stopping": "!",
        "completed": "+",
        "stopped": "#",
        "timeout": "t",
        "failed": "x",
        "out_of_memory": "x",
        "killed": "x",
        "lost": "-",
        "preempted": "p",
        "requeued": ".",
        "unreadable": "?",
        "undriven": "o",
        "unfinished": "#",
    },
    bar="#.",
    spark="_.-=+*%#",
    arrow="->",
    ellipsis="~",
    dash="-",
    rule="-",
    up="^",
    down="v",
    mark="*",
    opened="v",
    closed=">",
    separator="|",
)


def choose(wanted: str = "auto") -> Glyphs:
    """Choose the signs.

    Args:
        wanted: "unicode", "ascii", or "auto": by the locale and the terminal.
    """
    if wanted == "unicode":
        return UNICODE
    if wanted == "ascii":
        return ASCII
    if _named_charset() == "ascii":
        return ASCII
    encoding = (getattr(sys.__stdout__, "encoding", None) or "").lower().replace("-", "")
    # The Linux console's fonts lack braille; it is the one terminal that says so by its name.
    if encoding not in ("utf8", "utf16", "utf32", "gb18030") or os.environ.get("TERM") == "linux":
        return ASCII
    return UNICODE


def _named_charset() -> str:
    """Give "ascii" if the person's locale says that the terminal has no more than that.

    Python itself takes the plain "C" for UTF-8, in its streams and in `LC_CTYPE`.
    """
    named = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if not os.environ.get("LC_ALL") and named in ("C.UTF-8", "C.utf8"):
        named = os.environ.get("LANG") or named
    return "ascii" if named.upper() in ("C", "POSIX", "C.ASCII", "C.US-ASCII") else ""
