"""The config that the run trains with: every value, what set it, and what differs from defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from textual.binding import BindingType

from trainer.display import count, plural
from tui.screens.monitor.tabs.base import Tab
from tui.screens.monitor.tabs.details import Details
from tui.screens.monitor.tabs.textrows import Line
from tui.sources.follow import Picture
from tui.sources.runconfig import RunConfig, Setting, changes, load
from tui.text import cell_len, left
from tui.widgets.keybar import binding

_KEY, _VALUE = 36, 16
_MARKS = {"changed": "~ ", "added": "+ ", "removed": "- "}


class ConfigTab(Tab):
    """Keys, values and origins; behind them the command, code, environment and hashes."""

    TITLE: ClassVar[str] = "config"
    SEARCH = "show only lines with"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("d", "changes", "changed only", tip="Show only what differs from the defaults"),
    ]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._config: RunConfig | None = None
        self._changes: tuple[Setting, ...] | None = None
        self._problem = ""
        self._changed_only = False
        self._asked: set[str] = set()

    def show(self, picture: Picture) -> None:
        """Read the config when the tab is first in sight; it never changes."""
        super().show(picture)
        run = self.source.run
        if run is not None and "config" not in self._asked:
            self._asked.add("config")
            self.read(lambda: load(run), self._take)
        self.tell()

    def _take(self, config: RunConfig | None) -> None:
        self._config = config or RunConfig(problem="see the message")
        self._fill()

    def _take_changes(self, found: tuple[tuple[Setting, ...], str] | None) -> None:
        self._changes, self._problem = found or ((), "see the message")
        self._fill()

    def action_changes(self) -> None:
        """Show only what differs from the defaults, or everything again."""
        run = self.source.run
        if run is None:
            return
        self._changed_only = not self._changed_only
        if self._changed_only and "changes" not in self._asked:
            self._asked.add("changes")
            self.read(lambda: changes(run), self._take_changes)
        self._fill()

    def _fill(self) -> None:
        sought = self.line.value.casefold()
        lines = list(self._lines())
        if sought:
            lines = [line for line in lines if sought in line.text.casefold()]
        self.rows.show_lines(lines)
        self.tell()

    def _lines(self) -> Iterator[Line]:
        config = self._config or RunConfig()
        cut = self.deck.context.glyphs.ellipsis
        if self._changed_only:
            yield from self._settings(self._changes or ())
            return
        yield from self._settings(config.settings)
        for name, value in config.facts:
            yield Line(((left(name, _KEY, cut) + " ", "dim"), (value, "text")), 1, (name, value))

    def _settings(self, settings: Iterable[Setting]) -> Iterator[Line]:
        arrow, cut = self.deck.context.glyphs.arrow, self.deck.context.glyphs.ellipsis
        for each in settings:
            value = each.value
            if each.kind == "changed":
                value = f"{each.old} {arrow} {each.value}"
            elif each.kind == "removed":
                value = each.old
            key = left(_MARKS.get(each.kind, "") + each.key, _KEY, cut) + " "
            yield Line(
                ((key, "key"), (left_at_least(value, _VALUE) + "  ", "text"), (each.origin, "dim")),
                1,
                each,
            )

    def sought(self, text: str) -> None:
        """Show only the lines that hold a text."""
        self.rows.seek(text)
        self._fill()

    def told(self) -> str:
        """Give what the line of facts says at its left."""
        config = self._config
        if self.source.run is None:
            return "there is no run folder behind these events, and so no config"
        if config is None:
            return "reading the config"
        if config.problem:
            return f"the config cannot be read: {config.problem}"
        dot = self.deck.context.glyphs.separator
        if self._changed_only:
            if self._changes is None:
                return "comparing with the defaults"
            if self._problem:
                return f"the defaults do not compose: {self._problem}"
            many = plural(len(self._changes), "key")
            return f"{many} not as in the defaults {dot} d shows all"
        text = f"{count(len(config.settings))} keys"
        return f"{text} {dot} hash {config.hash[:12]}" if config.hash else text

    def chosen(self, item: object) -> None:
        """Show a long value whole."""
        if isinstance(item, Setting):
            facts = [("value", item.value), ("set by", item.origin or "unknown")]
            if item.kind:
                facts.append(("default", item.old or "there is none"))
            self.app.push_screen(Details(item.key, facts))
        elif isinstance(item, tuple):
            self.app.push_screen(Details(item[0], (), item[1]))


def left_at_least(text: str, width: int) -> str:
    """Fill a text to a width; a longer one stays whole."""
    return text if cell_len(text) > width else left(text, width)
