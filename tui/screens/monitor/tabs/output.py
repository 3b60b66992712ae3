"""What the run's processes print, beginning at the end."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.timer import Timer

from trainer.display import count, size
from tui.screens.base import is_in_sight
from tui.screens.monitor.tabs.base import Tab
from tui.screens.monitor.tabs.details import Details
from tui.screens.monitor.tabs.textrows import Line
from tui.sources.follow import Picture
from tui.sources.output import OutputFile, Page

#: Seconds between two looks at the file while the tab is in sight.
_LOOK_SECONDS = 0.5


class OutputTab(Tab):
    """Standard output and error of the training process."""

    TITLE: ClassVar[str] = "output"
    SEARCH = "search what has been read"
    FOLLOW = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        run = self.source.run
        self.file = OutputFile(run.output) if run is not None else None
        self._page = Page(moved=None)
        self._made: list[Line] = []
        self._looking = False
        self._timer: Timer | None = None

    def on_show(self) -> None:
        """Look at the file as long as one looks at the tab: it grows without any event."""
        if self._timer is None and self.deck.context.live:
            self._timer = self.set_interval(_LOOK_SECONDS, self._look)
        elif self._timer is not None:
            self._timer.resume()
        self._look()

    def on_hide(self) -> None:
        """Rest while nobody looks."""
        if self._timer is not None:
            self._timer.pause()

    def show(self, picture: Picture) -> None:
        """Take a new picture, and look at the file as well."""
        super().show(picture)
        self._look()

    def _look(self, back: bool = False) -> None:
        file = self.file
        if file is None:
            self.tell()
            return
        if self._looking or not is_in_sight(self.screen):
            return
        self._looking = True

        def look() -> Page | None:
            news = file.back() if back else file.poll()
            return file.page if news else None

        self.read(look, self._take)

    def _take(self, page: Page | None) -> None:
        self._looking = False
        if page is None:
            self.tell()
            return
        moved = page.moved
        if moved is None or moved > 0:
            made = [_line(text) for text in (page.lines if moved is None else page.lines[:moved])]
            self._made = made if moved is None else [*made, *self._made]
        else:
            del self._made[:-moved]
            kept = min(len(self._made), len(page.lines))
            # The last line may have been a progress bar that has moved on.
            kept -= bool(kept and page.lines[kept - 1] != self._made[kept - 1].text)
            self._made[kept:] = [_line(text) for text in page.lines[kept:]]
        self._page = page
        self.rows.show_lines(list(self._made), moved)
        self.tell()

    def moved(self, index: int) -> None:
        """At the first line, read more of what lies before."""
        if index == 0 and self._page.before and self.rows.count > 1:
            self._look(back=True)

    def told(self) -> str:
        """Give what the line of facts says at its left."""
        page = self._page
        if self.file is None:
            return "there is no run folder behind these events, and so no output"
        if page.problem:
            return f"the output cannot be read: {page.problem}"
        if page.missing or not page.size:
            return "nothing was printed yet"
        dot = self.deck.context.glyphs.separator
        text = f"{count(len(page.lines))} lines {dot} {size(page.size)}"
        if page.before:
            return f"{text} {dot} {size(page.before)} before them: g, then up"
        return text

    def chosen(self, item: object) -> None:
        """Show a long line whole."""
        line = self.rows.current
        if line is not None:
            self.app.push_screen(Details(f"line {count(self.rows.cursor + 1)}", (), line.text))


def _line(text: str) -> Line:
    return Line(((text, "text"),))
