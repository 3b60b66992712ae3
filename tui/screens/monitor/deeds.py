"""What the keys do to runs, without a screen: asks the truth first, then acts, then tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.display import count, plural
from trainer.errors import TraindeckError
from trainer.runs.layout import RunFolder
from trainer.runs.status import State, Status, read_status
from tui.sources.picture import GONE
from tui.text import clean

#: From the mildest to the most urgent.
URGENCY = ("epoch", "step", "now")
#: The newest metrics stand near the end of the events, in bytes.
_NEAR_BYTES = 4 << 20
#: The run's log and status say who asked.
_WHO = "asked for in the app"


@dataclass(frozen=True)
class Seen:
    """A run as it is at this moment.

    Attributes:
        run: The run folder.
        id: Its short id; harmless text.
        name: What people call it; harmless text.
        status: Its state.
        stop: When it is to stop, if it was asked to: "step", "epoch" or "now"; else empty.
    """

    run: RunFolder
    id: str
    name: str
    status: Status
    stop: str = ""


@dataclass
class Told:
    """What to tell the person.

    Attributes:
        done: What was done, a line each.
        problems: What could not be done, and why.
    """

    done: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything as lines, problems first; of many the first few."""
        lines = [*self.problems, *self.done]
        more = len(lines) - 6
        return "\n".join([*lines[:6], *([f"and {count(more)} more"] if more > 0 else [])])


def look(run: RunFolder) -> Seen:
    """Read what a run is now."""
    from trainer.runs import control

    identity = run.identity()
    known, name = identity.get("id"), identity.get("name")
    run_id = known if isinstance(known, str) and known else run.path.name
    asked = [request for request in control.pending(run) if request.kind in ("stop", "kill")]
    after = ["now" if request.kind == "kill" else request.after for request in asked]
    status = read_status(run)
    if status.state == State.STOPPING:
        # The engine takes a request away when it has read it, and says so in its status.
        after.append("epoch" if status.reason.startswith("after this epoch") else "step")
    return Seen(
        run,
        clean(run_id),
        clean(name)[:60] if isinstance(name, str) and name else clean(run_id),
        status,
        max(after, key=URGENCY.index, default=""),
    )


def gone(run: RunFolder) -> str:
    """Say that there is no such folder any more; empty if there is."""
    return "" if run.path.is_dir() else f"{clean(run.path.name)}: {GONE}"


def over(seen: Seen) -> str:
    """Say that a run is over, and how it goes on."""
    if seen.status.state == State.COMPLETED:
        return f"{seen.name} has already completed"
    return f"{seen.name} is already over ({seen.status.state}); R resumes it"


def no_stop(seen: Seen, after: str) -> str:
    """Tell why a stop makes no sense; empty if it does."""
    if seen.status.terminal:
        return over(seen)
    urgency = URGENCY.index(after)
    if seen.stop and URGENCY.index(seen.stop) >= urgency:
        when = "now" if seen.stop == "now" else f"after this {seen.stop}"
        return f"{seen.name} is stopping already, {when}; K ends it without waiting"
    return ""


def no_answer(seen: Seen) -> str:
    """Tell why a run cannot be asked for a checkpoint or a validation; empty if it can."""
    if seen.status.terminal:
        return over(seen)
    if seen.status.state == State.QUEUED:
        return f"{seen.name} waits in the queue and has nothing to answer with yet"
    if seen.status.state == State.STOPPING:
        return f"{seen.name} is stopping; it saves a checkpoint by itself"
    return ""


def no_resume(seen: Seen) -> str:
    """Tell why a run cannot be resumed; empty if it can."""
    from trainer.runs.again import check_resume
    from trainer.runs.manage import find_checkpoint

    if not seen.status.terminal:
        return f"{seen.name} is {seen.status.state}; only a run that is over can be resumed"
    try:
        check_resume(seen.run)
    except TraindeckError as error:
        return _why(error)
    if find_checkpoint(seen.run) is None:
        return (
            f"{seen.name} has no whole checkpoint to go on from; "
            f"start it again from the beginning: traindeck rerun {seen.run.called(seen.id)}"
        )
    return ""


def loses(seen: Seen) -> str:
    """Say what killing a run loses."""
    from trainer.runs.manage import find_checkpoint

    if seen.status.state == State.QUEUED:
        return "It waits in the queue; nothing is lost."
    step = _reached(seen)
    found = find_checkpoint(seen.run)
    saved = _saved(seen, found)
    # What is told to end may still manage to save; who asks must not count on it.
    if step is None or (saved is None and found is not None):
        return "What it did since its last checkpoint is lost."
    if saved is None:
        return f"No checkpoint is known: up to {plural_steps(step)} {'is' if step == 1 else 'are'} lost."
    if step <= saved:
        return (
            f"Its last checkpoint is of step {count(saved)}, the newest: next to nothing is lost."
        )
    lost = plural_steps(step - saved)
    verb = "is" if step - saved == 1 else "are"
    return f"Up to {lost} since the last checkpoint (step {count(saved)}) {verb} lost."


