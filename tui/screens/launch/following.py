"""Follows the files of the profiles: what others write there meanwhile is composed and shown."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.launch.composer import Outcome
from tui.screens.launch.rated import RatedScreen
from tui.sources.profiles import fingerprint


class FollowingScreen(RatedScreen):
    """Composes anew when a profile is written, comes or goes; the subclass knows what it composed."""

    #: The files are looked at every two seconds.
    HZ: ClassVar[float] = 0.5

    outcome: Outcome

    @property
    def is_composed(self) -> bool:
        """Whether what is shown is what was last asked for; for the subclass."""
        return True

    @property
    def is_writing(self) -> bool:
        """Whether a value is being typed, which must not be drawn anew meanwhile; for the subclass."""
        return False

    def compose_soon(self, at_once: bool = False) -> None:
        """Compose anew; for the subclass."""

    def tick(self) -> None:
        """Look whether somebody wrote into the profiles."""
        if not self.is_mounted or not self.is_composed or self.is_writing:
            return
        seen = self.outcome.stamp

        def work() -> None:
            if seen and fingerprint(self.context) != seen and self.app.is_running:
                self.app.call_from_thread(self._noticed, seen)

        self.run_worker(work, thread=True, group="files", exclusive=True)

    def _noticed(self, seen: int) -> None:
        if self.is_open and self.is_composed and self.outcome.stamp == seen and not self.is_writing:
            self.compose_soon(at_once=True)
