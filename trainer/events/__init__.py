"""Events of a run: written as JSON lines, read back incrementally, kept as bounded series.

The writer stands alone in any Python program::

    from trainer.events import EventWriter

    with EventWriter("runs/mine/logs/events.jsonl") as events:
        events.emit("run_started", total_steps=1000)
        events.metrics(1, {"train/loss": 0.5})

Importing this package loads no part of it before that is asked for, so that whoever needs one pays
for one; and the parts load numpy and watchdog late, or never.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.events.foreign import StreamReader
    from trainer.events.reader import Batch, EventReader
    from trainer.events.schema import SCHEMA_VERSION
    from trainer.events.text import clean
    from trainer.events.writer import EventWriter

__all__ = ["SCHEMA_VERSION", "Batch", "EventReader", "EventWriter", "StreamReader", "clean"]

_HOMES = {
    "SCHEMA_VERSION": "schema",
    "Batch": "reader",
    "EventReader": "reader",
    "EventWriter": "writer",
    "StreamReader": "foreign",
    "clean": "text",
}


def __getattr__(name: str) -> Any:
    """Load the part that a name lives in when it is asked for."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
