"""Alerts become events, and what a person asked for is done about them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainer.config import hardware_advice
from trainer.config.schema_health import KINDS
from trainer.engine.health.clock import HealthClock, Signs
from trainer.engine.health.command import Command
from trainer.engine.health.weights import spoilt
from trainer.health.advice import ADVICE
from trainer.health.finding import Alert, Finding, Row
from trainer.health.watch import HealthWatch, in_words
from trainer.runs import control
from trainer.runs.layout import RunFolder

if TYPE_CHECKING:
    from torch import nn

    from trainer.config.schema_health import Health
    from trainer.engine.session import Events, Session

_LEVELS = ("info", "warning", "error")


class HealthGuard:
    """Watches one training, on rank 0.

    It looks at rows that have been read back for the events anyway, so that no step waits for it.

    Args:
        session: The process's events and requests.
        settings: The `health` section.
        clip: The norm that gradients are clipped to; None if they are not.
    """

    def __init__(self, session: Session, settings: Health, clip: float | None = None) -> None:
        self._session = session
        self._set = settings
        self._watch = HealthWatch(settings, clip)
        self._lock = threading.RLock()  # the clock tells of stalls from a thread of its own
        self._clock: HealthClock | None = None
        self._stalled_for = 0.0
        self._command: Command | None = None
        if self._set.command:
            self._command = Command(
                self._set.command,
                self._set.command_timeout,
                session.events,
                str(session.folder),
            )

    @property
    def kinds(self) -> list[str]:
        """The kinds of alerts that may come."""
        return [kind for kind in KINDS if self._set.per_kind.get(kind) != "off"]

    def __call__(self, rows: Sequence[Row]) -> None:
        """Look at rows of metrics."""
        with self._lock:
            alerts = self._watch.feed(rows)
        for alert in alerts:
            self._tell(alert)

    def start(self, signs: Signs) -> None:
        """Begin to look for stalls.

        Args:
            signs: Gives the last sign of life, the last step, and what is being done.
        """
        if self._set.per_kind.get("stall") != "off":
            self._clock = HealthClock(self._set, signs, self._found)
            self._clock.start()

    def pause(self) -> None:
        """Look for stalls no more: training is over, and what follows is no step."""
        clock, self._clock = self._clock, None
        if clock is not None:
            clock.close()

    def close(self) -> None:
        """End: wait for the command that is running, for no longer than its limit."""
        self.pause()
        if self._command is not None:
            self._command.close()

    def unsound(self, module: nn.Module) -> str:
        """Say why the state must not replace a good checkpoint; empty if it may.

        Reads weights only where the last loss or gradient norm was no finite number.
        """
        if not self._watch.suspect:
            return ""
        name = spoilt(module)
        return f"its weights are no finite numbers ({name})" if name else ""

    def word(self) -> str:
        """Say in a few words what is wrong by now; empty if nothing is."""
        with self._lock:
            return self._watch.word()

    def out_of_memory(self, reason: str) -> None:
        """Tell that training ran out of memory, with what to do about it."""
        self._tell(_no_memory(reason, self._session.config))

    def state(self) -> dict[str, Any]:
        """Give what a resumed run must know."""
        with self._lock:
            return self._watch.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        with self._lock:
            self._watch.load(state)

    def _found(self, finding: Finding, step: int) -> None:
        """Take a finding of the clock; runs in its thread."""
        with self._lock:
            alerts = list(self._watch.note(finding, time.time(), step))
        for alert in alerts:
            self._tell(alert)
        if finding.sick and self._action("stall", finding.level) == "stop":
            self._end_by_force(finding)

    def _end_by_force(self, finding: Finding) -> None:
        """Ask the supervisor to end a run that cannot answer the request to stop."""
        still, beat = float(finding.evidence["seconds"]), self._session.beat
        limit = 2.0 * float(finding.evidence["threshold"])
        if still < limit or self._stalled_for >= limit or not getattr(beat, "supervised", False):
            return
        self._stalled_for = still
        try:
            control.request(RunFolder(self._session.folder), "kill", reason=finding.message)
        except OSError as error:
            self._session.events.log("warning", f"the stalled run cannot be ended: {error}")

    def _tell(self, alert: Alert) -> None:
        events = self._session.events
        events.alert(
            alert.level,
            alert.kind,
            alert.message,
            step=alert.step,
            advice=alert.advice or None,
            **alert.evidence,
        )
        if alert.over:
            return
        action = self._action(alert.kind, alert.level)
        if action in ("command", "stop") and self._command is not None:
            least = _LEVELS.index(self._set.command_from)
            if alert.kind in self._set.per_kind or _LEVELS.index(alert.level) >= least:
                self._command.run(
                    {
                        "run": str(self._session.folder),
                        "ts": round(time.time(), 3),
                        "level": alert.level,
                        "kind": alert.kind,
                        "step": alert.step,
                        "message": alert.message,
                        "advice": alert.advice,
                        **alert.evidence,
                    }
                )
        if action == "stop" and alert.kind != "out_of_memory":
            at = "" if alert.step is None else f" at step {alert.step}"
            reason = f"{in_words(alert.kind, alert.message)}{at}"
            events.log("warning", f"stop after step: {reason} (health)")
            if self._session.beat is not None:
                self._session.beat.stopping(f"after this step: {reason}")
            self._session.requests.stop("step", reason, failed=True)

    def _action(self, kind: str, level: str) -> str:
        """Give what an alert does: `warn`, `command` or `stop`."""
        own = self._set.per_kind.get(kind)
        if own is not None:
            return own
        action = self._set.on_alert
        if action == "stop" and _LEVELS.index(level) < _LEVELS.index(self._set.stop_from):
            return "command"
        return action


def out_of_memory(events: Events, reason: str, config: Mapping[str, Any]) -> None:
    """Tell that memory ran out before training began, with what to do about it."""
    alert = _no_memory(reason, config)
    events.alert(alert.level, alert.kind, alert.message, advice=alert.advice, **alert.evidence)


def _no_memory(reason: str, config: Mapping[str, Any]) -> Alert:
    own = hardware_advice.advice(config)
    advice = " ".join(part for part in (own, ADVICE["out_of_memory"]) if part)
    evidence = {"state": "begins"}
    return Alert("error", "out_of_memory", f"Memory ran out: {reason}", None, advice, evidence)
