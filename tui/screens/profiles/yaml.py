"""A profile's YAML: highlighted where it can be, read-only until a person asks to edit it."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual._text_area_theme import TextAreaTheme
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.widgets.keybar import binding

_THEME = "profile"
#: What each kind of token is drawn with.
_PARTS = {
    "yaml.field": "yaml--key",
    "toml.type": "yaml--mark",
    "property": "yaml--key",
    "float": "yaml--value",
    "comment": "yaml--comment",
    "string": "yaml--text",
    "number": "yaml--value",
    "boolean": "yaml--value",
    "constant.builtin": "yaml--value",
    "type": "yaml--mark",
    "preproc": "yaml--mark",
}


def _harmless() -> dict[int, str]:
    """Give for each character that could steer a terminal a sign of the same length in UTF-8."""
    table = {code: "?" for code in (*range(32), 127) if code != 9}
    table |= dict.fromkeys(range(0x80, 0xA0), "·")
    return table | dict.fromkeys(
        (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x206A), 0xFEFF), "…"
    )


_HARMLESS = _harmless()


class YamlPane(TextArea):
    """The text of a profile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("escape", "stop_editing", "stop editing", tip="Make the YAML read-only again"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "yaml--key",
        "yaml--comment",
        "yaml--text",
        "yaml--value",
        "yaml--mark",
        "yaml--problem",
    }
    DEFAULT_CSS = """
    YamlPane { border: none; padding: 0 0 0 1; height: 1fr; background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    YamlPane:focus { border: none; }
    YamlPane > .yaml--key { color: $accent; }
    YamlPane > .yaml--comment { color: $text-muted; }
    YamlPane > .yaml--text { color: $text-success; }
    YamlPane > .yaml--value { color: $text-warning; }
    YamlPane > .yaml--mark { color: $text-secondary; }
    YamlPane > .yaml--problem { text-style: underline; }
    """

    class Stopped(Message):
        """The person stopped editing."""

    def __init__(self) -> None:
        super().__init__(
            id="yaml",
            read_only=True,
            show_line_numbers=True,
            soft_wrap=False,
            tab_behavior="focus",
        )
        self.cursor_blink = False
        self._wrong: frozenset[int] = frozenset()

    def on_mount(self) -> None:
        """Highlight, where the parser is installed."""
        self.write_in("yaml")
        self._paint()
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._paint())

    def write_in(self, language: str) -> None:
        """Highlight as YAML or TOML, where the parser is installed."""
        if language in self.available_languages and self.language != language:
            self.language = language

    def _paint(self) -> None:
        styles = {
            token: self.get_component_rich_style(part, partial=True)
            for token, part in _PARTS.items()
        }
        self.register_theme(TextAreaTheme(name=_THEME, syntax_styles=styles))
        self.theme = _THEME

    def show(self, text: str) -> None:
        """Show a text; the cursor and the view stay, and only what differs is replaced."""
        old = self.text
        if old == text:
            return
        start = 0
        limit = min(len(old), len(text))
        while start < limit and old[start] == text[start]:
            start += 1
        end = 0
        while end < limit - start and old[-1 - end] == text[-1 - end]:
            end += 1
        cursor = self.cursor_location
        self.replace(
            text[start : len(text) - end],
            _location(old, start),
            _location(old, len(old) - end),
            maintain_selection_offset=True,
        )
        if self.text != text:  # line ends that the editor would have made alike
            self.load_text(text)
        self.move_cursor(cursor)

    def open(self, text: str) -> None:
        """Show another file's text from its beginning."""
        self.read_only = True
        if self.text != text:
            self.load_text(text)
        self.move_cursor((0, 0))

    def mark(self, lines: Collection[int]) -> None:
        """Underline lines, counted from 1, that have a problem."""
        if self._wrong != frozenset(lines):
            self._wrong = frozenset(lines)
            self._line_cache.clear()
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        """Give a line to draw: what could steer a terminal is shown by a sign."""
        plain = self.document.get_line(line_index).translate(_HARMLESS)
        style = Style.null()
        if line_index + 1 in self._wrong:
            style = self.get_component_rich_style("yaml--problem", partial=True)
        return Text(plain, style=style, end="", no_wrap=True)

    def begin_editing(self) -> None:
        """Let the person type."""
        self.read_only = False
        self.refresh_bindings()

    def action_stop_editing(self) -> None:
        """Make it read-only again."""
        self.read_only = True
        self.refresh_bindings()
        self.post_message(self.Stopped())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is the screen's unless the text is being edited."""
        return not self.read_only if action == "stop_editing" else True


def _location(text: str, index: int) -> tuple[int, int]:
    """Give row and column of a place."""
    lines = text[:index].split("\n")
    return len(lines) - 1, len(lines[-1])
