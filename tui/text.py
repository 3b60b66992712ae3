"""Text in cells: cut, filled and put together, wide and combining characters included."""

from __future__ import annotations

import os
import re

from rich.cells import cell_len, set_cell_size

from trainer.events.text import clean

__all__ = ["cell_len", "clean", "fit", "fit_place", "left", "right", "short_path", "wrap"]

#: A file and a line, and perhaps how it is spelled there.
_PLACE = re.compile(r"(:\d+)( \(.*\))?$")


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """Cut a text to at most `width` cells; a cut one ends with an ellipsis."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - cell_len(ellipsis))).rstrip() + ellipsis


def left(text: str, width: int, ellipsis: str = "…") -> str:
    """Cut or fill a text to exactly `width` cells, flush left."""
    return set_cell_size(fit(text, width, ellipsis), max(0, width))


def right(text: str, width: int, ellipsis: str = "…") -> str:
    """Cut or fill a text to exactly `width` cells, flush right."""
    text = fit(text, width, ellipsis)
    return " " * (width - cell_len(text)) + text


def wrap(text: str, width: int, most: int, ellipsis: str = "…") -> list[str]:
    """Break a text at blanks into at most some lines of at most `width` cells.

    Args:
        text: Any harmless text; an empty one has no lines.
        width: Cells of a line.
        most: Lines; the last one is cut if there would be more.
        ellipsis: Ends a text that was cut.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
            continue
        rest = word
        while cell_len(rest) > width > 1:
            head = set_cell_size(rest, width).rstrip() or rest[:1]
            lines.append(head)
            rest = rest[len(head) :]
        lines += [rest] if rest else []
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], fit(" ".join(lines[most - 1 :]), width, ellipsis)]


def fit_place(place: str, width: int, ellipsis: str = "…") -> str:
    """Cut where a value comes from: a file at its beginning, for its name and line say most."""
    found = _PLACE.search(place)
    if cell_len(place) <= width or found is None:
        return fit(place, width, ellipsis)
    place = place[: found.end(1)]
    if cell_len(place) <= width:
        return place
    return fit(ellipsis + place[len(place) - width + len(ellipsis) :], width, ellipsis)


def short_path(path: str, cwd: str) -> str:
    """Write a path the short way: below where one stands, or below one's home."""
    home = os.path.expanduser("~")  # noqa: PTH111 - never raises
    if path.startswith(cwd.rstrip("/") + "/"):
        return "." + path[len(cwd.rstrip("/")) :]
    return "~" + path[len(home) :] if path.startswith(home + "/") else path
