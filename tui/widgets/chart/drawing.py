"""A plot as rows of signs, made anew only where something changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from tui.glyphs import Glyphs
from tui.widgets.chart.canvas import ACROSS, DOWN, Layer, column
from tui.widgets.chart.grid import Grid, Span
from tui.widgets.chart.model import Curve, Plot
from tui.widgets.chart.notes import notes
from tui.widgets.chart.scale import Scale, adjust, extent, grown, window
from tui.widgets.chart.signs import (
    AXIS,
    BAD,
    COLORS,
    CURSOR,
    CURVES,
    DIM,
    KINDS,
    LABEL,
    LEVEL,
    MARK,
    PLAIN,
    RAW,
    SMOOTH,
    UNDER,
    UNICODE,
)  # fmt: skip
from tui.widgets.chart.ticks import place_ticks, value_ticks
from tui.widgets.chart.track import INF, MINUS_INF, NAN, Bins, Track, bins_of

_LEAST_SPAN = {"step": 8.0, "epoch": 0.01, "time": 10.0}


@dataclass(frozen=True, slots=True)
class _Room:
    """How the cells are divided: a margin for labels, the plot, two lines for the x axis."""

    width: int
    height: int
    margin: int
    rows: int
    axis: bool
    labels: bool

    @property
    def columns(self) -> int:
        return self.width - self.margin


class Drawing:
    """Draws plots of any content into any number of cells.

    Args:
        glyphs: The signs that the terminal has.
    """

    def __init__(self, glyphs: Glyphs) -> None:
        self._signs = PLAIN if glyphs.plain else UNICODE
        self._ellipsis = glyphs.ellipsis
        self.width = self.height = 0
        self.x_range = (0.0, 1.0)
        self.scale: Scale | None = None
        self._room = _Room(0, 0, 0, 0, axis=False, labels=False)
        self._tracks: dict[tuple[int, bool], Track] = {}
        self._grid = Grid(0, 0)
        self._seen: list[object] = []
        self._frame: object = None

    @property
    def columns(self) -> int:
        """Cells across that the curves have."""
        return max(0, self._room.columns)

    def row(self, y: int) -> Iterable[tuple[int, str]]:
        """Give one row as pieces: number of the style, and text."""
        return self._grid.row(y)

    def draw(self, plot: Plot, width: int, height: int) -> list[Span]:
        """Draw a plot.

        Returns:
            What looks different than before; everything if the size is another one.
        """
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self._grid = Grid(width, height)
            self._seen, self._frame, self.scale = [], None, None
            self._fill(plot)
            return [Span(y, 0, width) for y in range(height) if width]
        if not width or not height:
            return []
        before = self._grid.copy()
        self._fill(plot)
        return list(self._grid.changes(before))

    # ── what goes where ──────────────────────────────────────────────────────────────────────

    def _fill(self, plot: Plot) -> None:
        if self.width < 1 or self.height < 1:
            self._room = _Room(self.width, self.height, 0, 0, axis=False, labels=False)
            return
        self.x_range = low, high = self._places(plot)
        axis, labels = self.height >= 4, self.height >= 5
        rows = self.height - axis - labels
        margin = self._room.margin if self._room.width == self.width else 0
        room, scale = self._room, self.scale
        # The labels' width decides about the columns, and these about what is in sight: so the
        # margin of the last time is tried first, and seldom has to be changed.
        for _ in range(3):
            room = _Room(self.width, self.height, margin, rows, axis, labels)
            tracks = self._place(plot, room, low, high)
            scale = self._adjust(plot, [track for track, _, _ in tracks], rows)
            ticks = value_ticks(scale, max(1, min(6, rows // 3))) if self.width >= 16 else []
            widest = max((len(text) for _, text in ticks), default=0)
            wanted = max(5, widest + 1) if ticks else 0
            if wanted == margin or (wanted < margin <= wanted + 2 and ticks):
                break
            margin = wanted
        assert scale is not None
        self._room, self.scale = room, scale
        layers = []
        for track, style, over in tracks:
            track.draw(scale)
            layers.append(Layer(style, track.masks, track.points, over))
        self._edges(plot, room, ticks, tracks)
        self._cells(plot, room, layers, tracks)

    def _places(self, plot: Plot) -> tuple[float, float]:
        if plot.window is not None:
            return window(*plot.window)
        reaches = [reach for curve in plot.curves if (reach := _reach(curve)) is not None]
        low = min((a for a, _ in reaches), default=0.0)
        high = max((b for _, b in reaches), default=low)
        return window(*grown(low, high, _LEAST_SPAN[plot.x]))

    def _place(
        self, plot: Plot, room: _Room, low: float, high: float
    ) -> list[tuple[Track, int, bool]]:
        """Sort every curve into columns; the topmost comes last."""
        tracks: dict[tuple[int, bool], Track] = {}
        found = []
        for over in (False, True):
            for number, curve in reversed(list(enumerate(plot.curves))):
                if over and curve.smooth is None:
                    continue
                key = (number, over)
                track = tracks[key] = self._tracks.get(key) or Track()
                bins: Bins = bins_of(
                    curve.envelope, curve.left, curve.right, curve.smooth if over else None
                )
                track.place(bins, low, high, room.columns * ACROSS)
                kind = SMOOTH if over else RAW if curve.smooth is not None else CURVES
                found.append((track, kind + curve.color % COLORS, over))
        self._tracks = tracks
        return found

    def _adjust(self, plot: Plot, tracks: list[Track], rows: int) -> Scale:
        reaches = [r for track in tracks if (r := track.reach(log=plot.log)) is not None]
        ticks = max(1, min(6, rows // 3))
        dots = max(2, rows * DOWN)
        if not reaches:
            if self.scale is not None and (self.scale.dots, self.scale.log) == (dots, plot.log):
                return self.scale
            return Scale(1.0, 10.0, dots, True) if plot.log else Scale(0.0, 1.0, dots)
        low, high = min(a for a, _ in reaches), max(b for _, b in reaches)
        for level in plot.levels:
            near = high - low if high > low else abs(high)
            # A level far away would press the curve flat.
            if isfinite(level.value) and low - near <= level.value <= high + near:
                if plot.log and level.value <= 0:
                    continue
                low, high = min(low, level.value), max(high, level.value)
        now = self.scale if self.scale is not None and self.scale.dots == dots else None
        return adjust(now, low, high, dots, ticks, log=plot.log)

    def _cell(self, place: float) -> int | None:
        """Give the column of a place on the x axis; None if it is out of sight."""
        low, high = self.x_range
        if not low <= place <= high:
            return None
        dots = self._room.columns * ACROSS
        return int((place - low) * ((dots - 1) / (high - low)) + 0.5) // ACROSS

    # ── margin and axis ──────────────────────────────────────────────────────────────────────

    def _edges(
        self,
        plot: Plot,
        room: _Room,
        ticks: list[tuple[float, str]],
        tracks: list[tuple[Track, int, bool]],
    ) -> None:
        signs = self._signs
        scale = self.scale
        assert scale is not None
        marks = self._axis_marks(plot, tracks) if room.axis else {}
        frame = (room, scale, self.x_range, plot.x, tuple(marks.items()))
        if frame == self._frame:
            return
        self._frame = frame
        edge, tick, corner, line, cross = tuple(signs.frame)
        if room.margin:
            labels = {scale.row(value) // DOWN: text for value, text in ticks}
            for y in range(room.rows):
                text = labels.get(y)
                self._grid.write(y, 0, f"{text or '':>{room.margin - 1}}", LABEL)
                self._grid.write(y, room.margin - 1, tick if text is not None else edge, AXIS)
        if not room.axis:
            return
        y = room.rows
        start = " " * (room.margin - 1) + corner if room.margin else ""
        self._grid.write(y, 0, start + line * room.columns, AXIS)
        below = [" "] * room.width
        end = 0
        for place, text in place_ticks(*self.x_range, room.columns, plot.x):
            cell = self._cell(place)
            if cell is None:
                continue
            self._grid.write(y, room.margin + cell, cross, AXIS)
            begin = room.margin + cell - len(text) // 2
            begin = max(0, min(begin, room.width - len(text)))
            if begin >= end + (end > 0) and begin + len(text) <= room.width:
                below[begin : begin + len(text)] = text
                end = begin + len(text)
        if room.labels:
            self._grid.write(y + 1, 0, "".join(below), LABEL)
        for cell, (sign, style) in marks.items():
            self._grid.write(y, room.margin + cell, sign, style)

    def _axis_marks(
        self, plot: Plot, tracks: list[tuple[Track, int, bool]]
    ) -> dict[int, tuple[str, int]]:
        """Give what stands on the axis line: what happened, and values that are no numbers."""
        signs = self._signs
        best: dict[int, int] = {}
        for mark in plot.marks:
            cell = self._cell(mark.x)
            if cell is not None:
                best[cell] = max(best.get(cell, 0), KINDS.index(mark.kind))
        usual = KINDS.index("checkpoint")
        kept = set(thinned(sorted(cell for cell, kind in best.items() if kind == usual)))
        found = {
            cell: (signs.marks[kind], BAD if KINDS[kind] == "alert" else MARK)
            for cell, kind in best.items()
            if kind != usual or cell in kept
        }
        for track, _, _ in tracks:
            for cell in track.below:
                found[cell] = (signs.below, MARK)
        for track, _, _ in tracks:
            for cell, flags in track.flags.items():
                if flags & NAN:
                    found[cell] = (signs.bad[0], BAD)
        return found

    # ── the plot ─────────────────────────────────────────────────────────────────────────────

    def _cells(
        self,
        plot: Plot,
        room: _Room,
        layers: list[Layer],
        tracks: list[tuple[Track, int, bool]],
    ) -> None:
        scale = self.scale
        assert scale is not None
        signs = self._signs
        levels = {
            scale.row(level.value) // DOWN
            for level in plot.levels
            if isfinite(level.value) and scale.holds(level.value)
        }
        empty = "" if any(any(track.masks) for track, _, _ in tracks) else _why(plot, tracks)
        size = (room.columns, room.rows)

        def taken(x: int, y: int) -> bool:
            return any(layer.holds(x, y) for layer in layers)

        texts = notes(plot, size, scale, self._cell, taken, ellipsis=self._ellipsis, empty=empty)
        uprights = {
            cell
            for mark in plot.marks
            if mark.kind in ("restart", "best") and (cell := self._cell(mark.x)) is not None
        }
        cursor = self._cell(plot.cursor) if plot.cursor is not None else None
        flags: dict[int, int] = {}
        for track, _, _ in tracks:
            for cell, flag in track.flags.items():
                flags[cell] = flags.get(cell, 0) | flag
        styles = tuple((layer.style, layer.over) for layer in layers)
        common = (room, styles, tuple(levels))
        if not self._seen or self._seen[0] != common:
            self._seen = [common, *[None] * room.columns]
        seen = self._seen
        masks = [layer.masks for layer in layers]
        points = [layer.points for layer in layers]
        grid = self._grid
        for number in range(room.columns):
            dot = number * ACROSS
            upright = number in uprights
            look = (
                [(m[dot], m[dot + 1]) for m in masks],
                [p.get(number) for p in points],
                number == cursor,
                upright,
                flags.get(number),
                texts.get(number),
            )
            if look == seen[number + 1]:
                continue
            seen[number + 1] = look
            text, numbers = column(layers, number, room.rows, signs.cells, signs.point)
            written = texts.get(number, {})
            for y in range(room.rows):
                # Names yield to curves; that a curve is only sampled must be seen.
                if text[y] != " " and (y not in written or written[y][1] != DIM):
                    continue
                if y in written:
                    text[y], numbers[y] = written[y]
                elif number == cursor:
                    text[y], numbers[y] = signs.cursor, CURSOR
                elif y in levels:
                    text[y], numbers[y] = signs.level, LEVEL
                elif upright:
                    text[y], numbers[y] = signs.upright, MARK
            if flags:
                self._bad(text, numbers, flags.get(number, 0), room)
            if number == cursor:
                numbers = [style + UNDER for style in numbers]
            x = room.margin + number
            for y in range(room.rows):
                grid.text[y][x] = text[y]
                grid.styles[y][x] = numbers[y]

    def _bad(self, text: list[str], numbers: list[int], flags: int, room: _Room) -> None:
        """Mark infinities at the edges where they left, and NaN at the foot if there is no axis."""
        signs = self._signs.bad
        if flags & MINUS_INF:
            text[-1], numbers[-1] = signs[2], BAD
        if flags & NAN and not room.axis:
            text[-1], numbers[-1] = signs[0], BAD
        if flags & INF:
            text[0], numbers[0] = signs[1], BAD


def thinned(cells: list[int]) -> list[int]:
    """Leave out of rising cells those that would touch one that stays; first and last stay."""
    kept: list[int] = []
    for cell in cells[:-1]:
        if not kept or (cell - kept[-1] > 1 and cells[-1] - cell > 1):
            kept.append(cell)
    return [*kept, *cells[-1:]]


def _why(plot: Plot, tracks: list[tuple[Track, int, bool]]) -> str:
    """Say why nothing is drawn."""
    if any(track.flags or track.below for track, _, _ in tracks):
        return "no value that can be drawn"
    if any(any(curve.envelope.count) for curve in plot.curves):
        return "no data in sight"
    return plot.empty


def _reach(curve: Curve) -> tuple[float, float] | None:
    """Give where a curve begins and ends on the x axis."""
    if curve.left is None and curve.right is None:
        envelope = curve.envelope
        if not len(envelope):
            return None
        return float(envelope.start), float(envelope.start + len(envelope) * envelope.width - 1)
    reaches = [
        reach
        for values in (curve.left, curve.right)
        if values is not None and (reach := extent(values)) is not None
    ]
    return (min(a for a, _ in reaches), max(b for _, b in reaches)) if reaches else None
