"""The log for people: what matters of the event stream, as lines of Markdown."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from trainer.events import EventWriter, clean


class Journal:
    """Hands every event on to the writer, and tells the few that people look for in the log too.

    Metrics pass straight through. A log that cannot be written is left alone: the events are the
    record, this is a convenience.

    Args:
        writer: Where events go.
        path: The Markdown file; lines are appended.
    """

    def __init__(self, writer: EventWriter, path: Path) -> None:
        self._writer = writer
        self._path = path
        self.metrics = writer.metrics
        self.metrics_rows = writer.metrics_rows
        self.flush = writer.flush
        self.close = writer.close

    def emit(self, event: str, flush: bool | None = None, **fields: Any) -> None:
        """Write one event."""
        self._writer.emit(event, flush=flush, **fields)
        if event == "run_started":
            resumed = f", from step {fields['step']}" if fields.get("step") else ""
            self._tell(f"started on {fields.get('host')}, pid {fields.get('pid')}{resumed}")
        elif event == "checkpoint":
            self._tell(f"checkpoint `{fields.get('path')}` at step {fields.get('step')}")
        elif event == "run_finished":
            self._tell(f"**{fields.get('status')}**: {fields.get('reason')}")

    def log(self, level: str, message: str) -> None:
        """Write a message for people."""
        self._writer.log(level, message)
        self._tell(f"{level}: {message}")

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
        self._writer.alert(level, kind, message, step=step, advice=advice, **more)
        self._tell(f"**{level}** {kind} at step {step}: {message} {advice or ''}")

    def _tell(self, text: str) -> None:
        first, *rest = clean(text, keep_newlines=True).rstrip().split("\n")
        lines = [f"- {time.strftime('%Y-%m-%d %H:%M:%S')} {first}", *(f"      {r}" for r in rest)]
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
