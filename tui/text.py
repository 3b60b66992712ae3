"""Text in cells: cut, filled and put together, wide and combining characters included."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from trainer.events.text import clean

__all__ = ["cell_len", "clean", "fit", "left", "right"]


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
