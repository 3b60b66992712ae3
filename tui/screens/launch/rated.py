"""A screen that shows learning rate and memory of what it composes: asked in threads, the latest wins."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from tui.screens.base import DeckScreen
from tui.screens.launch.composer import Outcome
from tui.screens.launch.need import Need, Needs
from tui.screens.launch.rate import Rate, Rates


class RatedScreen(DeckScreen):
    """Keeps learning rate and memory of the newest outcome; the subclass shows them."""

    def __init__(self) -> None:
        super().__init__()
        #: Computes learning rates; None where screens do nothing by themselves.
        self.rates: Rates | None = None
        self.rate: Rate | None = None
        #: Estimates memory; None where screens do nothing by themselves.
        self.needs: Needs | None = None
        self.need: Need | None = None
        self._digest = ""
        self._config: Mapping[str, Any] = {}
        self._rated = self._estimated = 0

    def show_result(self) -> None:
        """Show what is known of learning rate and memory; for the subclass."""

    def on_mount(self) -> None:
        """Make what computes; nothing is started before the first question."""
        if self.context.live:
            self.rates, self.needs = Rates(), Needs()

    def on_unmount(self) -> None:
        """End what computes."""
        for asked in (self.rates, self.needs):
            if asked is not None:
                asked.close()

    def ask_rate(self, outcome: Outcome, number: int) -> None:
        """Have the learning rate of an outcome computed, away from the screen.

        Args:
            outcome: What was composed.
            number: Its number; the answer to an older one is not shown.
        """
        self._rated = number
        # Hardware that this machine has not is no reason: what it would take there can be told here.
        if (
            self.rates is None
            or outcome.composed is None
            or len(outcome.blocked) > len(outcome.absent)
        ):
            self.rate = self.need = None
            return
        self._config, self._digest = outcome.config, outcome.composed.hash
        # The curve so far stays until the next one is there: it would flicker while somebody types.
        before = self.rate.curve if self.rate is not None else None
        self._begin("computing", before, count=False)
        if self.needs is not None:
            known = self.need.estimate if self.need is not None else None
            self.need = Need(known, "estimating" + self.context.glyphs.ellipsis)

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
        if number != self._rated or not self.is_open:
            return
        self.rate = rate
        if why:
            self.deck.say(f"the batches of an epoch cannot be counted: {why}", "error")
        # One after the other: both would load torch at the same time.
        if self.needs is not None and self.need is not None and self._estimated != number:
            self._estimated = number
            find = partial(self._find_need, self.needs, number, self._config, self._digest)
            self.run_worker(find, thread=True, group="need", exclusive=True)
        self.show_result()

    def _find_need(self, needs: Needs, number: int, config: Mapping[str, Any], digest: str) -> None:
        need = needs.need(config, digest, lambda: number == self._rated)
        if need is not None and self.is_attached and self.app.is_running:
            self.app.call_from_thread(self._take_need, number, need)

    def _take_need(self, number: int, need: Need) -> None:
        if number != self._rated or not self.is_open:
            return
        self.need = need
        self.show_result()
