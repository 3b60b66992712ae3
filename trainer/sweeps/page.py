"""The leaderboard as one page of HTML that needs no network, nor JavaScript to be read.

Names, reasons and values are data: all of them are escaped, the script gets none of them as text to
run, and the page's policy lets nothing run or load but its own script and style, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.display import number, plural
from trainer.events.text import clean
from trainer.sweeps import leaderboard as cells
from trainer.sweeps.diagnostics import FOLDER
from trainer.sweeps.names import shown

if TYPE_CHECKING:
    from trainer.sweeps.curves import Curve, Points
    from trainer.sweeps.leaderboard import Board
    from trainer.sweeps.results import Group

_COLOURS = 6
_WIDE, _HIGH = 300.0, 100.0
_EDGE = 4.0
# With the keyboard a wide table is scrolled by its box, which so must take the focus.
_SCROLL = '<div class="scroll" tabindex="0" role="region" aria-label="table">\n'


def page(board: Board) -> str:
    """Write a leaderboard as HTML.

    Args:
        board: What it shows.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    name, table = _text(board.name), board.table
    better = "lower is better" if table.goal == "min" else "higher is better"
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{name} – leaderboard</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n",
            f"<h1>{name}</h1>\n<p>Sweep {_text(board.id)}, by {_text(table.metric)} ({better}). ",
            f"{_text(board.counted)}.</p>\n",
            '<form id="controls" hidden>\n',
            '<label>Filter <input type="search" autocomplete="off"></label>\n',
            '<label>Top <input type="number" min="1" step="1"></label>\n',
            '<output id="counted" aria-live="polite"></output>\n</form>\n',
            "<noscript><p>Without JavaScript the table cannot be sorted or filtered; nothing is "
            "missing from it.</p></noscript>\n",
            _board(board),
            _effects(board),
            _missed(board),
            _plots(board),
            '</main>\n<aside id="panel" hidden aria-hidden="true"></aside>\n',
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def _board(board: Board) -> str:
    table, short = board.table, board.short
    heads = [_head("rank", "n", sort=True)]
    heads += [_head(short[key], "", title=key) for key in table.factors]
    heads += [_head(table.metric, "n"), _head("n", "n"), _head("best step", "n")]
    heads += [_head("time", "n"), _head("trials", ""), _head("curves", "fixed")]
    heads += [_head("clamped", "")] if table.clamped else []
    heads.append(_head("remarks", ""))
    rows = [_row(board, rank, group) for rank, group in cells.ranked(table)]
    return (
        "<p>Mean ± standard deviation of a sample over the seeds of the trials that have trained "
        "to their end, of the best value of each. A row's curves are shown large while the pointer "
        "or the focus is on it; the arrow keys move between rows.</p>\n"
        f'{_SCROLL}<table id="board">\n<thead><tr>{"".join(heads)}</tr></thead>\n<tbody>\n'
        f"{''.join(rows)}</tbody>\n</table>\n</div>\n"
    )


def _row(board: Board, rank: int | None, group: Group) -> str:
    texts = cells.group_cells(board, rank, group)
    factors = board.table.factors
    steps = [row.best_step for row in group.rows if row.counts and row.best_step is not None]
    rank_text, *values = texts
    found = [_cell(rank_text, rank, "n")]
    for key, text in zip(factors, values, strict=False):
        found.append(_cell(text, _sortable(group.factors.get(key, text))))
    value, many, step, took, trials, *clamped, remarks = values[len(factors) :]
    found += [
        _cell(value, group.mean, "n"),
        _cell(many, group.n, "n"),
        _cell(step, min(steps, default=None), "n"),
        _cell(took, group.seconds, "n"),
        _cell(trials, group.rows[0].trial),
        f'<td class="curve">{_curves(board, group)}</td>',
        *(_cell(text, text) for text in clamped),
        _cell(remarks, remarks, "bad" if remarks else ""),
    ]
    said = ", ".join(
        f"{board.short[key]} = {text}" for key, text in zip(factors, values, strict=False)
    )
    return f'<tr data-title="{_text(said or "the baseline")}">{"".join(found)}</tr>\n'


def _curves(board: Board, group: Group) -> str:
    """Draw the curves of a combination on one scale, with what each of them is in words."""
    drawn = [(row, board.curves.get(row.trial)) for row in group.rows]
    having = [(row, curve) for row, curve in drawn if curve is not None and curve.points]
    values = [y for _, curve in having for _, y in curve.points if y is not None]
    if not values:
        return ""
    steps = [x for _, curve in having for x, _ in curve.points]
    box = (min(steps), max(steps), min(values), max(values))
    scale = f"{board.table.metric} {number(box[2])} to {number(box[3])}, steps {box[0]} to {box[1]}"
    paths, legend = [], []
    for place, (row, curve) in enumerate(having):
        colour = f"c{place % _COLOURS}"
        paths.append(_path(curve.points, box, colour))
        seed = "" if row.seed is None else f" seed {row.seed}"
        legend.append(
            f'<li><svg viewBox="0 0 10 4" aria-hidden="true"><path class="{colour}" d="M0 2H10"/>'
            f"</svg>trial {row.trial}{seed}: {_text(_said(curve))}</li>"
        )
    return (
        f'<svg role="img" aria-label="{_text(scale)}" viewBox="0 0 {_WIDE:g} {_HIGH:g}" '
        f'preserveAspectRatio="none">{"".join(paths)}</svg>'
        f"<ul><li>{_text(scale)}</li>{''.join(legend)}</ul>"
    )


