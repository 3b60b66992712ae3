"""A screen that shows what a source reads in a thread of its own: it rests while nobody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from textual import on
from textual.message import Message

from tui.screens.base import DeckScreen


class Source(Protocol):
    """What reads: a list of sweeps, or one sweep."""

    told: Callable[[], None] | None

    def start(self) -> None:
        """Begin to look, in a thread."""

    def stop(self) -> None:
        """End the thread; returns at once."""

    def pause(self, paused: bool) -> None:
        """Rest while nobody looks."""

    def step(self) -> bool:
        """Look, in the caller's thread."""


class SourcedScreen(DeckScreen):
    """Starts its source, lets it rest while another screen hides this one, and stops it."""

    source: Source

    class Fresh(Message, bubble=False):
        """The source has a picture that was waited for."""

        def can_replace(self, message: Message) -> bool:
            """One is as good as many."""
            return isinstance(message, SourcedScreen.Fresh)

    def on_mount(self) -> None:
        """Begin to look."""
        if self.context.live:
            self.source.told = self._told
            self.source.start()
        else:
            self.source.step()
        self.tick()

    def on_unmount(self) -> None:
        """Stop to look."""
        self.source.told = None
        self.source.stop()

    def on_screen_suspend(self) -> None:
        """Rest while another screen hides this one."""
        self.source.pause(not self.in_sight)

    def on_screen_resume(self) -> None:
        """Go on."""
        self.source.pause(False)

    def _told(self) -> None:
        self.post_message(self.Fresh())

    @on(Fresh)
    def _fresh(self) -> None:
        self.tick()
