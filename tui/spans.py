"""Partial updates of the screen that hold only what changed.

Textual writes a changed span from the left edge of its widget on; at the right end of a wide chart
that is all of the line. Here the span is cut at both ends, which a connection over SSH feels.
"""

from __future__ import annotations

from rich.console import Console, RenderableType
from textual._compositor import ChopsUpdate


class SpanUpdate(ChopsUpdate):
    """Writes changed spans and nothing left or right of them."""

    def render_segments(self, console: Console) -> str:
        """Give what the terminal is sent."""
        parts: list[str] = []
        at = None
        for y, begin, end in self.spans:
            for right, (left, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(left, begin), min(right, end)
                if strip is None or first >= last:
                    continue
                if at != (first, y):
                    parts.append(f"\x1b[{y + 1};{first + 1}H")
                parts.append(strip.crop(first - left, last - left).render(console))
                at = (last, y)
        return "".join(parts)


def tighten(update: RenderableType | None) -> RenderableType | None:
    """Cut a partial update down to what changed; anything else stays what it is."""
    if type(update) is ChopsUpdate:
        return SpanUpdate(update.chops, update.spans, update.chop_ends)
    return update
