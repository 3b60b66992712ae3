"""Driving a sweep to its end: so many trials at a time, until none is missing.

The driver keeps nothing that matters. What there is to do it reads from the run folders, so it may be
killed at any moment; the runs go on by themselves, and the next driver takes them up.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from trainer.config.compose import Composed, compose
from trainer.errors import ConfigError, Problem, RunError, TraindeckError
from trainer.runs import control
from trainer.runs.layout import RunFolder
from trainer.runs.status import read_status
from trainer.runs.warm import WarmPool
from trainer.sweeps.folder import Sweep
from trainer.sweeps.lock import hold
from trainer.sweeps.trial import Trial
from trainer.sweeps.trials import FAILED, INTERRUPTED, PARENT, PARENT_TRIAL, WAITING, TrialState

POLL = 0.25
"""Seconds between looks at the trials."""
_MOST_REFUSED = 3
# A trial that was made ready while others train is used if it is as young as this, in seconds: code
# and packages count as they are when it starts. And it is not tried where it takes long.
_YOUNG, _QUICK = 2.0, 0.5
_WHY = "its sweep was stopped"

Asked = Literal["", "stop", "leave"]
"""What is asked of the driver: nothing, to stop the trials and end, or to leave them alone and end."""


class Launcher(Protocol):
    """Starts a run whose folder is ready, and returns once somebody supervises it."""

    def __call__(self, run: RunFolder, /) -> None:
        """Start it.

        Raises:
            RunError: It could not be started.
        """


@dataclass(frozen=True)
class Told:
    """Something that happened.

    Attributes:
        what: "started", "resumed", "found" (it runs already), "ended", "refused" (it could not be
            started), "stopping" (no more is started), or "look" (at every look).
        trial: The trial concerned; None for "stopping" and "look".
        reason: Why a trial was refused.
        trials: All trials as they stand.
    """

    what: Literal["started", "resumed", "found", "ended", "refused", "stopping", "look"]
    trial: TrialState | None = None
    reason: str = ""
    trials: Sequence[TrialState] = ()


@dataclass(frozen=True)
class Outcome:
    """How driving ended.

    Attributes:
        trials: All trials as they stand.
        refused: Why trials could not be started, by number.
        asked: Why it ended before all was done; empty if all was.
    """

    trials: tuple[TrialState, ...]
    refused: Mapping[int, str] = field(default_factory=dict)
    asked: Asked = ""

    @property
    def failed(self) -> list[TrialState]:
        """Trials that went wrong, were ended from outside, or could not be started."""
        return [
            trial if trial.number not in self.refused else _refused(trial, self.refused)
            for trial in self.trials
            if trial.state in FAILED or trial.state in INTERRUPTED or trial.number in self.refused
        ]

    @property
    def missing(self) -> int:
        """How many trials have yet to reach their end."""
        return sum(not trial.done for trial in self.trials)


def run(
    sweep: Sweep,
    parallel: int | None = None,
    launcher: Launcher | None = None,
    *,
    retry_failed: bool = False,
    told: Callable[[Told], None] | None = None,
    asked: Callable[[], Asked] | None = None,
    poll: float | None = None,
) -> Outcome:
    """Start what is missing of a sweep, and wait until every trial has ended.

    Trials that have completed, or ended at their time limit, are kept. Those that were stopped,
    killed or lost go on from their last checkpoint, or begin again if they have none. Those that
    failed are left alone unless asked for. Those that run already are waited for.

    Args:
        sweep: The sweep.
        parallel: Trials at the same time; as planned if None.
        launcher: What starts a run, a `WarmPool` for one; a fresh process each if None.
        retry_failed: Whether trials that failed are taken up, too.
        told: Called with what happens.
        asked: Asked at every look whether to stop or to leave.
        poll: Seconds between looks; a quarter if None. A warm trial's end is seen at once.

    Raises:
        RunError: Somebody else drives it, or its folder cannot be written.
        ConfigError: The profiles have changed: what is missing would be another sweep.
    """
    with hold(sweep.path) as held:
        driving = _Driving(sweep, parallel or sweep.parallel, launcher or _fresh)
        driving.told = told or driving.told
        driving.asked = asked or driving.asked
        driving.plan(sweep.trials(), retry_failed=retry_failed)
        inbox = control.Inbox(sweep.path)
        while driving.step():
            held.beat(stopping=driving.stopping)
            for request in inbox.poll():
                driving.answer(request)
            if driving.idle:
                driving.wait(POLL if poll is None else poll)
        return driving.outcome()


def changed(sweep: Sweep, numbers: Sequence[int]) -> list[Problem]:
    """Find the trials whose config is another one than when the sweep was planned.

    Args:
        sweep: The sweep.
        numbers: The trials that are to be started from their overrides.
    """
    problems = []
    wanted = set(numbers)
    for trial in sweep.planned:
        if trial.number not in wanted:
            continue
        try:
            composed = compose_trial(sweep, trial)
        except ConfigError as error:
            problems += [_in_trial(problem, trial) for problem in error.problems]
            continue
        if trial.config_hash and composed.hash != trial.config_hash:
            problems.append(
                Problem(
                    "Its config is another one than when the sweep was planned: profiles have "
                    "changed since, or the machine is another one.",
                    f"trial {trial.name}",
                    "Put the profiles back as they were, or start a new sweep.",
                )
            )
    return problems


def compose_trial(sweep: Sweep, trial: Trial) -> Composed:
    """Compose the config of one trial.

    Raises:
        ConfigError: The profiles no longer compose to a right config.
    """
    composed = compose(trial.overrides, **sweep.compose_in)
    section = composed.config.get("run")
    if isinstance(section, dict) and section.get("num_threads") is None:
        config = {**composed.config, "run": {**section, "num_threads": sweep.threads}}
        composed = replace(composed, config=config)
    return composed


class _Driving:
    """One driver at work."""

    def __init__(self, sweep: Sweep, parallel: int, launcher: Launcher) -> None:
        self.sweep = sweep
        self.parallel = parallel
        self.launcher = launcher
        self.stopping = False
        self.idle = True
        self.told: Callable[[Told], None] = lambda _: None
        self.asked: Callable[[], Asked] = lambda: ""
        self._planned = {trial.number: trial for trial in sweep.planned}
        self._todo: deque[int] = deque()
        self._live: set[int] = set()
        self._stopped: set[int] = set()
        self._refused: dict[int, str] = {}
        self._in_a_row = 0
        self._left: Asked = ""
        self._ahead: tuple[int, float, Callable[[], RunFolder]] | None = None
        self._quick = True

    def plan(self, trials: Sequence[TrialState], *, retry_failed: bool) -> None:
        """Decide what there is to do."""
        for trial in trials:
            if trial.live:
                self._live.add(trial.number)
                self.told(Told("found", trial, trials=trials))
            elif not trial.done and (retry_failed or trial.state not in FAILED):
                self._todo.append(trial.number)
        fresh = [trial.number for trial in trials if trial.number in self._todo and not trial.run]
        problems = changed(self.sweep, fresh) if self._resumed(trials) else []
        if problems:
            raise ConfigError(*problems)

    @staticmethod
    def _resumed(trials: Sequence[TrialState]) -> bool:
        # Nothing has begun: all configs were composed a moment ago, or will be in a moment.
        return any(trial.state != WAITING for trial in trials)

    def step(self) -> bool:
        """Look once, and do what is to be done; False when all is over."""
        self.idle = True
        states = {trial.number: trial for trial in self.sweep.trials()}
        trials = list(states.values())
        for number in sorted(self._live):
            if not states[number].live:
                self._live.discard(number)
                self.told(Told("ended", states[number], trials=trials))
        wish = self.asked()
        if wish == "leave":
            self._left = "leave"
            return False
        if wish == "stop":
            self._stop()
        if self.stopping:
            self._stop_trials(states)
        elif len(self._live) < self.parallel and self._todo and self._can_start():
            # One a look: a Ctrl-C is heard between two of them.
            self._start(states[self._todo.popleft()])
            self.idle = False
            return True
        elif self._todo and isinstance(self.launcher, WarmPool):
            self._make_ready(states[self._todo[0]])
        self.told(Told("look", trials=trials))
        return bool(self._live or (self._todo and not self.stopping))

    def _can_start(self) -> bool:
        return not isinstance(self.launcher, WarmPool) or self.launcher.ready()

    def wait(self, seconds: float) -> None:
        """Wait until there may be news."""
        (self.launcher.wait if isinstance(self.launcher, WarmPool) else time.sleep)(seconds)

    def answer(self, request: control.Request) -> None:
        """Do what somebody asks for by a file in `control/`."""
        control.done(request)
        if request.kind in ("stop", "kill"):
            self._stop()

    def outcome(self) -> Outcome:
        """Tell how it ended."""
        asked: Asked = self._left or ("stop" if self.stopping else "")
        return Outcome(tuple(self.sweep.trials()), dict(self._refused), asked)

    def _stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self.told(Told("stopping", trials=self.sweep.trials()))

    def _stop_trials(self, states: Mapping[int, TrialState]) -> None:
        from trainer.runs.manage import request_stop

        for number in self._live - self._stopped:
            run = states[number].run
            try:
                if run is not None:
                    request_stop(RunFolder(run), after="step", reason=_WHY)
                self._stopped.add(number)
            except RunError:
                # It has just ended, or the disk is full: the next look tells.
                continue

    def _start(self, state: TrialState) -> None:
        """Start one trial, or note why it cannot be."""
        try:
            what = self._launch(state)
        except (TraindeckError, OSError) as error:
            self._refused[state.number] = " ".join(str(error).split())
            trials = self.sweep.trials()
            now = trials[state.number - 1]
            self.told(Told("refused", now, self._refused[state.number], trials))
            self._in_a_row += 1
            if self._in_a_row >= _MOST_REFUSED:
                # A full disk would refuse all that wait, one by one.
                self._todo.clear()
            return
        self._in_a_row = 0
        self._live.add(state.number)
        trials = self.sweep.trials()
        self.told(Told(what, trials[state.number - 1], trials=trials))

    def _launch(self, state: TrialState) -> Literal["started", "resumed"]:
        from trainer.runs.manage import find_checkpoint

        if state.run is not None:
            old = RunFolder(state.run)
            if find_checkpoint(old) is not None:
                from trainer.runs.again import make_ready

                make_ready(old)
                self.launcher(old)
                return "resumed"
            if read_status(old).writer == "launcher":
                # Its folder was made, and then its driver ended.
                self.launcher(old)
                return "started"
        number, since, make = self._ahead or (0, 0.0, None)
        self._ahead = None
        if make is None or number != state.number or time.monotonic() - since > _YOUNG:
            make = self._prepare(self._planned[state.number])
        self.launcher(make())
        return "started"

    def _make_ready(self, state: TrialState) -> None:
        """Compose the next trial while others train, so that it can begin when one has ended."""
        if state.run is not None or not self._quick or self._ahead is not None:
            return
        began = time.monotonic()
        # What is wrong with it is told when its turn comes.
        with contextlib.suppress(TraindeckError, OSError):
            self._ahead = (state.number, began, self._prepare(self._planned[state.number]))
        self._quick = time.monotonic() - began < _QUICK

    def _prepare(self, trial: Trial) -> Callable[[], RunFolder]:
        """Compose a trial, and give what makes its folder."""
        from trainer.runs.launch import prepare
        from trainer.runs.plan import train_command

        composed = compose_trial(self.sweep, trial)
        if trial.config_hash and composed.hash != trial.config_hash:
            raise ConfigError(*changed(self.sweep, [trial.number]))
        where = self.sweep.where
        words = train_command(
            trial.overrides,
            where.get("config_file"),
            where.get("profiles_dir"),
            clamp=self.sweep.clamp,
        )
        return prepare(
            composed,
            runs_dir=self.sweep.runs_dir,
            name=trial.name,
            tags=self.sweep.tags,
            command=words,
            parent={PARENT: self.sweep.id, PARENT_TRIAL: str(trial.number)},
            cwd=where.get("cwd"),
        )


def _fresh(run: RunFolder) -> None:
    """Start a run in a fresh process."""
    from trainer.runs.launch import start

    start(run)


def _refused(trial: TrialState, reasons: Mapping[int, str]) -> TrialState:
    return replace(trial, reason=f"it could not be started: {reasons[trial.number]}")


def _in_trial(problem: Problem, trial: Trial) -> Problem:
    place = f"trial {trial.name}"
    return replace(problem, where=f"{place}: {problem.where}" if problem.where else place)