def goes_on_from(seen: Seen) -> str:
    """Say what resuming a run begins with; empty if there is no checkpoint any more."""
    from trainer.runs.manage import find_checkpoint

    found = find_checkpoint(seen.run)
    if found is None:
        return ""
    saved, step = _saved(seen, found), _reached(seen)
    text = f"It goes on from {clean(found.name)}"
    if saved is None:
        return f"{text}."
    again = ""
    if step and step > saved:
        is_one = step - saved == 1
        again = f"; {plural_steps(step - saved)} {'is' if is_one else 'are'} done again"
    return f"{text} at step {count(saved)}{again}."


def stop(runs: Iterable[Seen], after: str) -> Told:
    """Ask runs to stop with a checkpoint."""
    from trainer.runs.manage import request_stop

    def act(seen: Seen) -> str:
        request_stop(seen.run, after, reason=_WHO)
        if seen.status.state == State.QUEUED:
            return f"{seen.name} leaves the queue"
        return f"{seen.name} is stopping after this {after}, with a checkpoint"

    return _each(runs, act)


def ask(runs: Iterable[Seen], kind: str) -> Told:
    """Ask runs for a checkpoint or a validation."""
    from trainer.runs import manage

    noun = "validation" if kind == "validate" else kind

    def act(seen: Seen) -> str:
        manage.ask(seen.run, kind, reason=_WHO)
        return f"asked {seen.name} for a {noun}; its log tells when it is done"

    return _each(runs, act)


def kill(runs: Iterable[Seen]) -> Told:
    """End runs at once; takes some seconds."""
    from trainer.runs.manage import kill_now

    def act(seen: Seen) -> str:
        status = kill_now(seen.run)
        if not status.terminal:
            return f"{seen.name} was told to end, and is {status.state} still"
        return f"{seen.name} {status.state}: {clean(status.reason)}".rstrip(": ")

    return _each(runs, act)


def resume(runs: Iterable[Seen]) -> Told:
    """Let runs that are over go on in their folders."""
    from trainer.runs import launch
    from trainer.runs.again import make_ready

    def act(seen: Seen) -> str:
        checkpoint = make_ready(seen.run)
        # Who waited for a device before waits for it again.
        launch.start(seen.run, queue="auto" if seen.status.queue else None)
        return f"{seen.name} goes on from {clean(checkpoint.name)}"

    return _each(runs, act)


def names(runs: Sequence[Seen]) -> str:
    """Name runs in a question: one by its name, several by their number."""
    return runs[0].name if len(runs) == 1 else plural(len(runs), "run")


def listed(runs: Sequence[Seen]) -> list[str]:
    """List several runs below a question; one alone stands in the question itself."""
    if len(runs) == 1:
        return []
    more = len(runs) - 8
    lines = [f"  {seen.name}  {seen.id}  {seen.status.state}" for seen in runs[:8]]
    return [*lines, *([f"  and {count(more)} more"] if more > 0 else [])]


def plural_steps(steps: int) -> str:
    """Write a number of steps: 1 step, 1 200 steps."""
    return f"{count(steps)} {'step' if steps == 1 else 'steps'}"


def folder(run: RunFolder) -> Path:
    """Give the whole path of a run's folder."""
    return run.path.absolute()


def _each(runs: Iterable[Seen], act: Callable[[Seen], str]) -> Told:
    told = Told()
    for seen in runs:
        try:
            told.done.append(act(seen))
        except TraindeckError as error:
            told.problems.append(f"{seen.name}: {_why(error)}")
        except OSError as error:
            told.problems.append(f"{seen.name}: {error.strerror or error}")
    return told


def _why(error: TraindeckError) -> str:
    return clean(" ".join(str(problem) for problem in error.problems))


def _reached(seen: Seen) -> int | None:
    """Give the step that a run has reached; its status is written a second apart only."""
    from trainer.events.backward import last_of

    told = _whole((last_of(seen.run.events, "metrics", far=_NEAR_BYTES) or {}).get("step"))
    return told if told is not None else seen.status.progress.step


def _saved(seen: Seen, checkpoint: Path | None) -> int | None:
    """Give the step of a checkpoint file; that of the newest in the events if none is there yet."""
    from trainer.events.backward import last_of

    if checkpoint is None:
        return _whole((last_of(seen.run.events, "checkpoint") or {}).get("step"))
    # What is newest need not be what a resume goes on from: the best one may have come later.
    name = checkpoint.resolve().name

    def fits(event: Mapping[str, Any]) -> bool:
        path = event.get("path")
        return isinstance(path, str) and path.rsplit("/", 1)[-1] == name

    return _whole((last_of(seen.run.events, "checkpoint", fits=fits) or {}).get("step"))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
