"""Work that is done in a thread again and again while somebody types: the latest wins."""

from __future__ import annotations

from collections.abc import Callable

from textual.timer import Timer

from tui.screens.base import DeckScreen


class Latest:
    """Counts what is asked for and what is shown, and waits for typing to pause.

    Args:
        screen: Whose threads do the work.
        begin: Is given a number, and gives what a thread is to do for it; its end is told by `take`.
        group: Names the work among the screen's.
        pause: After so many seconds without a key typing has paused.
    """

    def __init__(
        self,
        screen: DeckScreen,
        begin: Callable[[int], Callable[[], None]],
        group: str,
        pause: float,
    ) -> None:
        self._screen, self._job = screen, begin
        self._group, self._pause = group, pause
        self._timer: Timer | None = None
        #: Numbers of what was last asked for, and of what is shown.
        self.asked = self.shown = 0

    @property
    def settled(self) -> bool:
        """Whether what is shown is what was last asked for."""
        return self.shown == self.asked

    def soon(self, at_once: bool = False) -> None:
        """Ask anew; while somebody types, the work begins once they pause."""
        self.asked += 1
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if at_once or not self._screen.context.live:
            self._begin()
        else:
            self._timer = self._screen.set_timer(self._pause, self._begin)

    def _begin(self) -> None:
        job = self._job(self.asked)
        self._screen.run_worker(job, thread=True, group=self._group, exclusive=True)

    def wanted(self, number: int) -> bool:
        """Tell whether anybody still waits for it; for the thread."""
        return number == self.asked and self._screen.is_attached and self._screen.app.is_running

    def take(self, number: int) -> bool:
        """Tell whether what was found is to be shown; it counts as shown from then on."""
        # A screen that is being left is still attached when some of its parts are gone.
        if number != self.asked or not self._screen.is_open:
            return False
        self.shown = number
        return True
