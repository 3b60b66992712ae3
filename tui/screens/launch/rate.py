"""The learning rate of what would be launched: asked of a process with torch, and written as lines."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trainer.errors import TraindeckError
from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.runs.lr import Curve

_KEPT = 50
#: What the number of batches depends on, besides the data.
_BATCHES_BY = ("devices", "num_nodes", "limit_train_batches", "overfit_batches", "accelerator")


@dataclass(frozen=True)
class Rate:
    """What is known of the learning rate.

    Attributes:
        curve: The curve; None if there is none.
        said: Why there is none, or what is under way.
        wrong: Whether something is wrong with it.
        wanting: Whether the batches of an epoch would have to be counted to know more.
    """

    curve: Curve | None = None
    said: str = ""
    wrong: bool = False
    wanting: bool = False


class Answers(Protocol):
    """What computes curves: `trainer.runs.lr.CurveProcess`."""

    def curve(self, config: Mapping[str, Any], batches: int | None = None) -> Curve:
        """Compute a curve."""

    def batches(self, config: Mapping[str, Any]) -> int:
        """Count the batches of an epoch."""

    def close(self) -> None:
        """End it."""


class Rates:
    """Answers for one config after the other, and remembers; for threads, but for `close`.

    Args:
        answers: Computes the curves; a process that the first question starts, if None.
    """

    def __init__(self, answers: Answers | None = None) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Curve] = OrderedDict()
        self._batches: dict[str, int] = {}
        self._closed = False

    def rate(self, config: Mapping[str, Any], wanted: Callable[[], bool]) -> Rate | None:
        """Give the learning rate of a composed config.

        Args:
            config: It has no problems.
            wanted: Says whether anybody still waits for the answer.

        Returns:
            What is known; None if nobody waits any more.
        """
        from trainer.runs.lr import needs_batches, notes_of, request_of

        batches = self._batches.get(_data_key(config))
        wanting = batches is None and needs_batches(config)
        key = _key([request_of(config, batches), notes_of(config)])
        with self._lock:
            if not wanted() or self._closed:
                return None
            curve = self._known.get(key)
            if curve is None:
                try:
                    curve = self._ask().curve(config, batches)
                except TraindeckError as error:
                    return Rate(said=_text(error), wrong=True)
                self._known[key] = curve
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return Rate(curve, wanting=wanting)

    def count(self, config: Mapping[str, Any]) -> str:
        """Build the config's data and count the batches of an epoch.

        Returns:
            Why they cannot be counted; empty if they are.
        """
        with self._lock:
            if self._closed:
                return ""
            try:
                self._batches[_data_key(config)] = self._ask().batches(config)
            except TraindeckError as error:
                return _text(error)
        return ""

    def close(self) -> None:
        """End the process, if there is one."""
        self._closed = True
        if self._answers is not None:
            self._answers.close()

    def _ask(self) -> Answers:
        if self._answers is None:
            from trainer.runs.lr import CurveProcess

            self._answers = CurveProcess()
        return self._answers


def pieces_of(number: int) -> str:
    """Name the style in the result for a style of the chart."""
    from tui.widgets.chart.signs import CURVES

    # One colour each for the first two curves; more than two kinds of groups are not made.
    if number < CURVES:
        return "dim"
    return "value" if number == CURVES else "note"


def facts_of(curve: Curve) -> Iterator[str]:
    """Give the key points, each as a few words."""
    from trainer.display import count
    from tui.widgets.chart.lr import number_text

    numbers = curve.distinct
    for name, place, *lrs in curve.points:
        values = " and ".join(number_text(lrs[number]) for number in numbers)
        yield f"{name} {values} at {count(int(place))}"


def _text(error: TraindeckError) -> str:
    problem = error.problems[0]
    return clean(" ".join(part for part in (problem.what, problem.remedy) if part))


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _data_key(config: Mapping[str, Any]) -> str:
    trainer = config.get("trainer") or {}
    parts = [config.get("data"), config.get("dataloader"), config.get("seed")]
    return _key([*parts, *(trainer.get(name) for name in _BATCHES_BY)])
