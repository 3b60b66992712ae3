"""What a training does before its first step and after its last one, told to whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from trainer.display import duration

if TYPE_CHECKING:
    from trainer.engine.session import Session

#: Seconds between two words on how far something is.
EVERY = 10.0

_session: ContextVar[Session | None] = ContextVar("traindeck-session", default=None)


@contextmanager
def heard_by(session: Session) -> Iterator[None]:
    """Let what is told meanwhile reach this session's events and status."""
    token = _session.set(session)
    try:
        yield
    finally:
        _session.reset(token)


@contextmanager
def telling(otherwise: Callable[[str], Any]) -> Iterator[Callable[[str], None]]:
    """Give what takes a word on what is done just now.

    It becomes an event, and stands in the run's status until the next word, or the end of the block.

    Args:
        otherwise: Takes the words where no run is.
    """
    session = _session.get()

    def tell(text: str) -> None:
        if session is None:
            otherwise(text)
            return
        session.events.log("info", text)
        if session.beat is not None:
            session.beat.phase(text)

    try:
        yield tell
    finally:
        if session is not None and session.beat is not None:
            session.beat.phase("")


class Pace:
    """Tells now and then how far something of known length is, and how long it will take.

    Args:
        what: What is done, and in which units: `preparing: base model, step`.
        total: How many units there are.
        say: Takes the words.
        every: Seconds between two of them.
    """

    def __init__(
        self, what: str, total: int, say: Callable[[str], Any], *, every: float = EVERY
    ) -> None:
        self._what, self._total, self._say, self._every = what, total, say, every
        self._began = self._said = time.monotonic()

    def at(self, done: int) -> None:
        """Note that so many are done."""
        now = time.monotonic()
        if now - self._said < self._every or not 0 < done < self._total:
            return
        self._said = now
        left = (now - self._began) / done * (self._total - done)
        self._say(f"{self._what} {done} of {self._total}, ETA {duration(left)}")
