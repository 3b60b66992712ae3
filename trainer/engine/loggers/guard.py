"""Lightning's loggers, made harmless: their work is done beside training, and may fail."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from trainer.engine.loggers.courier import Courier, Item, Point
from trainer.engine.session import Events
from trainer.events.text import clean
from trainer.secrets import mask

#: Seconds that all loggers together may take at the end of training to deliver what is left.
PATIENCE = 30.0
#: The same where training is left at once.
HURRY = 5.0


class Farewell:
    """The end of a training's loggers: all at the same time, with patience that they share.

    Args:
        hurried: Tells whether nobody wants to wait any more.
    """

    def __init__(self, hurried: Callable[[], bool] = lambda: False) -> None:
        self.loggers: list[Guarded] = []
        self._hurried = hurried
        self._deadline: float | None = None

    def begin(self, status: str) -> float:
        """Let all end, unless they do so already; returns at once.

        Args:
            status: `success` or `failed`; the first that is given counts.

        Returns:
            How long to wait for them, on the monotonic clock.
        """
        now = time.monotonic()
        first = self._deadline is None
        latest = now + (HURRY if self._hurried() else PATIENCE)
        self._deadline = deadline = min(self._deadline or latest, latest)
        for logger in self.loggers if first else ():
            logger.part(status, deadline)
        return deadline


class Guarded(Logger):
    """Stands in front of one of Lightning's loggers, as the first base of a class that is both.

    What is logged is handed to a thread. A logger that fails raises an alert, once, and is tried
    again; training goes on.
    """

    #: What people call it, and its key in the section `logger`.
    label = ""
    key = ""

    def guard(self, events: Events, farewell: Farewell) -> None:
        """Begin; to be called once, on the process that logs.

        Args:
            events: Where alerts go.
            farewell: The end that it shares with the training's other loggers.
        """
        self._events = events
        self._farewell = farewell
        self._left = 0
        farewell.loggers.append(self)
        self._courier = Courier(
            f"logger-{self.key}", self._deliver, self._again, self._failed, self._mended
        )

    # ---- what Lightning and scripts call ---------------------------------------------------

    @rank_zero_only
    def log_metrics(
        self, metrics: Mapping[str, Any], step: int | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Hand metrics over; returns at once."""
        self._courier.put(Point(dict(metrics), step))

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Hand hyperparameters over; returns at once."""
        given = dict(vars(params) if isinstance(params, Namespace) else params or {})
        self._courier.put(lambda: self._write_hyperparams(given, *args, **kwargs))

    @rank_zero_only
    def save(self) -> None:
        """Do nothing: what is delivered is saved as well."""

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Deliver what is left, with limited patience; the training's other loggers do so as well.

        Args:
            status: `success` or `failed`.
        """
        before, self._left = self._left, self._courier.wait(self._farewell.begin(status))
        if self._left > before:
            self._events.log("warning", f"{self._left} entries did not reach {self.label}")

    def part(self, status: str, deadline: float) -> None:
        """Begin to end; returns at once.

        Args:
            status: `success` or `failed`.
            deadline: When to give up, on the monotonic clock.
        """
        self._courier.put(lambda: self._finish(status))
        self._courier.end(deadline)

    # ---- in the thread ---------------------------------------------------------------------

    def _deliver(self, items: deque[Item]) -> None:
        saved = True
        while items:
            item = items[0]
            if isinstance(item, Point):
                self._write(item)
                saved = False
            else:
                if not saved:
                    self._save()
                    saved = True
                item()
            items.popleft()
        if not saved:
            self._save()

    def _write(self, point: Point) -> None:
        super().log_metrics(dict(point.metrics), point.step)  # type: ignore[safe-super]  # the logger behind

    def _write_hyperparams(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().log_hyperparams(params, *args, **kwargs)  # type: ignore[safe-super]  # the logger behind

    def _save(self) -> None:
        super().save()

    def _finish(self, status: str) -> None:
        super().finalize(status)

    def _again(self, error: Exception) -> bool:
        """Tell whether an error may pass: a full disk, a server that is gone."""
        return isinstance(root_of(error), OSError)

    def _failed(self, error: Exception) -> None:
        told = told_of(root_of(error))
        self._events.alert(
            "warning",
            "logger_failed",
            f"{self.label} cannot be written to: {told}",
            advice="Training goes on, and the run's own events are whole. "
            "Look at the disk, or at the way to the server.",
            logger=self.key,
        )

    def _mended(self, lost: int) -> None:
        without = f"; {lost} entries were lost" if lost else ""
        self._events.log("info", f"{self.label} is written to again{without}")


class Revived(Guarded):
    """For loggers whose writer is broken for good after an error: it is made anew."""

    _revived_at = float("-inf")
    _experiment: Any

    def _again(self, error: Exception) -> bool:
        again = super()._again(error)
        if again and time.monotonic() - self._revived_at > 1.0:
            self._revived_at = time.monotonic()
            self._experiment = None
        return again


def root_of(error: BaseException) -> BaseException:
    """Give the error that an error was raised from, as far back as that is known."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def told_of(error: BaseException) -> str:
    """Say in one line what an error says, without secrets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return clean(mask(lines[0] if lines else type(error).__name__))[:300]
