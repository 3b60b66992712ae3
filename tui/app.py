"""The app: routes between screens, and leaves the terminal whole however it ends."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual.app import App
from textual.binding import Binding, BindingType

from tui import plain, terminal, theme
from tui.context import Context
from tui.screens import opening
from tui.screens.base import DeckScreen
from tui.spans import tighten
from tui.widgets.keybar import binding

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.command import Provider
    from textual.driver import Driver
    from textual.screen import Screen

    from tui.sources.follow import Source
    from tui.widgets.dialogs import Confirm

#: After so long the start is over, in seconds.
_SETTLED_SECONDS = 1.5

Severity = Literal["information", "warning", "error"]


def _commands() -> type[Provider]:
    # Only the palette needs it, so that starting the app does not pay for it.
    from tui.commands import DeckCommands

    return DeckCommands


class Deck(App[int]):
    """The flight deck.

    Args:
        context: The world outside.
        first: Makes the screen to begin with; the list of runs if None.
    """

    TITLE = "traindeck"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+q",
            "leave",
            "quit",
            show=False,
            tooltip="Leave the app; runs go on",
            # Over a dialog and the palette as well.
            priority=True,
        ),
        binding("ctrl+z", "suspend_process", "suspend", show=False, tip="To the shell; fg returns"),
        binding("ctrl+t", "choose_theme", "theme", show=False, tip="Choose the colours"),
    ]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    CSS = theme.CSS

    def __init__(
        self, context: Context | None = None, first: Callable[[], Screen[None]] | None = None
    ) -> None:
        super().__init__()
        self.context = context or Context()
        self._first = first
        #: Said on the plain terminal after the app has gone, a line each.
        self.last_words: list[str] = []
        self._crashed = False
        #: The question whether to leave, once it was asked.
        self._leaving: Confirm | None = None
        theme.settle(self)
        self._filters += plain.filters(self.context.glyphs)

    def get_default_screen(self) -> Screen[None]:
        """Begin with the screen that was asked for."""
        if self._first is not None:
            return self._first()
        from tui.screens.runs import RunsScreen

        return RunsScreen()

    def _settle(self) -> None:
        """Look for garbage again, but not among what was made at the start: it stays."""
        gc.freeze()
        gc.enable()

    def get_css_variables(self) -> dict[str, str]:
        """Give the theme's colours, legible on its backgrounds."""
        return theme.legible(super().get_css_variables())

    def on_mount(self) -> None:
        """Leave in order when the terminal or the machine says so."""
        if not gc.isenabled():
            self.set_timer(_SETTLED_SECONDS, self._settle)
        terminal.watch(self)
        self.app_resume_signal.subscribe(self, lambda _app: self._paint_whole())
        if self.context.settings_problems:
            from tui.settings import told

            self.say(told(self.context.settings_problems), "warning")

    # ── the ways between screens ─────────────────────────────────────────────────────────────

    def open_runs(self) -> None:
        """Show the list of runs."""
        from tui.screens.runs import RunsScreen

        self.push_screen(RunsScreen())

    def open_monitor(self, source: Source) -> None:
        """Show one run.

        Args:
            source: A run folder, an events file or a pipe.
        """
        from tui.screens.monitor import MonitorScreen

        self.push_screen(MonitorScreen(source))

    def open_profiles(self, profile: str = "") -> None:
        """Show the profiles, at one of them (`group/name`) if given."""
        opening.profiles(self, profile)

    def open_launch(self, words: Sequence[str] = ()) -> None:
        """Show the launch screen.

        Args:
            words: Overrides to begin with, as on the command line.
        """
        opening.launch(self, words)

    def open_compare(self, runs: Sequence[Path]) -> None:
        """Show runs over each other; up to eight."""
        opening.compare(self, runs)

    def open_sweeps(self) -> None:
        """Show the list of sweeps."""
        opening.sweeps(self)

    def open_sweep(self, path: Path) -> None:
        """Show one sweep, by its folder."""
        opening.sweep(self, path)

    def open_sweep_writer(self, words: Sequence[str] = ()) -> None:
        """Show the screen on which sweeps are written, beginning with some overrides."""
        opening.sweep_writer(self, words)

    def open_help(self) -> None:
        """Show the keys of the screen in front."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def back(self) -> None:
        """Leave the screen in front; leaving the first one leaves the app."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.leave_now()

    def _fatal_error(self) -> None:
        """Leave in order after an error of our own; runs do not depend on the app."""
        from tui.crash import report

        if not self._crashed:
            # One error often brings others behind it; the first one is what went wrong.
            self._crashed = True
            self.last_words += report(self._exception)
        self._close_messages_no_wait()

    def action_leave(self) -> None:
        """Leave the app; runs go on. What would be lost on any screen is asked about first."""
        screens = [screen for screen in self.screen_stack if isinstance(screen, DeckScreen)]
        lost = [line for screen in screens for line in screen.unsaved()]
        front = screens[-1] if screens else None

        def answered(yes: bool | None) -> None:
            if yes:
                self._leave_from(front)

        if not lost:
            self._leave_from(front)
        elif self._leaving is None or self._leaving not in self.screen_stack:
            from tui.widgets.dialogs import Confirm

            lines = ["This is lost:", *(f"  {line}" for line in lost)]
            self._leaving = Confirm("Leave the app?", lines, "leave")
            self.push_screen(self._leaving, answered)

    def _leave_from(self, front: DeckScreen | None) -> None:
        if front is not None:
            front.action_leave()
        else:
            self.leave_now()

    def leave_now(self) -> None:
        """Leave the app without a question."""
        self.exit(self.return_code or 0)

    def get_driver_class(self) -> type[Driver]:
        """Give Textual's driver, made to survive the loss of the terminal."""
        return terminal.lasting(super().get_driver_class())

    def action_suspend_process(self) -> None:
        """Lend the terminal to the shell; `fg` comes back."""
        terminal.suspend(self)

    def action_choose_theme(self) -> None:
        """Choose the colours."""
        theme.pick(self)

    def action_settings(self) -> None:
        """Open the settings file in an editor."""
        from tui.editor import edit_settings

        edit_settings(self)

    def _paint_whole(self) -> None:
        """Draw everything: what a shell or an editor left on the screen is not ours."""
        behind = self._background_screens
        update = self.screen._compositor.render_update(full=True, screen_stack=behind)
        self._display(self.screen, update)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send what changed and no more; see `tui.spans`."""
        super()._display(screen, tighten(renderable))

    def say(self, text: str, severity: Severity = "information") -> None:
        """Tell the person something in passing; the text is data, never markup."""
        from tui.text import clean

        self.notify(clean(text, keep_newlines=True), severity=severity, markup=False)
