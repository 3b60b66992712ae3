"""Watches one sweep in a thread, and hands out immutable pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainer.errors import TraindeckError
from trainer.sweeps import results
from trainer.sweeps.effects import Effects, marginal
from trainer.sweeps.folder import SWEEP_JSON, Sweep
from trainer.sweeps.results import Group, Row, Table
from trainer.sweeps.told import sweep_state
from trainer.sweeps.trials import TrialState
from tui.sources.looking import Looking

#: The trials are looked at this often, in seconds; the longer a look takes, the less often.
_SECONDS, _MOST_SECONDS = 1.0, 10.0
#: Looks take at most this share of the time.
_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class SweepPicture:
    """A sweep at one moment.

    Attributes:
        version: Counts up whenever anything changed.
        sweep: Its plan, which never changes; None until it was read.
        state: Its state in a word, as the command line says it.
        trials: Its trials; one that did not change is the same object as before.
        table: Its results.
        effects: The marginal effects.
        best: The best trial so far, of those that train or have ended as planned.
        remaining: Seconds left; None if nothing can be said.
        problem: Why it cannot be shown; harmless text.
        loading: Whether no look has been taken yet.
    """

    version: int = 0
    sweep: Sweep | None = None
    state: str = ""
    trials: tuple[TrialState, ...] = ()
    table: Table | None = None
    effects: Effects = field(default_factory=Effects)
    best: Row | None = None
    remaining: float | None = None
    problem: str = ""
    loading: bool = True

    @property
    def groups(self) -> Sequence[Group]:
        """The combinations, best first."""
        return self.table.groups if self.table is not None else ()


class SweepSource(Looking):
    """Reads a sweep in a thread of its own.

    Args:
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("sweep")
        self.path = path
        #: The newest picture; replaced as a whole, so any thread may read it.
        self.picture = SweepPicture()
        self._sweep: Sweep | None = None
        self._means: object = None
        self._cost = 0.0

    def step(self) -> bool:
        """Look, in the caller's thread; True if there is a new picture."""
        before = self.picture
        try:
            self._look()
        except (TraindeckError, OSError) as error:
            self._fail(str(error))
        return self.picture is not before

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        from time import thread_time

        while not self._stopped:
            self._woken.clear()
            if not self._paused:
                began = thread_time()
                try:
                    self.step()
                except Exception as error:
                    # Whatever it is, it is shown; a thread that died would show an old picture.
                    self._fail(f"{type(error).__name__}: {error}")
                self._cost = thread_time() - began
                if self._awaited and self.told is not None:
                    self._awaited = False
                    self.told()
            period = min(_MOST_SECONDS, max(_SECONDS, self._cost / _SHARE))
            self._woken.wait(None if self._paused else period)

    def _fail(self, text: str) -> None:
        from trainer.events.text import clean

        problem = clean(" ".join(text.split()))
        if problem != self.picture.problem:
            old = self.picture
            self.picture = replace(old, version=old.version + 1, problem=problem, loading=False)

    def _look(self) -> None:
        sweep = self._sweep
        if sweep is None:
            sweep = self._sweep = Sweep.load(self.path)
        elif not (self.path / SWEEP_JSON).exists():
            self._fail("the sweep's folder is gone")
            return
        old = self.picture
        before = old.trials
        states = sweep.trials()
        for place, (known, state) in enumerate(zip(before, states, strict=False)):
            if known == state:
                states[place] = known
        word = sweep_state(sweep, states)
        same = len(before) == len(states) and all(map(_is, before, states))
        if same and word == old.state and not old.problem and not old.loading:
            return
        table = results.table(sweep, states)
        effects = old.effects
        # Only what has ended counts there, and most looks tell of what still trains.
        means = [(group.mean, group.spread, group.n, group.factors) for group in table.groups]
        if means != self._means:
            self._means = means
            effects = marginal(table, sweep.mode)
        self.picture = SweepPicture(
            version=old.version + 1,
            sweep=sweep,
            state=word,
            trials=tuple(states),
            table=table,
            effects=effects,
            best=results.best_so_far(states, sweep.metric, sweep.goal),
            remaining=results.remaining(states, sweep.parallel),
            loading=False,
        )


def _is(a: object, b: object) -> bool:
    return a is b
