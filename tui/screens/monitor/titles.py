"""The one line over a chart: its name, its values, and how it is drawn."""

from __future__ import annotations

from trainer.display import count
from tui.screens.monitor.groups import Group
from tui.screens.monitor.lines import Piece
from tui.screens.monitor.values import (
    best,
    brief,
    data_wait,
    ending,
    latest,
    reading,
    where,
    written,
)
from tui.screens.monitor.view import View
from tui.text import cell_len, fit

#: How early it yields where there is no room, and its pieces.
_Part = tuple[int, list[Piece]]


def title_of(panel: Group, view: View, width: int, *, focused: bool, first: bool) -> list[Piece]:
    """Write the title of a panel.

    Args:
        panel: The panel.
        view: What is shown.
        width: Cells there are.
        focused: Whether keys act on it.
        first: Whether it is the leading panel, whose title also says what holds for all.

    Returns:
        Pieces; a look "curve-N" is the colour of curve N. What does not fit is left out, the
        least important first.
    """
    glyphs = view.glyphs
    sign = glyphs.closed if focused else " "
    name = fit(panel.title, max(4, width - 2), glyphs.ellipsis)
    line: list[Piece] = [(sign, "focus"), (name, "focus" if focused else "title")]
    flags = _flags(panel, view, first=first)
    right: list[Piece] = []
    for flag in flags:
        right += [("  ", ""), flag]
    parts = _at_cursor(panel, view, focused) if view.cursor is not None else _newest(panel, view)
    left = width - cell_len(sign + name) - 1
    tail = sum(cell_len(text) for text, _ in right)
    # How the chart is drawn decides how it reads: that comes before its numbers.
    tail = tail if tail <= left else 0
    left -= tail
    fitting: set[int] = set()
    # Where the cursor stands yields to the values there; otherwise what comes first stays.
    for number, (_, pieces) in sorted(enumerate(parts), key=lambda part: part[1][0]):
        need = 2 + sum(cell_len(text) for text, _ in pieces)
        if need <= left:
            left -= need
            fitting.add(number)
    for number, (_, pieces) in enumerate(parts):
        if number in fitting:
            line += [("  ", ""), *pieces]
    if tail:
        line += [(" " * left, ""), *right]
    return line


def _flags(panel: Group, view: View, *, first: bool) -> list[Piece]:
    layout, glyphs = view.layout, view.glyphs
    flags: list[Piece] = []
    odd = 0
    for series in panel.series:
        envelope = view.picture.envelopes.get(series.metric)
        odd += envelope.marks if envelope is not None else 0
    if odd:
        flags.append((f"{count(odd)} NaN/inf", "bad"))
    if panel.key in layout.log:
        flags.append(("log", "dim"))
    if first and not view.window.whole:
        flags.append(("zoomed", "warn"))
    if first:
        flags.append((f"x:{view.axis.kind}", "dim"))
    if layout.smooth and first:
        flags.append((f"{'~' if glyphs.plain else '≈'}{layout.smooth}", "dim"))
    return flags


def _newest(panel: Group, view: View) -> list[_Part]:
    picture = view.picture
    parts: list[list[Piece]] = []
    for color, series in enumerate(panel.series):
        value = latest(picture, series.metric)
        if value is None:
            continue
        unit = picture.units.get(series.metric, "")
        if panel.kind == "speed":
            text = f"{brief(value)} {_speed_unit(series.metric)}".rstrip()
        else:
            text = written(value, unit, series.metric)
        parts.append(_labelled(series.label, text, color))
    parts[1:1] = [[(text, "dim")] for text in _more(panel, view)] if panel.kind != "loss" else []
    found = best(panel, picture)
    if found is not None:
        _, value, step, exact = found
        about = "" if exact else ("~" if view.glyphs.plain else "≈")
        unit = picture.units.get(panel.series[0].metric, "")
        parts.insert(
            2, [("best ", "dim"), (written(value, unit), ""), (f" @ {about}{count(step)}", "dim")]
        )
    return [(0, pieces) for pieces in parts]


def _at_cursor(panel: Group, view: View, focused: bool) -> list[_Part]:
    picture, glyphs = view.picture, view.glyphs
    parts: list[_Part] = []
    if focused:
        parts += [
            (rank, [(text, "title")]) for rank, text in zip((0, 2, 3), where(view), strict=False)
        ]
    for color, series in enumerate(panel.series):
        found = reading(view, series.metric)
        if found is None:
            parts.append((1, _labelled(series.label, glyphs.dash, color)))
            continue
        unit = picture.units.get(series.metric, "")
        text = written(found.low, unit, series.metric)
        if found.high != found.low and found.high == found.high:
            text += f"{'..' if glyphs.plain else '…'}{written(found.high, unit, series.metric)}"
        elif found.exact and abs(found.low) < 1e15:
            text = exactly(found.low)
        piece = _labelled(series.label, text, color)
        if found.exact and found.step != view.cursor:
            piece.append((f" @ {count(found.step)}", "dim"))
        parts.append((1, piece))
    return parts


def exactly(value: float) -> str:
    """Write a value with all digits that a float of single precision has."""
    return f"{value:.8g}"


def _labelled(label: str, text: str, color: int) -> list[Piece]:
    curve = f"curve-{color}"
    return [(f"{label} ", curve), (text, "value")] if label else [(text, curve)]


def _more(panel: Group, view: View) -> list[str]:
    """Give the facts that belong to a panel and have none of their own on it."""
    picture = view.picture
    if panel.kind == "norm":
        clip = ending(picture, "grad_clip_pct", "clip_pct")
        return [f"clip {written(clip, '%')}"] if clip is not None else []
    if panel.kind == "speed":
        step, wait = ending(picture, "batch_time_sec", "step_time_sec"), data_wait(view)
        facts = [f"step {written(step, 's')}"] if step is not None else []
        return [*facts, f"wait {wait}"] if wait else facts
    if panel.kind == "loss":
        return []
    return [unit] if (unit := picture.units.get(panel.series[0].metric, "")) == "nats" else []


def _speed_unit(metric: str) -> str:
    for word, unit in (("sample", "smp/s"), ("token", "tok/s"), ("batch", "batch/s")):
        if word in metric:
            return unit
    return "/s" if "per_sec" in metric else ""
