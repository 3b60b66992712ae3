"""A run told in plain lines: events in, sentences out. No files, no clock of its own."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.commands.output import duration, number, size
from trainer.config.hardware_batch import Batch
from trainer.events.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
RATE_WINDOW = 60.0
"""Seconds of history that the remaining time is judged by: the recent rate, not the average."""

SHOWN = ("train/loss", "val/loss", "grad_norm")
INDENT = " " * 10


def value_of(raw: Any) -> float | None:
    """Give a metric's value as a float, also where JSON had to spell it, or None."""
    if isinstance(raw, str):
        return NON_FINITE.get(raw)
    if isinstance(raw, (int, float)):
        return float(raw)
    return None


def clock(ts: float) -> str:
    """Write a moment as local time of day."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(ts))
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


@dataclass
class Narrator:
    """Keeps what a reader of plain lines needs to know and says it when it is due.

    Args:
        interval: Seconds between progress lines.
        width: Columns that a progress line may take.
    """

    interval: float
    width: int = 1000
    step: int | None = None
    epoch: float | None = None
    total_steps: int | None = None
    total_epochs: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    best: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    highest: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    finished: Mapping[str, Any] | None = None
    _rate: deque[tuple[float, int]] = field(default_factory=deque)
    _due: float = 0.0
    _said_step: int | None = None
    _last_ts: float = 0.0
    _broken: set[str] = field(default_factory=set)
    _alerted: bool = False

    def feed(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Take one event; yield the lines that it is worth at once."""
        kind = event.get("event")
        ts = event.get("ts")
        self._last_ts = float(ts) if isinstance(ts, (int, float)) else self._last_ts
        if kind == "metrics":
            self._metrics(event)
            yield from self._not_finite()
            if any(name.startswith("val/") for name in event.get("metrics") or ()):
                yield self._say("validated  " + self._validated())
        elif kind == "run_started":
            self._started(event)
            yield self._say(self._start_line(event))
        elif kind == "checkpoint":
            yield self._say(self._checkpoint_line(event))
        elif kind == "alert":
            yield from self._alert_lines(event)
        elif kind == "log":
            yield from self._log_lines(event)
        elif kind == "run_finished":
            self.finished = event
            reason = clean(str(event.get("reason") or ""))
            status = clean(str(event.get("status") or "finished"))
            yield self._say(f"{status}: {reason}" if reason else status)

    def progress(self, now: float) -> str | None:
        """Give the progress line if one is due and something has changed since the last."""
        if now < self._due or self.step in (None, self._said_step) or self.finished:
            return None
        self._due = now + self.interval
        self._said_step = self.step
        return self._say(self.progress_text())

    def progress_text(self, *, ended: bool = False) -> str:
        """Give epoch, step, share done and losses as one text; rate and ETA until it has ended.

        Where the line would be wider than `width`, the least needed parts are left out.
        """
        parts: list[tuple[int, str]] = []
        if self.epoch is not None:
            of = f"/{self.total_epochs}" if self.total_epochs else ""
            parts.append((1 if of else 3, f"epoch {int(self.epoch) + 1}{of}"))
        if self.step is not None:
            of = f"/{self.total_steps}" if self.total_steps else ""
            parts.append((0, f"step {self.step}{of}"))
            if self.total_steps:
                parts.append((2, f"{100 * min(1.0, self.step / self.total_steps):.0f} %"))
        shown = [name for name in SHOWN if name in self.metrics] or sorted(self.metrics)[:4]
        parts += [
            (4 if name == "grad_norm" else 0, f"{clean(name)} {number(self.metrics[name])}")
            for name in shown
        ]
        if not ended:
            if "perf/samples_per_sec" in self.metrics:
                parts.append((3, f"{number(self.metrics['perf/samples_per_sec'])} samples/s"))
            remaining = self.remaining()
            if remaining is not None:
                parts.append((0, f"ETA {duration(remaining)}"))
        while len("  ".join(text for _, text in parts)) > self.width - len(INDENT):
            least = max(parts)
            if not least[0]:
                break
            parts.remove(least)
        return "  ".join(text for _, text in parts)

    def remaining(self) -> float | None:
        """Give the seconds left by the rate of the last minute, or None if unknown."""
        if not self.total_steps or self.step is None or len(self._rate) < 2:
            return None
        (t0, s0), (t1, s1) = self._rate[0], self._rate[-1]
        if s1 <= s0 or t1 <= t0:
            return None
        return max(0, self.total_steps - s1) * (t1 - t0) / (s1 - s0)

    def _say(self, text: str) -> str:
        return f"{clock(self._last_ts)}  {text}"

    def _metrics(self, event: Mapping[str, Any]) -> None:
        step, epoch, values = event.get("step"), event.get("epoch"), event.get("metrics")
        if isinstance(step, int):
            self.step = step
            while self._rate and (self._rate[-1][1] > step):
                self._rate.clear()
            self._rate.append((self._last_ts, step))
            while self._rate[-1][0] - self._rate[0][0] > RATE_WINDOW and len(self._rate) > 2:
                self._rate.popleft()
        if isinstance(epoch, (int, float)):
            self.epoch = epoch
        if not isinstance(values, dict):
            return
        for name, raw in values.items():
            value = value_of(raw)
            if value is None:
                continue
            self.metrics[name] = value
            if not math.isfinite(value):
                continue
            best = self.best.get(name)
            if best is None or value < best[0]:
                self.best[name] = (value, self.step)
            highest = self.highest.get(name)
            if highest is None or value > highest[0]:
                self.highest[name] = (value, self.step)

    def _not_finite(self) -> Iterator[str]:
        """Say at once, and once until it is over, that a loss is no number any more.

        A run that is watched over says so itself, with what to do about it.
        """
        if self._alerted:
            return
        for name in ("train/loss", "val/loss"):
            value = self.metrics.get(name)
            if value is None or math.isfinite(value):
                self._broken.discard(name)
            elif name not in self._broken:
                self._broken.add(name)
                yield self._say(f"warning  {name} is {number(value)} at step {self.step}")

    def _validated(self) -> str:
        """Give what validation found; the parts of a loss (`val/loss/fft`) are for other places.

        How many terms were not finite is only said if there are any.
        """
        found = {name: value for name, value in self.metrics.items() if name.startswith("val/")}
        main = {
            name: value
            for name, value in found.items()
            if name.count("/") == 1 and not (name == "val/non_finite_terms" and value == 0)
        }
        shown = main or found
        return "  ".join(f"{clean(name)} {number(value)}" for name, value in shown.items())

    def _started(self, event: Mapping[str, Any]) -> None:
        total, epochs = event.get("total_steps"), event.get("total_epochs")
        self.total_steps = total if isinstance(total, int) and total > 0 else None
        self.total_epochs = epochs if isinstance(epochs, int) and epochs > 0 else None
        self.finished = None
        alerts = event.get("alerts")
        self._alerted = isinstance(alerts, list) and "non_finite_loss" in alerts
        self._rate.clear()

    def _start_line(self, event: Mapping[str, Any]) -> str:
        parts = [f"started on {clean(str(event.get('host', '?')))}, pid {event.get('pid', '?')}"]
        if self.total_steps:
            parts.append(f"{self.total_steps} steps")
        if self.total_epochs:
            parts.append(f"{self.total_epochs} epochs")
        batch = Batch.told(event.get("batch"))
        if batch is not None and batch.effective != batch.size:
            parts.append(f"batch {batch}")
        resumed = event.get("step") or event.get("resumed_step")
        if resumed:
            parts.append(f"from step {resumed}")
        return ", ".join(parts)

    def _checkpoint_line(self, event: Mapping[str, Any]) -> str:
        path = clean(str(event.get("path", "?")))
        text = f"checkpoint  {path}  step {event.get('step', '?')}"
        count = event.get("bytes")
        return f"{text}  {size(count)}" if isinstance(count, (int, float)) else text

    def _alert_lines(self, event: Mapping[str, Any]) -> Iterator[str]:
        level, kind = clean(str(event.get("level", "warning"))), clean(str(event.get("kind", "")))
        step = event.get("step")
        place = f" at step {step}" if step is not None else ""
        yield self._say(f"{level}  {kind}{place}: {clean(str(event.get('message', '')))}")
        if event.get("advice"):
            yield INDENT + clean(str(event["advice"]))

    def _log_lines(self, event: Mapping[str, Any]) -> Iterator[str]:
        text = clean(str(event.get("message", "")), keep_newlines=True)
        first, *rest = text.split("\n")
        yield self._say(f"{clean(str(event.get('level', 'info')))}  {first}")
        for more in rest:
            yield INDENT + more
