"""Makes an SVG of a screen small, and sure of its columns in any font.

Rich writes every blank, a background for every piece of a line, and whole lines as one text: where
a font lacks some signs, these come from another one and push what stands behind them aside. Here
each word stands at its own place, and each background is drawn once.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

#: Size of a cell, as Rich draws it.
_WIDTH, _HEIGHT = 12.2, 24.4

_STYLE = re.compile(r"^\s*\.terminal-\d+-(r\d+) \{ (.*?) \}$", re.MULTILINE)
_PAPER = re.compile(
    r'<rect fill="(#\w{6})" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="[\d.]+" '
    r'shape-rendering="crispEdges"/>'
)
_WINDOW = re.compile(
    r'<rect fill="(#\w{6})" stroke="[^"]*" stroke-width="1" x="1" y="1" '
    r'width="([\d.]+)" height="([\d.]+)"'
)
_TEXT = re.compile(
    r'<text class="terminal-\d+-(r\d+)" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>'
    r"([^<]*)</text>"
)
#: One eighth of a block to a whole one, and the sign before these.
_NO_BLOCK = 0x2580
_BLOCKS = {chr(_NO_BLOCK + eighths) for eighths in range(1, 9)}
#: How far the foot of a cell lies under the line that its text stands on.
_FOOT = 5.9
_WORD = re.compile(r"[^ \xa0]+(?:[ \xa0][^ \xa0]+)*")


def slim(svg: str, title: str, size: tuple[int, int]) -> str:
    """Write a picture anew.

    Args:
        svg: What `App.export_screenshot` gave.
        title: Stands over it.
        size: Columns and lines of the terminal.
    """
    styles = {name: rule.replace(": ", ":") for name, rule in _STYLE.findall(svg)}
    columns, lines = size
    width, height = columns * _WIDTH, lines * _HEIGHT
    papers, main = _papers(svg)
    texts = sorted(_texts(svg, styles))
    rows = [
        f'<g transform="translate(0 {_figure(y)})">{"".join(text for _, _, text in row)}</g>'
        for y, row in groupby(texts, key=lambda text: text[0])
    ]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {_figure(width + 18)} {_figure(height + 50)}" '
            'xmlns="http://www.w3.org/2000/svg">',
            f"<title>{html.escape(title)}</title>",
            f'<rect fill="{main}" stroke="#5c6370" x="1" y="1" width="{_figure(width + 16)}" '
            f'height="{_figure(height + 48)}" rx="8"/>',
            '<circle cx="22" cy="21" r="6" fill="#ff5f57"/>'
            '<circle cx="42" cy="21" r="6" fill="#febc2e"/>'
            '<circle cx="62" cy="21" r="6" fill="#28c840"/>',
            f'<text x="{_figure(width / 2)}" y="27" fill="#8a919c" text-anchor="middle" '
            f'font-family="sans-serif" font-size="17">{html.escape(title)}</text>',
            '<g transform="translate(9 41)" font-family="Fira Code,DejaVu Sans Mono,Menlo,'
            'Consolas,monospace" font-size="20" font-variant-ligatures="none">',
            *papers,
            *rows,
            "</g></svg>",
        ]
    )


def _papers(svg: str) -> tuple[list[str], str]:
    """Give the backgrounds, those that touch as one, and the colour behind them all."""
    found = [(float(y), float(x), float(width), fill) for fill, x, y, width in _PAPER.findall(svg)]
    area: Counter[str] = Counter()
    for _, _, width, fill in found:
        area[fill] += round(width)
    # Where the terminal's own background is left as it is, Rich draws it as one.
    window = _WINDOW.search(svg)
    assert window is not None
    color, across, down = window.groups()
    area[color] += round(float(across) * float(down) / _HEIGHT) - area.total()
    main = area.most_common(1)[0][0]
    joined: list[tuple[float, float, float, str]] = []
    for y, x, width, fill in sorted(found):
        if joined:
            last_y, last_x, last_width, last_fill = joined[-1]
            if (y, fill) == (last_y, last_fill) and abs(last_x + last_width - x) < 0.2:
                joined[-1] = (y, last_x, x + width - last_x, fill)
                continue
        joined.append((y, x, width, fill))
    return [
        f'<rect fill="{fill}" x="{_figure(x)}" y="{_figure(y)}" width="{_figure(width)}" '
        f'height="{_figure(_HEIGHT + 0.2)}" shape-rendering="crispEdges"/>'
        for y, x, width, fill in joined
        if fill != main
    ], main


def _texts(svg: str, styles: dict[str, str]) -> Iterator[tuple[float, float, str]]:
    """Give the words: their lines, their places, and how they are written."""
    for name, x, y, _, escaped in _TEXT.findall(svg):
        text = html.unescape(escaped)
        for word in _WORD.finditer(text):
            place = float(x) + _cells(text[: word.start()]) * _WIDTH
            signs = word.group()
            if set(signs) <= _BLOCKS:
                drawn = _blocks(signs, place, styles[name])
            else:
                width = _figure(_cells(signs) * _WIDTH)
                written = html.escape(signs, quote=False).replace("\xa0", " ")
                drawn = (
                    f'<text style="{styles[name]}" x="{_figure(place)}" '
                    f'textLength="{width}">{written}</text>'
                )
            yield float(y), place, drawn


def _blocks(signs: str, place: float, style: str) -> str:
    """Draw blocks that fill their cells from below: fonts leave seams between them."""
    drawn = []
    for sign, same in groupby(signs):
        width = len(list(same)) * _WIDTH
        height = _HEIGHT * (ord(sign) - _NO_BLOCK) / 8
        drawn.append(
            f'<rect style="{style}" x="{_figure(place)}" y="{_figure(_FOOT - height)}" '
            f'width="{_figure(width)}" height="{_figure(height)}"/>'
        )
        place += width
    return "".join(drawn)


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _figure(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