def _said(curve: Curve) -> str:
    """Say what a curve leaves out."""
    parts = [plural(curve.told, "value")]
    if curve.odd:
        parts.append(f"{curve.odd} not finite")
    if curve.thinned:
        kept = sum(value is not None for _, value in curve.points)
        parts.append(f"thinned to {kept} with least and greatest kept")
    return ", ".join(parts)


def _path(points: Points, box: tuple[float, float, float, float], colour: str) -> str:
    """Draw points as lines that break where a value was not finite."""
    left, right, low, high = box
    words, pen = [], "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        across = _EDGE + _share(x, left, right) * (_WIDE - 2 * _EDGE)
        down = _HIGH - _EDGE - _share(y, low, high) * (_HIGH - 2 * _EDGE)
        # A line of no length is a dot: a value that stands alone is seen as well.
        words.append(f"{pen}{across:.1f} {down:.1f}" + ("h0" if pen == "M" else ""))
        pen = "L"
    return f'<path class="{colour}" vector-effect="non-scaling-stroke" d="{"".join(words)}"/>'


def _share(value: float, low: float, high: float) -> float:
    # Halves, as the distance of two great numbers may be none that a float holds.
    wide = high / 2 - low / 2
    return (value / 2 - low / 2) / wide if wide > 0 else 0.5


def _effects(board: Board) -> str:
    found = ["<h2>Marginal effects</h2>\n"]
    effects = board.effects
    if effects.rows:
        ends = [0.0]
        for each in effects.rows:
            ends += [each.effect - (each.error or 0.0), each.effect + (each.error or 0.0)]
        heads = "".join(
            [
                _head("factor", ""),
                _head("value", ""),
                _head("mean", "n"),
                _head("effect", "n"),
                _head("combinations", "n"),
                _head("effect ± error", ""),
            ]
        )
        found.append(f"{_SCROLL}<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n")
        for each, texts in zip(effects.rows, cells.effect_cells(board), strict=True):
            classes = ("", "", "n", "n", "n")
            row = "".join(
                f"<td{_class(kind)}>{_text(text)}</td>"
                for kind, text in zip(classes, texts, strict=True)
            )
            bar = _bar(each.effect, each.error or 0.0, min(ends), max(ends))
            found.append(f"<tr>{row}<td>{bar}</td></tr>\n")
        found.append(f"</tbody>\n</table>\n</div>\n<p>{_text(cells.effects_text(board))}</p>\n")
    elif not effects.notes:
        found.append("<p>No trial has ended with a value yet.</p>\n")
    found += [f"<p>{_text(note)}</p>\n" for note in effects.notes]
    return "".join(found)


def _bar(effect: float, error: float, low: float, high: float) -> str:
    def across(value: float) -> str:
        return f"{10 + _share(value, low, high) * 180:.1f}"

    return (
        '<svg class="bar" viewBox="0 0 200 16" aria-hidden="true">'
        f'<path class="zero" d="M{across(0.0)} 0V16"/>'
        f'<path class="c0" d="M{across(effect - error)} 8H{across(effect + error)}"/>'
        f'<path class="dot" d="M{across(effect)} 8h0"/></svg>'
    )


def _missed(board: Board) -> str:
    if not board.missed:
        return ""
    names = ["trial", *(board.short[key] for key in board.table.factors)]
    names += ["seed", "state", "reason", "run"]
    rows = []
    for row in board.missed:
        texts = [*cells.missed_cells(board, row), "" if row.run is None else row.run.name]
        rows.append("<tr>" + "".join(f"<td>{_text(text)}</td>" for text in texts) + "</tr>\n")
    return (
        f"<h2>Trials that did not reach the end</h2>\n{_SCROLL}<table>\n<thead><tr>"
        f"{''.join(_head(name, '') for name in names)}</tr></thead>\n<tbody>\n{''.join(rows)}"
        "</tbody>\n</table>\n</div>\n"
    )


def _plots(board: Board) -> str:
    """Link to the plots, by paths relative to the page: its policy lets it load none."""
    if not board.plots:
        return ""
    items = []
    for plot in board.plots:
        links = ", ".join(
            f'<a href="{_text((FOLDER / name).as_posix())}" '
            f'aria-label="{_text(f"{plot.title}, {Path(name).suffix[1:]}")}">'
            f"{_text(Path(name).suffix[1:])}</a>"
            for name in plot.files
        )
        items.append(f"<li>{_text(plot.title)}: {links}</li>\n")
    return f"<h2>Plots</h2>\n<ul>\n{''.join(items)}</ul>\n"


def _head(name: str, kind: str, *, sort: bool = False, title: str = "") -> str:
    sorted_by = ' aria-sort="ascending"' if sort else ""
    full = f' title="{_text(title)}"' if title and title != name else ""
    return f'<th scope="col"{_class(kind)}{sorted_by}{full}>{_text(name)}</th>'


def _cell(text: str, value: Any, kind: str = "") -> str:
    return f'<td{_class(kind)} data-v="{"" if value is None else _text(str(value))}">{_text(text)}</td>'


def _sortable(value: Any) -> Any:
    plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    return value if plain else shown(value)


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _text(text: str) -> str:
    """Make a text harmless in HTML, also within an attribute."""
    return escape(clean(text), quote=True)


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
