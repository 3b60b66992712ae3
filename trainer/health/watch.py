"""Rows of metrics in, alerts out: one when something begins, one when it is over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.health.advice import ADVICE
from trainer.health.finding import Alert, Finding, Row
from trainer.health.gradients import NORM, Gradients
from trainer.health.loader import Loader
from trainer.health.loss import TRAIN, LossLevel, NonFinite
from trainer.health.validation import Validation

if TYPE_CHECKING:
    from trainer.config.schema_health import Health


@dataclass(slots=True)
class _Episode:
    """An illness under way: since which step, when it was last told, in which words.

    Attributes:
        wait: Seconds until it is told again; twice as long each time.
    """

    since: int | None
    told: float
    message: str
    level: str
    wait: float


class HealthWatch:
    """Looks at rows of metrics and says what is wrong, once.

    An alert is raised when something begins; again if it still holds `repeat_after` later, and then
    after twice that, four times and so on; and once more, as `info`, when it is over. Each row costs a few comparisons; medians are taken of a few
    values once in five or ten steps.

    Args:
        settings: The `health` section.
        clip: The norm that gradients are clipped to; None if they are not.
    """

    def __init__(self, settings: Health, clip: float | None = None) -> None:
        self._set = settings
        self._off = {kind for kind, action in settings.per_kind.items() if action == "off"}
        self._non_finite = NonFinite(settings)
        self._level = LossLevel(settings)
        self._gradients = Gradients(settings, clip)
        self._validation = Validation(settings, self._level)
        self._loader = Loader(settings)
        self._episodes: dict[tuple[str, str], _Episode] = {}
        self._last: dict[str, float] = {}

    @property
    def suspect(self) -> bool:
        """Whether the last loss or gradient norm was no finite number.

        The weights may be spoilt then; whoever holds them can tell.
        """
        return any(not math.isfinite(value) for value in self._last.values())

    def feed(self, rows: Iterable[Row]) -> list[Alert]:
        """Look at rows (unix seconds, step, epoch, metrics), in order, and give new alerts."""
        alerts: list[Alert] = []
        for ts, step, _, metrics in rows:
            for finding in self._look(step, metrics):
                alerts += self.note(finding, ts, step)
        return alerts

    def _look(self, step: int, metrics: Mapping[str, float]) -> Iterator[Finding]:
        for name in (TRAIN, NORM):
            if name in metrics:
                self._last[name] = metrics[name]
        yield from self._non_finite.look(step, metrics)
        yield from self._level.look(step, metrics)
        if math.isfinite(self._last.get(TRAIN, 0.0)):  # else they follow from the loss
            yield from self._gradients.look(step, metrics, self._level.progress)
        yield from self._validation.look(step, metrics)
        yield from self._loader.look(step, metrics)

    def note(self, finding: Finding, ts: float, step: int | None) -> Iterator[Alert]:
        """Take a detector's finding, and give the alert that it is worth, if it is."""
        kind, name = finding.kind, (finding.kind, finding.about)
        episode = self._episodes.get(name)
        if finding.sick:
            if kind in self._off:
                return
            again = episode is not None
            if episode is None:
                wait = self._set.repeat_after
                self._episodes[name] = _Episode(step, ts, finding.message, finding.level, wait)
            else:
                episode.message, episode.level = finding.message, finding.level
                if math.isinf(episode.told):
                    episode.told = ts  # its clock was another process's
                if not ts - episode.told >= episode.wait:
                    return
                episode.told = ts
                episode.wait *= 2.0
            since = episode.since if episode is not None else step
            state = "goes on" if again else "begins"
            evidence = {"state": state, "since_step": since, **finding.evidence}
            yield Alert(finding.level, kind, finding.message, step, ADVICE[kind], evidence)
        elif episode is not None:
            del self._episodes[name]
            what = kind.replace("_", " ")
            about = f" of {finding.about}" if kind == "non_finite_loss" else ""
            evidence = {"state": "over", "since_step": episode.since}
            begun = "" if episode.since is None else f", which began at step {episode.since}"
            message = f"Over: {what}{about}{begun}."
            yield Alert("info", kind, message, step, "", evidence)

    def word(self) -> str:
        """Say in a few words what is wrong by now; empty if nothing is."""
        order = {"error": 0, "warning": 1}
        found = sorted(
            (order.get(episode.level, 2), number, kind, episode)
            for number, ((kind, _), episode) in enumerate(self._episodes.items())
            if episode.level != "info"
        )
        words = []
        for _, _, kind, episode in found[:2]:
            since = "" if episode.since is None else f" since step {episode.since}"
            words.append(in_words(kind, episode.message) + since)
        return ", ".join(words)

    def state(self) -> dict[str, Any]:
        """Give what a resumed run must know: plain data, the same for the same training."""
        return {
            "non_finite": self._non_finite.state(),
            "level": self._level.state(),
            "gradients": self._gradients.state(),
            "validation": self._validation.state(),
            "episodes": [
                [kind, about, episode.since, episode.message, episode.level]
                for (kind, about), episode in self._episodes.items()
                # The others are about time, which is the process's own.
                if kind not in ("loader_bound", "stall")
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; what is missing in it begins anew."""
        self._non_finite.load(state.get("non_finite", {}))
        self._level.load(state.get("level", {}))
        self._gradients.load(state.get("gradients", {}))
        self._validation.load(state.get("validation", {}))
        self._episodes = {
            (str(kind), str(about)): _Episode(
                since, math.inf, str(message), str(level), self._set.repeat_after
            )
            for kind, about, since, message, level in state.get("episodes", ())
        }


def in_words(kind: str, message: str) -> str:
    """Say what is wrong in two or three words: `train/loss is NaN`, `divergence`."""
    if kind == "non_finite_loss":
        return message.partition(" for ")[0].rstrip(".")
    return kind.replace("_", " ")
