"""What is in sight of the x axis and where the cursor stands, and what must be read for that."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from trainer.events.envelope import Envelope
from tui.screens.monitor.axis import Axis, Window, axis_of
from tui.screens.monitor.groups import Group
from tui.sources.follow import Follower, Picture
from tui.widgets.chart.model import XKind

#: A closer look has at least so many bins.
_BINS = 256
#: The single points before the cursor are read at least so many steps back, if need be.
_BACK = 4096


class Sight:
    """The window and the cursor, and the requests to the reader that they need."""

    def __init__(self) -> None:
        self.axis = Axis("step")
        self.window = Window()
        self.cursor: int | None = None
        self._zoom: tuple[tuple[str, ...], int, int, int] | None = None
        self._points: tuple[tuple[str, ...], int, int] | None = None

    def take(self, picture: Picture, kind: XKind) -> None:
        """Follow a run that has grown, or change what the axis shows."""
        old, self.axis = self.axis, axis_of(picture, kind)
        if self.axis.kind != old.kind and not self.window.whole:
            low, high = old.step(self.window.low), old.step(self.window.high)
            self.window = Window(
                self.axis.place(low), self.axis.place(high), False, self.window.follows
            )
        self.window = self.window.following(self.axis.whole)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    def zoom(self, direction: int) -> None:
        """Show half as much (1), twice as much (-1) or the whole history (0)."""
        if direction == 0:
            self.window = Window()
            return
        around = self.axis.place(self.cursor) if self.cursor is not None else None
        low, high = self._bounds()
        if around is not None and not low <= around <= high:
            around = None
        factor = 0.5 if direction > 0 else 2.0
        if direction > 0 and self.axis.step(high) - self.axis.step(low) <= 4:
            return
        self.window = self.window.zoomed(factor, self.axis.whole, around)

    def pan(self, direction: int) -> None:
        """Move the window by a quarter."""
        self.window = self.window.panned(direction / 4, self.axis.whole)

    def move_cursor(self, columns: int, width: int, picture: Picture, panel: Group | None) -> None:
        """Move the cursor to the next value, at least so many columns away.

        Args:
            columns: How many columns of the chart; negative to the left.
            width: Columns of the chart.
            picture: The run.
            panel: On whose first curve the cursor goes from value to value.
        """
        low, high = self._bounds()
        if self.cursor is None:
            start = ceil(self.axis.step(low)) if columns > 0 else floor(self.axis.step(high))
            self.cursor = self._on_value(start, -1 if columns < 0 else 1, picture, panel)
            return
        here = self.axis.place(self.cursor)
        step = round(self.axis.step(here + columns * (high - low) / max(1, width)))
        direction = 1 if columns > 0 else -1
        if (step - self.cursor) * direction < abs(columns):
            # Deeper than one step a column: from step to step.
            step = self.cursor + columns
        self.cursor = self._on_value(step, direction, picture, panel)
        self._bring_into_sight()

    def cursor_to_edge(self, last: bool, picture: Picture, panel: Group | None) -> None:
        """Set the cursor onto the first or the last value of the history."""
        low, high = self.axis.whole
        step = floor(self.axis.step(high)) if last else ceil(self.axis.step(low))
        self.cursor = self._on_value(step, -1 if last else 1, picture, panel)
        self._bring_into_sight()

    def go_to(self, step: int) -> None:
        """Set the cursor onto a step; a window that does not show it moves around it."""
        self.cursor = min(max(step, self.axis.start), max(self.axis.start, self.axis.end - 1))
        place = self.axis.place(self.cursor)
        if not self.window.whole and not self.window.low <= place <= self.window.high:
            middle = (self.window.low + self.window.high) / 2
            share = (place - middle) / (self.window.high - self.window.low)
            self.window = self.window.panned(share, self.axis.whole)

    def _bounds(self) -> tuple[float, float]:
        return self.window.range or self.axis.whole

    def _bring_into_sight(self) -> None:
        if self.cursor is None or self.window.whole:
            return
        place = self.axis.place(self.cursor)
        width = self.window.high - self.window.low
        # In quarters, so that the columns of the chart seldom move.
        if place < self.window.low:
            quarters = ceil((self.window.low - place) / width * 4)
            self.window = self.window.panned(-quarters / 4, self.axis.whole)
        elif place > self.window.high:
            quarters = ceil((place - self.window.high) / width * 4)
            self.window = self.window.panned(quarters / 4, self.axis.whole)

    def _on_value(self, step: int, direction: int, picture: Picture, panel: Group | None) -> int:
        """Give the nearest step with a value, in a direction; the last one there is at the end."""
        step = min(max(step, self.axis.start), max(self.axis.start, self.axis.end - 1))
        if panel is None:
            return step
        metric = panel.series[0].metric
        whole = picture.envelopes.get(metric)
        zoom = picture.zoom
        closer = zoom.envelopes.get(metric) if zoom is not None and not self.window.whole else None
        if closer is not None and closer.start <= step < closer.start + len(closer) * closer.width:
            envelope = closer
        elif whole is not None:
            envelope = whole
        else:
            return step
        place = (step - envelope.start) // envelope.width
        at = place
        while 0 <= at < len(envelope):
            begin = envelope.start + at * envelope.width
            end = min(begin + envelope.width, max(self.axis.end, begin + 1)) - 1
            if envelope.count[at] == 1 and envelope.width > 1:
                # The value may stand anywhere in the bin: at its end it is the last one before.
                if self.cursor is None or (end - self.cursor) * direction > 0:
                    return end
            elif envelope.count[at] or (envelope.nans and envelope.nans[at]):
                # Within a bin of several values the cursor stays where it was sent.
                return step if at == place else begin if direction > 0 else end
            at += direction
        return step

    # ── what must be read ────────────────────────────────────────────────────────────────────

    def ask(
        self, follower: Follower, picture: Picture, panels: Sequence[Group], columns: int
    ) -> bool:
        """Ask the reader for what is in sight; True if an answer is to be waited for.

        Args:
            follower: The reader.
            picture: What it gave so far.
            panels: The panels in sight.
            columns: Columns of the widest chart.
        """
        names = tuple(series.metric for panel in panels for series in panel.series)
        return self._ask_zoom(follower, picture, names, columns) | self._ask_points(
            follower, picture, names
        )

    def _ask_zoom(
        self, follower: Follower, picture: Picture, names: tuple[str, ...], columns: int
    ) -> bool:
        wanted: tuple[tuple[str, ...], int, int, int] | None = None
        grid = max((found.width for found in picture.envelopes.values()), default=1)
        if not self.window.whole and grid > 1 and names:
            start = floor(self.axis.step(self.window.low))
            stop = ceil(self.axis.step(self.window.high)) + 1
            bins = _BINS
            while bins < 2 * columns:
                bins *= 2
            if (stop - start) / bins < grid:
                wanted = (names, start, stop, bins)
        if wanted == self._zoom:
            return False
        self._zoom = wanted
        follower.zoom(*(wanted or ((), 0, 1, 1)))
        return wanted is not None

    def _ask_points(self, follower: Follower, picture: Picture, names: tuple[str, ...]) -> bool:
        grid = max((found.width for found in picture.envelopes.values()), default=1)
        if self.cursor is None or grid == 1 or not names or picture.loading:
            return False
        begin = self.cursor - (self.cursor - self.axis.start) % grid
        farthest = self.cursor - max(_BACK, 8 * grid)
        first = begin
        for name in names:
            found = picture.envelopes.get(name)
            last = _last_value(found, first - 1) if found is not None else None
            if last is not None and last >= farthest:
                begin = min(begin, last)
        wanted = (names, max(begin, self.axis.start), self.cursor + 1)
        if wanted == self._points:
            return False
        self._points = wanted
        follower.points(*wanted)
        return True


def _last_value(envelope: Envelope, step: int) -> int | None:
    """Give where the last bin with a value begins, at a step or before it."""
    place = min((step - envelope.start) // envelope.width, len(envelope) - 1)
    while place >= 0 and not envelope.count[place]:
        place -= 1
    return envelope.start + place * envelope.width if place >= 0 else None
