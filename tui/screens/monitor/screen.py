"""The Monitor: is it learning, is it healthy, when is it done?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from trainer.runs.layout import RunFolder
from tui.screens.monitor.chartkeys import ChartKeys
from tui.screens.monitor.facts import ended_with, facts, run_id
from tui.screens.monitor.keys import CHART_ACTIONS, KEYS
from tui.screens.monitor.panels import Panels
from tui.screens.monitor.places import Places
from tui.screens.sweepof import open_sweep_of, sweep_id

if TYPE_CHECKING:
    from tui.keys import Group


class MonitorScreen(ChartKeys):
    """Shows one run.

    Args:
        source: A run folder, an events file or a pipe.
        launched: Whether this command launched the run: leaving it after its end then leaves with
            the run's exit code.
    """

    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys of the charts to the tab that is in front of them."""
        if action in CHART_ACTIONS and self.is_mounted and self._in_tab:
            return False
        return super().check_action(action, parameters)

    def applies(self, action: str) -> bool:
        """Leave out of the foot what cannot be done with the run as it is now."""
        return action not in self._pointless

    def legend(self) -> Group:
        """Explain the signs of the charts, for the help."""
        from tui.screens.monitor.legend import legend

        return legend(self)

    def controlled(self) -> list[RunFolder]:
        """Give the run, if there is a folder to act on."""
        return [self._source.run] if self._source.run is not None else []

    def action_escape(self) -> None:
        """Go one step back: from a tab, a panel alone, a cursor; then from the screen."""
        panels = self.query_one(Panels)
        if self.query_one(Places).current:
            self.action_place(0)
        elif panels.maximised:
            self.action_maximise()
        elif self._sight.cursor is not None:
            self._sight.cursor = None
            self._show_charts()
        else:
            self.action_back()

    def action_back(self) -> None:
        """Leave; the run goes on."""
        if len(self.app.screen_stack) > 1:
            self.deck.back()
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """Leave the app, with a word on what becomes of the run."""
        picture = self.follower.picture
        said = facts(picture, self._source, self.context.clock.now(), checkpoint=self._checkpoint)
        name = run_id(picture, self._source)
        if said.live and name:
            self.deck.last_words.append(f"the run goes on: traindeck watch {name}")
        elif said.how:
            how = f": {said.how}" if said.how != said.word else ""
            self.deck.last_words.append(f"{said.name} {said.word}{how}")
            if self._launched and name:
                self.deck.last_words.append(f"what it did: traindeck show {name}")
        code = ended_with(picture) if self._launched and not said.live else 0
        self.deck.exit(code)

    def action_sweep(self) -> None:
        """Open the sweep that the run is a trial of."""
        run, sweep = self._source.run, sweep_id(self._shown.identity.get("parent"))
        if run is None or not sweep:
            self.deck.say("this run is no trial of a sweep", "warning")
            return
        open_sweep_of(self, sweep, [run.path.parent.parent])

    def action_runs(self) -> None:
        """Show all runs."""
        if len(self.app.screen_stack) > 1:
            self.deck.back()
        else:
            self.deck.open_runs()
