"""What the parts of one training process share: its folder, its events, its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trainer.engine.requests import Requests
from trainer.health.finding import Row

__all__ = ["Events", "NoEvents", "Row", "Session"]


class Events(Protocol):
    """The part of `trainer.events.EventWriter` that the engine uses."""

    def emit(self, event: str, /, *, flush: bool | None = None, **fields: Any) -> None:
        """Write one event."""

    def metrics(
        self,
        step: int,
        values: Mapping[str, Any],
        *,
        epoch: float | None = None,
        ts: float | None = None,
    ) -> None:
        """Write one line of metrics."""

    def metrics_rows(
        self, rows: Iterable[tuple[float, int, float | None, Mapping[str, Any]]]
    ) -> None:
        """Write many lines of metrics: (ts, step, epoch, values) each."""

    def log(self, level: str, message: str) -> None:
        """Write a message for people."""

    def alert(
        self,
        level: str,
        kind: str,
        message: str,
        *,
        step: int | None = None,
        advice: str | None = None,
        **more: Any,
    ) -> None:
        """Write an alert; further fields are its evidence."""

    def flush(self, timeout: float = 5.0) -> bool:
        """Bring everything to disk; tell whether it is."""

    def close(self, timeout: float = 5.0) -> None:
        """Flush and end."""


class NoEvents:
    """Stands in for the writer on every rank but the first: takes each of its calls, does nothing."""

    def __getattr__(self, name: str) -> Callable[..., bool]:
        if name.startswith("_") or not hasattr(Events, name):
            raise AttributeError(name)
        # True is what `flush` says when everything is on disk.
        return lambda *_, **__: True


@dataclass
class Session:
    """One training process in one run folder.

    Attributes:
        folder: The run folder.
        config: The resolved config as plain data.
        events: Where events go; does nothing on every rank but the first.
        requests: What the outside asks of the loop.
        rank: The process's global rank; only rank 0 writes.
        beat: The status writer (`trainer.runs.beat.TrainerBeat`) on rank 0, else None.
        attempt: 1 for the first start in this folder, one more for each resume.
        watchers: Called with each batch of rows (unix seconds, step, epoch, metrics) that has been
            read back, on rank 0: those who look at numbers need not read any tensor themselves.
        health: Who watches over the training (`trainer.engine.health.HealthGuard`), on rank 0;
            None before it begins, and where nobody does.
    """

    folder: Path
    config: dict[str, Any]
    events: Events
    requests: Requests = field(default_factory=Requests)
    rank: int = 0
    beat: Any = None
    attempt: int = 1
    watchers: list[Callable[[Sequence[Row]], None]] = field(default_factory=list)
    health: Any = None

    @staticmethod
    def of(trainer: Any) -> Session | None:
        """Give the session of a trainer that `fit` has made; None in a script of one's own."""
        found = getattr(trainer, "traindeck", None)
        return found if isinstance(found, Session) else None
