"""Events of a run: written as JSON lines, read back incrementally, kept as bounded series.

The writer stands alone in any Python program::

    from trainer.events import EventWriter

    with EventWriter("runs/mine/logs/events.jsonl") as events:
        events.emit("run_started", total_steps=1000)
        events.metrics(1, {"train/loss": 0.5})

Importing this package loads neither numpy nor watchdog; the parts that want them load them late.
"""

from __future__ import annotations

from trainer.events.foreign import StreamReader
from trainer.events.reader import Batch, EventReader
from trainer.events.schema import SCHEMA_VERSION
from trainer.events.text import clean
from trainer.events.writer import EventWriter

__all__ = ["SCHEMA_VERSION", "Batch", "EventReader", "EventWriter", "StreamReader", "clean"]
