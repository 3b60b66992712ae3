"""What a run said, as lines of a log: log events, alerts, checkpoints, starts and ends by time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.config.hardware_batch import Batch
from trainer.display import count, size
from trainer.runs.status import State
from tui.screens.monitor.tabs.textrows import Line
from tui.sources.follow import Picture
from tui.text import clean, left

#: From the least to the most urgent.
LEVELS = ("debug", "info", "warning", "error", "critical")
_KINDS = {
    "debug": "debug",
    "info": "dim",
    "warning": "warning",
    "error": "error",
    "critical": "error",
    "saved": "good",
    "start": "key",
    "end": "key",
}
#: Who ends so has said it.
_SPOKEN = frozenset({State.COMPLETED, State.STOPPED})
_MOST_LINES = 200
_WORD = 8


@dataclass(slots=True, eq=False)
class Entry:
    """One thing that a run said.

    Attributes:
        event: The event.
        level: How urgent it is, a place in `LEVELS`.
        lines: How it is shown.
    """

    event: Mapping[str, Any]
    level: int
    lines: tuple[Line, ...] = ()


class Entries:
    """Makes the entries of a picture, each event's once."""

    def __init__(self) -> None:
        self._known: dict[int, Entry] = {}

    def of(self, picture: Picture) -> list[Entry]:
        """Give the entries of a picture, oldest first."""
        parts: tuple[Sequence[Mapping[str, Any]], ...] = (
            picture.starts,
            picture.checkpoints,
            picture.logs,
            picture.alerts,
            ends(picture),
        )
        timed = [each for order, part in enumerate(parts) for each in _timed(order, part)]
        merged = [event for _, _, _, event in sorted(timed)]
        entries = [self._known.get(id(event)) or make(event) for event in merged]
        # An entry holds its event, so that no other event can get the same id.
        self._known = {id(entry.event): entry for entry in entries}
        return entries


def ends(picture: Picture) -> tuple[Mapping[str, Any], ...]:
    """Give the end of a run, if there was one: as it said itself, else as its status has it.

    Who is killed, or lost with its machine, says nothing any more.
    """
    if picture.finished:
        return (picture.finished,)
    status = picture.status
    if status is None or not status.terminal or status.state in _SPOKEN or picture.loading:
        return ()
    ts = status.ended if status.ended is not None else status.heartbeat
    event: dict[str, Any] = {"event": "run_finished", "status": str(status.state)}
    if ts is not None:
        event["ts"] = ts
    return (event | {"reason": status.reason} if status.reason else event,)


def _timed(
    order: int, events: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[float, int, int, Mapping[str, Any]]]:
    """Give events with the time that they count as: never before what stands before them.

    Kind and place come next, so that two are never compared by what they hold.
    """
    latest = 0.0
    for place, event in enumerate(events):
        ts = event.get("ts")
        if isinstance(ts, (int, float)):
            latest = max(latest, float(ts))
        yield latest, order, place, event


def make(event: Mapping[str, Any]) -> Entry:
    """Make the entry of one event."""
    level, word, text = _words(event)
    first, *rest = text.expandtabs(4).split("\n")
    if len(rest) > _MOST_LINES:
        rest = [*rest[:_MOST_LINES], f"and {count(len(rest) - _MOST_LINES)} more lines: enter"]
    kind = _KINDS.get(word, "dim")
    shown = "error" if level >= 3 else "text"
    indent = " " * (9 + _WORD + 1)
    lines: list[Line] = []
    head = ((f"{clock(event.get('ts'))} ", "dim"), (f"{left(word, _WORD, '')} ", kind))
    entry = Entry(event, level)
    lines.append(Line((*head, (first, shown)), 2, entry))
    lines += [Line(((indent, "dim"), (line, shown)), 1, entry) for line in rest]
    entry.lines = tuple(lines)
    return entry


def clock(ts: object, whole: bool = False) -> str:
    """Write a moment as local time of day, or with its date."""
    try:
        moment = time.localtime(float(ts))  # type: ignore[arg-type]
    except (TypeError, OverflowError, ValueError, OSError):
        return "--:--:--"
    return time.strftime("%Y-%m-%d %H:%M:%S" if whole else "%H:%M:%S", moment)


def said(event: Mapping[str, Any], name: str, keep_newlines: bool = False) -> str:
    """Give a field of an event as harmless text; empty if there is none."""
    value = event.get(name)
    return "" if value is None else clean(str(value), keep_newlines)


def whole(value: object) -> int | None:
    """Give a whole number of an event, if it is one; epochs come as 1.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def level_of(event: Mapping[str, Any], default: str = "info") -> tuple[int, str]:
    """Give the level of an event: its place in `LEVELS`, and its word as written."""
    word = said(event, "level") or default
    return (LEVELS.index(word) if word in LEVELS else 1), word


def checkpoint_text(event: Mapping[str, Any]) -> str:
    """Say in a line what a checkpoint is."""
    facts = []
    if (bytes_ := whole(event.get("bytes"))) is not None:
        facts.append(size(bytes_))
    if pause := pause_of(event):
        facts.append(f"pause {pause}")
    step = whole(event.get("step"))
    place = f" step {count(step)}" if step is not None else ""
    tail = f" ({', '.join(facts)})" if facts else ""
    return f"checkpoint {said(event, 'path').rpartition('/')[2]}{place}{tail}"


def pause_of(event: Mapping[str, Any]) -> str:
    """Say how long training stood still for a checkpoint; empty if unknown."""
    pause = event.get("pause_s")
    if isinstance(pause, bool) or not isinstance(pause, (int, float)) or not 0 <= pause < 1e9:
        return ""
    return f"{pause * 1000:.0f} ms" if pause < 1 else f"{pause:.1f} s"


def _words(event: Mapping[str, Any]) -> tuple[int, str, str]:
    """Give how urgent an event is, its word and its text."""
    name = event.get("event")
    if name == "checkpoint":
        return 1, "saved", checkpoint_text(event)
    if name == "alert":
        level, word = level_of(event, "warning")
        kind, step = said(event, "kind"), whole(event.get("step"))
        place = f" at step {count(step)}" if step is not None else ""
        text = f"{kind}{place}: {said(event, 'message', keep_newlines=True)}".lstrip(": ")
        advice = said(event, "advice", keep_newlines=True)
        return max(level, 2) if word not in LEVELS else level, word, f"{text}\n{advice}".rstrip()
    if name == "run_started":
        facts = [f"run started on {said(event, 'host') or '?'}"]
        if (steps := whole(event.get("total_steps"))) is not None:
            facts.append(f"{count(steps)} steps")
        if (batch := Batch.told(event.get("batch"))) is not None:
            facts.append(f"batch {batch}")
        return 1, "start", ", ".join(facts)
    if name == "run_finished":
        status, reason = said(event, "status") or "finished", said(event, "reason")
        return 1, "end", f"{status}: {reason}" if reason else status
    level, word = level_of(event)
    return level, word, said(event, "message", keep_newlines=True)
