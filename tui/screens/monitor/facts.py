"""What the head of the Monitor says: pure functions of a picture of the run and the time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any, TypeGuard

from trainer.display import age, count, duration
from trainer.runs.status import TERMINAL, State, Status, exit_code_for, known_state
from tui.sources.follow import Picture, Source
from tui.sources.picture import GONE
from tui.text import clean

#: A stream without a run folder that says nothing for so long is shown as silent, in seconds.
SILENT = 60.0
#: A reason that names a signal already.
_SIGNAL = re.compile(r"\bsignal\b|\bSIG[A-Z]+")
_BAD = frozenset({"failed", "out_of_memory", "killed", "lost"})


@dataclass(frozen=True, slots=True)
class Facts:
    """The head of the Monitor, in words.

    Attributes:
        name: The run's name.
        state: Its state, for the glyph.
        word: Its state, in words.
        live: Whether it goes on.
        bad: Whether it ended in a way that nobody wanted.
        epoch: Such as "14/20"; empty if unknown.
        steps: Such as "3 550/5 000"; empty if unknown.
        share: The share done, 0 to 1; None if unknown.
        eta: Time to go; empty if unknown.
        elapsed: Time since it began.
        limit: Time left until the wall-clock limit; empty if there is none.
        how: How it ended; empty while it lives.
        phase: What it does before its first step or after its last one; mostly empty.
        todo: What to do now that it has ended: the keys and the command.
        why: The last trouble that it told of, or that there is in reading it; mostly empty.
        note: How far the picture is from the whole truth: still loading, no file; mostly empty.
    """

    name: str
    state: str
    word: str
    live: bool
    bad: bool = False
    epoch: str = ""
    steps: str = ""
    share: float | None = None
    eta: str = ""
    elapsed: str = ""
    limit: str = ""
    how: str = ""
    phase: str = ""
    todo: str = ""
    why: str = ""
    note: str = ""


def facts(picture: Picture, source: Source, now: float, *, checkpoint: bool | None = None) -> Facts:
    """Say what there is to say about a run.

    Args:
        picture: The run.
        source: Where it comes from.
        now: Unix seconds.
        checkpoint: Whether there is a checkpoint to resume from; None if nobody has looked yet,
            and then the events decide.
    """
    status = picture.status
    progress = status.progress if status is not None else None
    step = picture.step
    if step is None and progress is not None:
        step = progress.step
    total = picture.total_steps or (progress.total_steps if progress else None)
    epochs = picture.total_epochs or (progress.total_epochs if progress else None)
    epoch = picture.epoch
    if epoch is None and progress is not None and progress.epoch is not None:
        epoch = float(progress.epoch)
    share = _share(step, total, epoch, epochs)
    state, word, live = _state(picture, now)
    if has_checkpoint(picture) and checkpoint is None:
        checkpoint = True
    ended = not live and bool(state)
    began, until = _times(picture, now, live)
    elapsed = duration(until - began) if began is not None and until is not None else ""
    how, todo, why = "", "", ""
    if ended:
        how = _how(picture, word)
        todo = advice(picture, source, state, bool(checkpoint))
        why = _why(picture) if state in _BAD else ""
    elif status is not None and status.state in (State.QUEUED, State.STARTING):
        how = clean(status.reason)
    return Facts(
        name=_name(picture, source),
        state=state,
        word=word,
        live=live,
        bad=state in _BAD,
        epoch=_epoch(epoch, epochs),
        steps=_of(step, total) if step is not None else "",
        share=share,
        eta=_eta(picture, step, total) if live and state == "running" else "",
        elapsed=elapsed,
        limit=_limit_left(picture, began, now) if live else "",
        how=how,
        phase=clean(progress.phase) if live and progress is not None else "",
        todo=todo,
        why=clean(picture.problem) or why,
        note=_note(picture, live),
    )


def ended_with(picture: Picture) -> int:
    """Give the exit code of a run for the command that launched it."""
    if picture.status is not None and picture.status.terminal:
        return exit_code_for(picture.status)
    return 0


def has_checkpoint(picture: Picture) -> bool:
    """Tell whether the events speak of a checkpoint."""
    return bool(picture.checkpoints)


def run_id(picture: Picture, source: Source) -> str:
    """Give what commands call the run by; empty if there is no run folder."""
    if source.run is None:
        return ""
    found = picture.identity.get("id")
    known = found if isinstance(found, str) and found else source.run.path.name
    return clean(source.run.called(known))


def advice(picture: Picture, source: Source, state: str, checkpoint: bool) -> str:
    """Say what to do with a run that has ended: the key and the exact command."""
    name = run_id(picture, source)
    if not name:
        return ""
    if picture.status is not None and picture.status.reason == GONE:
        return "r shows the runs that are there"
    if state == State.COMPLETED:
        return f"traindeck show {name}  ·  for longer: traindeck resume {name} trainer.max_steps=N"
    if picture.identity.get("launcher") == "script":
        return "start the script again"
    if state == State.OUT_OF_MEMORY and checkpoint:
        return f"R, with less memory  ·  as it was: traindeck resume {name}"
    if state == State.OUT_OF_MEMORY:
        return f"traindeck rerun {name}  ·  R begins anew with less memory"
    if checkpoint:
        return f"R  ·  traindeck resume {name}"
    if state == State.FAILED:
        return f"traindeck logs {name}  ·  or 5"
    return f"traindeck rerun {name}  ·  it has no checkpoint to resume from"


def recent_rate(picture: Picture) -> float | None:
    """Give steps a second lately: the trainer's own figure, else by the newest bins."""
    status = picture.status
    if status is not None and status.progress.rate:
        return status.progress.rate
    times = picture.times
    if times is None or picture.step is None:
        return None
    places = [
        (times.start + number * times.width, ts)
        for number, ts in enumerate(times.ts_first)
        if not isnan(ts)
    ]
    if len(places) < 2:
        return None
    # The newest tenth, so that an early slow phase does not count for ever.
    back = max(2, min(len(places), len(places) // 10 + 1))
    step, ts = places[-back]
    last = max((ts for ts in times.ts_last if not isnan(ts)), default=ts)
    rate = (picture.step - step) / (last - ts) if last > ts else 0.0
    return rate if rate > 0 else None


def _name(picture: Picture, source: Source) -> str:
    for found in (picture.identity.get("name"), picture.started.get("name")):
        if isinstance(found, str) and found.strip():
            return clean(found)
    return clean(source.label) or "run"


def _state(picture: Picture, now: float) -> tuple[str, str, bool]:
    """Give (state for the glyph, word, whether it goes on)."""
    status = picture.status
    if status is not None:
        return str(status.state), status.state.replace("_", " "), not _over(status)
    if picture.version == 0:
        return "", "opening", False
    finished = picture.finished
    if finished:
        state = known_state(finished.get("status"))
        word = clean(str(finished.get("status") or "ended"))
        return str(state or "stopped"), word.replace("_", " "), False
    if picture.closed:
        return "stopped", "stream ended", False
    if picture.loading:
        return "", "loading", False
    if not picture.names and not picture.counts:
        return "queued", "waiting for events", True
    last = _last_ts(picture)
    if last is None:
        # Lines without times: the file tells when the last of them came.
        last = picture.written
    if last is not None and now - last > SILENT:
        return "lost", f"silent for {age(now - last)}", True
    return "running", "running", True


def _over(status: Status) -> bool:
    return status.state in TERMINAL


def _share(
    step: int | None, total: int | None, epoch: float | None, epochs: int | None
) -> float | None:
    if step is not None and total and total > 0:
        return min(1.0, max(0.0, step / total))
    if epoch is not None and epochs and epochs > 0:
        return min(1.0, max(0.0, epoch / epochs))
    return None


def _epoch(epoch: float | None, epochs: int | None) -> str:
    if epoch is None or not isfinite(epoch):
        return ""
    number = int(epoch) + 1
    # Behind the last epoch some trainers already count the next.
    return _of(min(number, epochs) if epochs and epochs > 0 else number, epochs)


def _of(done: int, total: int | None) -> str:
    return f"{count(done)}/{count(total)}" if total and total > 0 else count(done)


def _eta(picture: Picture, step: int | None, total: int | None) -> str:
    rate = recent_rate(picture)
    if rate is None or step is None or not total or total <= 0:
        return ""
    return duration(max(0, total - step) / rate)


def _last_ts(picture: Picture) -> float | None:
    times = picture.times
    newest = [ts for ts in times.ts_last if not isnan(ts)] if times is not None else []
    lists = (picture.logs, picture.starts, picture.checkpoints)
    newest += [ts for events in lists for event in events[-1:] if _is_time(ts := event.get("ts"))]
    return max(newest, default=None)


def _is_time(ts: object) -> TypeGuard[float]:
    return isinstance(ts, int | float) and not isinstance(ts, bool) and isfinite(ts)


def _times(picture: Picture, now: float, live: bool) -> tuple[float | None, float | None]:
    """Give when it began and until when its time counts."""
    status = picture.status
    if status is not None and status.started is not None:
        return status.started, now if live else (status.ended or status.heartbeat)
    begins = [picture.started.get("ts")]
    times = picture.times
    if times is not None:
        begins += [ts for ts in times.ts_first if not isnan(ts)][:1]
    began = next((ts for ts in begins if _is_time(ts)), None)
    silent = live and status is None and picture.step is not None
    return began, _last_ts(picture) if not live or silent else now


def _limit_left(picture: Picture, began: float | None, now: float) -> str:
    limits = picture.identity.get("limits")
    limit = limits.get("wall_clock_s") if isinstance(limits, Mapping) else None
    if began is None or isinstance(limit, bool) or not isinstance(limit, int | float):
        return ""
    return duration(began + limit - now) if isfinite(limit) and limit > 0 else ""


def _how(picture: Picture, word: str) -> str:
    status = picture.status
    reason = status.reason if status is not None else picture.finished.get("reason")
    text = clean(reason) if isinstance(reason, str) else ""
    if status is not None and status.signal and not _SIGNAL.search(text):
        text = f"{text} (signal {status.signal})".strip()
    return text or word


def _why(picture: Picture) -> str:
    """Give the last alert, or the last error that it logged."""
    for alert in reversed(picture.alerts):
        if alert.get("level") != "info":
            return _joined(alert, "message", "advice")
    if picture.status is not None and picture.status.state is State.OUT_OF_MEMORY:
        from trainer.health import ADVICE

        return ADVICE["out_of_memory"]  # the kernel left it no time to say so itself
    for log in reversed(picture.logs):
        if log.get("level") in ("error", "critical"):
            return _joined(log, "message")
    return ""


def _joined(event: Mapping[str, Any], *keys: str) -> str:
    found = (event.get(key) for key in keys)
    return " · ".join(clean(text) for text in found if isinstance(text, str) and text)


def _note(picture: Picture, live: bool) -> str:
    if picture.version == 0:
        return "reading"
    if picture.loading:
        # Rounded down: what is read whole is not noted any more.
        return f"reading {int(min(picture.read, 0.99) * 100)}%"
    if picture.missing and live and not picture.problem:
        return "no events yet"
    if not picture.exact and picture.names:
        return "approximate"
    return ""
