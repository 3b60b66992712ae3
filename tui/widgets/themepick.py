"""A choice of themes that shows each one while the cursor is on it."""

from __future__ import annotations

from textual import on
from textual.widgets import Input

from tui import theme
from tui.widgets.dialogs import Pick
from tui.widgets.linelist import LineList


class ThemePick(Pick):
    """Asks for a theme; answers its place in `NAMES`.

    Args:
        before: The theme to come back to on Escape, and where the cursor stands at first.
    """

    NAMES = (theme.AUTO, *theme.names())

    def __init__(self, before: str) -> None:
        choices = [(theme.AUTO, "what fits the terminal")]
        choices += [(name, theme.about(name)) for name in theme.names()]
        super().__init__("Theme", choices, self.NAMES.index(before))
        self._before = before

    @on(LineList.Highlighted)
    @on(Input.Changed)
    def _preview(self) -> None:
        if self._rows.matches:
            theme.apply(self.app, self.NAMES[self._rows.matches[self._rows.cursor]])

    def action_cancel(self) -> None:
        """Take the theme back and leave."""
        theme.apply(self.app, self._before)
        super().action_cancel()
