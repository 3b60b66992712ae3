"""A screen that shows the learning rate of what it composes: asked for in a thread, the latest wins."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from tui.screens.base import DeckScreen
from tui.screens.launch.composer import Outcome
from tui.screens.launch.rate import Rate, Rates


class RatedScreen(DeckScreen):
    """Keeps the learning rate of the newest outcome; the subclass shows it."""

    def __init__(self) -> None:
        super().__init__()
        #: Computes learning rates; None where screens do nothing by themselves.
        self.rates: Rates | None = None
        self.rate: Rate | None = None
        self._config: Mapping[str, Any] = {}
        self._rated = 0

    def show_result(self) -> None:
        """Show what is known of the learning rate; for the subclass."""

    def on_mount(self) -> None:
        """Make what computes; nothing is started before the first question."""
        super().on_mount()
        if self.context.live:
            self.rates = Rates()

    def on_unmount(self) -> None:
        """End what computes."""
        if self.rates is not None:
            self.rates.close()

    def ask_rate(self, outcome: Outcome, number: int) -> None:
        """Have the learning rate of an outcome computed, away from the screen.

        Args:
            outcome: What was composed.
            number: Its number; the answer to an older one is not shown.
        """
        self._rated = number
        if self.rates is None or outcome.composed is None or outcome.blocked:
            self.rate = None
            return
        self._config = outcome.config
        # The curve so far stays until the next one is there: it would flicker while somebody types.
        before = self.rate.curve if self.rate is not None else None
        self._begin("computing", before, count=False)

    def count_batches(self) -> None:
        """Build the data and count the batches of an epoch, which the learning rate depends on."""
        if self.rate is None or not self.rate.wanting:
            self.deck.say("nothing to count: the learning rate does not depend on it")
            return
        self._begin("building the data", self.rate.curve, count=True)
        self.show_result()

    def _begin(self, what: str, before: Any, *, count: bool) -> None:
        assert self.rates is not None
        self.rate = Rate(before, what + self.context.glyphs.ellipsis)
        work = partial(self._find_rate, self.rates, self._rated, self._config, count=count)
        self.run_worker(work, thread=True, group="rate", exclusive=True)

    def _find_rate(
        self, rates: Rates, number: int, config: Mapping[str, Any], *, count: bool
    ) -> None:
        why = rates.count(config) if count else ""
        rate = rates.rate(config, lambda: number == self._rated)
        if rate is not None and self.is_attached and self.app.is_running:
            self.app.call_from_thread(self._take_rate, number, rate, why)

    def _take_rate(self, number: int, rate: Rate, why: str) -> None:
        # A screen that is being left is still attached when some of its parts are gone.
        if number != self._rated or not self.is_attached or self not in self.app.screen_stack:
            return
        self.rate = rate
        if why:
            self.deck.say(f"the batches of an epoch cannot be counted: {why}", "error")
        self.show_result()
