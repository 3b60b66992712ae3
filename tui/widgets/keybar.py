"""The line at the foot that names the keys of the moment, made from the bindings themselves."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.app import RenderResult
from textual.binding import Binding
from textual.strip import Strip
from textual.widget import Widget

from tui.text import cell_len


class KeyBar(Widget):
    """Names the keys that work now; what does not fit is in the help, which is named first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keybar--key", "keybar--text"}
    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; background: $panel; color: $text-muted; }
    KeyBar > .keybar--key { color: $accent; text-style: bold; }
    KeyBar > .keybar--text { color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[tuple[str, str]] | None = None
        self._looking = False

    def on_mount(self) -> None:
        """Follow the bindings: they change with the focus."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self._heard())

    def _heard(self) -> None:
        """Look at the bindings after the next paint: one key may change them several times."""
        if not self._looking:
            self._looking = True
            self.call_after_refresh(self._look)

    def _look(self) -> None:
        self._looking = False
        if not self.is_attached:  # the screen was left between the key and the paint
            return
        keys = self.keys()
        if keys != self._shown:
            self._shown = keys
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: the line is drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw the keys."""
        key_style = self.get_component_rich_style("keybar--key")
        text_style = self.get_component_rich_style("keybar--text")
        base = self.rich_style
        segments = [Segment(" ", base)]
        room = self.size.width - 1
        if self._shown is None:
            self._shown = self.keys()
        for key, text in self._shown:
            need = cell_len(key) + 1 + cell_len(text) + 2
            if need > room:
                break
            room -= need
            segments += [
                Segment(key, key_style),
                Segment(f" {text}", text_style),
                Segment("  ", base),
            ]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def keys(self) -> list[tuple[str, str]]:
        """Give (key, what it does) of the bindings to show, help first, each once."""
        shown: dict[str, tuple[str, str]] = {}
        # Textual drops the keys that an input takes as text, but does not know this one's sign.
        focused = self.screen.focused
        typed = focused is not None and focused.check_consume_key("slash", "/")
        context = getattr(self.app, "context", None)
        plain = context is not None and context.glyphs.plain
        applies = getattr(self.screen, "applies", None)
        for _node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            if typed and binding.key == "slash":
                continue
            if binding.show and applies is not None and not applies(binding.action):
                continue
            if binding.show and enabled and binding.action not in shown:
                # Its sign has no likeness in ASCII.
                enter = binding.key == "enter" and plain
                key = "enter" if enter else self.app.get_key_display(binding)
                shown[binding.action] = (key, binding.description)
        help_first = sorted(shown.items(), key=lambda item: item[0] != "help")
        return [value for _action, value in help_first]


def binding(
    key: str, action: str, description: str, *, show: bool = True, tip: str = ""
) -> Binding:
    """Make a binding; `tip` is the longer sentence that the help shows."""
    return Binding(key, action, description, show=show, tooltip=tip or description)
