"""Cells of dots: two columns of four dots each, from bit masks of whole dot columns.

A dot column is one integer: bit 0 is the topmost dot. A cell holds the nibbles of two neighbouring
dot columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Dots of a cell, across and down.
ACROSS, DOWN = 2, 4

_LEFT = (0x01, 0x02, 0x04, 0x40)
_RIGHT = (0x08, 0x10, 0x20, 0x80)


def _braille() -> str:
    signs = []
    for pair in range(256):
        bits = 0
        for row in range(DOWN):
            bits |= _LEFT[row] if pair >> (4 + row) & 1 else 0
            bits |= _RIGHT[row] if pair >> row & 1 else 0
        signs.append(chr(0x2800 + bits))
    return " " + "".join(signs[1:])


def _ascii() -> str:
    signs = []
    for pair in range(256):
        rows = pair >> 4 | pair & 15
        height = rows.bit_count()
        if pair.bit_count() > DOWN + 1:
            sign = "#"
        elif height >= DOWN - 1:
            sign = "|"
        elif rows & 0b1001 == 0:
            sign = "-"
        else:
            sign = "'" if rows & 0b0011 else "."
        signs.append(sign)
    return " " + "".join(signs[1:])


#: The sign of a cell, by left nibble * 16 + right nibble.
BRAILLE = _braille()
ASCII = _ascii()


@dataclass(slots=True)
class Layer:
    """What one curve draws.

    Attributes:
        style: Number of its style.
        masks: Dots of each dot column.
        points: By number of the cell column, the cell rows of points drawn as a sign.
        over: Whether it has its cells for itself, instead of sharing them with those below.
    """

    style: int
    masks: list[int]
    points: dict[int, set[int]]
    over: bool = False

    def holds(self, number: int, row: int) -> bool:
        """Tell whether it draws anything in a cell, by column and row."""
        dots = self.masks[number * ACROSS] | self.masks[number * ACROSS + 1]
        return bool(dots >> row * DOWN & 15) or row in self.points.get(number, ())


def column(
    layers: Sequence[Layer], number: int, rows: int, signs: str, point: str
) -> tuple[list[str], list[int]]:
    """Draw one column of cells.

    The style of a cell is that of the topmost layer in it; the dots are those of all layers, or
    of the topmost ones alone if these stand over the others.

    Args:
        layers: From the lowest to the topmost.
        number: Number of the column.
        rows: How many cells it has.
        signs: `BRAILLE` or `ASCII`.
        point: The sign of a single point.

    Returns:
        Signs and numbers of styles, from the top; blanks where there is nothing.
    """
    text, styles = [" "] * rows, [0] * rows
    cells, over = [0] * rows, [False] * rows
    dot = number * ACROSS
    for layer in layers:
        left, right = layer.masks[dot], layer.masks[dot + 1]
        both = left | right
        if both:
            row = ((both & -both).bit_length() - 1) >> 2
            end = ((both.bit_length() - 1) >> 2) + 1
            left >>= row * DOWN
            right >>= row * DOWN
            for row in range(row, end):  # noqa: B020
                bits = (left & 15) << 4 | right & 15
                if bits:
                    if layer.over and not over[row]:
                        over[row] = True
                        cells[row] = bits
                    else:
                        cells[row] |= bits
                    text[row] = signs[cells[row]]
                    styles[row] = layer.style
                left >>= DOWN
                right >>= DOWN
    # Single points are few: they lie over everything, or they would drown.
    for layer in layers:
        for row in layer.points.get(number, ()):
            text[row] = point
            styles[row] = layer.style
    return text, styles
