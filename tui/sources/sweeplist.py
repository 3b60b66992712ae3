"""Lists the sweeps of all folders of runs; what their trials do is read from the index of runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.errors import RunError
from trainer.events.text import clean
from trainer.paths import at_home
from trainer.runs.index import RunIndex
from trainer.runs.status import known_state
from trainer.runs.summary import RunSummary
from trainer.sweeps.folder import Sweep, list_sweeps
from trainer.sweeps.names import labels, shown
from trainer.sweeps.told import state_word
from trainer.sweeps.trials import ENDED, FAILED, PARENT, PARENT_TRIAL
from tui.sources.looking import Looking

_SECONDS, _MOST_SECONDS = 2.0, 20.0
_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class SweepEntry:
    """One line of the list of sweeps.

    Attributes:
        path: Its folder.
        id: Its id.
        name: Its name.
        created: Unix seconds.
        state: Its state in a word, or "unreadable".
        total: Its trials.
        done: Those that have trained to their end.
        live: Those that wait, run or stop.
        failed: Those that went wrong by themselves.
        metric: What they are compared by.
        varies: What varies, with the number of values of each.
        problem: Why it cannot be read; empty if it can.
    """

    path: Path
    id: str
    name: str
    created: float = 0.0
    state: str = ""
    total: int = 0
    done: int = 0
    live: int = 0
    failed: int = 0
    metric: str = ""
    varies: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SweepsPicture:
    """The list of sweeps at one moment.

    Attributes:
        version: Counts up whenever anything changed.
        entries: All sweeps, newest first.
        loading: Whether no look has been taken yet.
    """

    version: int = 0
    entries: tuple[SweepEntry, ...] = ()
    loading: bool = True


class SweepsSource(Looking):
    """Reads the list of sweeps in a thread of its own.

    Args:
        folders: The folders of runs.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        super().__init__("sweeps")
        self.folders = tuple(dict.fromkeys(at_home(path).absolute() for path in folders))
        #: The newest picture; replaced as a whole.
        self.picture = SweepsPicture()
        self._known: dict[Path, SweepEntry] = {}
        self._indexes = [RunIndex(folder) for folder in self.folders]

    def step(self) -> bool:
        """Look, in the caller's thread; True if there is a new picture."""
        before = self.picture
        runs: dict[str, dict[str, RunSummary]] = {}
        for index in self._indexes:
            with suppress(OSError, RunError):
                for run in index.list():
                    if PARENT in run.parent:
                        trials = runs.setdefault(run.parent[PARENT], {})
                        number = run.parent.get(PARENT_TRIAL, "")
                        # The newest of a trial's runs tells how it stands; they come newest first.
                        trials.setdefault(number, run)
        paths = [path for folder in self.folders for path in list_sweeps(folder)]
        entries = [self._entry(path, runs) for path in dict.fromkeys(paths)]
        entries.sort(key=lambda entry: -entry.created)
        if tuple(entries) != before.entries or before.loading:
            self.picture = SweepsPicture(before.version + 1, tuple(entries), loading=False)
        return self.picture is not before

    def _run(self) -> None:
        from time import thread_time

        while not self._stopped:
            self._woken.clear()
            cost = 0.0
            if not self._paused:
                began = thread_time()
                # Whatever it is, the next look may fare better; without the thread none would come.
                with suppress(Exception):
                    self.step()
                cost = thread_time() - began
                if self.told is not None:
                    self.told()
                    self.told = None
            period = min(_MOST_SECONDS, max(_SECONDS, cost / _SHARE))
            self._woken.wait(None if self._paused else period)

    def _entry(self, path: Path, runs: dict[str, dict[str, RunSummary]]) -> SweepEntry:
        plan = self._known.get(path)
        if plan is None:
            plan = self._known[path] = _read(path)
        if plan.problem:
            return plan
        states = [known_state(run.state) for run in runs.get(plan.id, {}).values()]
        done = sum(state in ENDED for state in states)
        failed = sum(state in FAILED for state in states)
        live = sum(run.live for run in runs.get(plan.id, {}).values())
        word = state_word(path, total=plan.total, done=done, live=live, failed=failed)
        return replace(plan, state=word, done=done, live=live, failed=failed)


def find_sweep(folders: Iterable[Path], sweep_id: str) -> Path | None:
    """Find the folder of a sweep by its id; looks at folders, so for a thread."""
    for folder in folders:
        for path in list_sweeps(folder):
            if path.name.rpartition("-")[2] == sweep_id:
                return path
    return None


def _read(path: Path) -> SweepEntry:
    """Read what of a sweep never changes."""
    try:
        sweep = Sweep.load(path)
    except RunError as error:
        sweep_id = clean(path.name.rpartition("-")[2])
        problem = clean(" ".join(str(error).split()))
        return SweepEntry(path, sweep_id, clean(path.name), state="unreadable", problem=problem)
    short = labels(sweep.factors)
    varies = [
        f"{clean(short[axis.key])}: {', '.join(shown(value) for value in axis.values)}"
        for axis in sweep.axes
    ]
    varies += [f"seed: {', '.join(map(str, sweep.seeds))}"] if sweep.seeds else []
    return SweepEntry(
        path,
        sweep.id,
        sweep.name,
        sweep.created,
        total=len(sweep.planned),
        metric=sweep.metric,
        varies="  ".join(varies),
    )
