"""Driving: so many at a time, nothing twice, and whatever ended is taken up or left as it should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import ConfigError, RunError
from trainer.runs import control
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import State
from trainer.sweeps import drive
from trainer.sweeps.drive import Told
from trainer.sweeps.folder import Sweep

from .conftest import Lab, checkpoint, write

FOUR = "optimizer.config.lr=1e-3,2e-3,3e-3,4e-3"


def go(sweep: Sweep, lab: Any, **options: Any) -> drive.Outcome:
    return drive.run(sweep, launcher=lab, poll=0.001, **options)


def states(sweep: Sweep) -> list[str]:
    return [str(trial.state) for trial in sweep.trials()]


def runs(sweep: Sweep) -> int:
    return sum(1 for path in sweep.path.parent.iterdir() if (path / "run.json").exists())


def test_every_trial_is_started_once_in_order(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(FOUR)
    told: list[tuple[str, int]] = []
    outcome = go(
        sweep, lab, told=lambda t: told.append((t.what, t.trial.number)) if t.trial else None
    )
    assert lab.started == [1, 2, 3, 4]
    assert (outcome.failed, outcome.missing, outcome.asked) == ([], 0, "")
    assert told == [(what, n) for n in range(1, 5) for what in ("started", "ended")]
    run = sweep.trials()[1].run
    assert run is not None
    identity = RunFolder(run).identity()
    assert identity["parent"] == {"sweep": sweep.id, "trial": "2"}
    assert identity["command"] == ["traindeck", "train", "quickstart", "optimizer.config.lr=0.002"]
    assert identity["config_hash"] == sweep.planned[1].config_hash
    # Again there is nothing to do.
    go(Sweep.load(sweep.path), lab)
    assert lab.started == [1, 2, 3, 4]


def test_only_so_many_train_at_a_time(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(FOUR, parallel=2)
    lab.ends = dict.fromkeys(range(1, 5))
    most = 0

    def tell(told: Told) -> None:
        nonlocal most
        most = max(most, len(lab.running))
        if told.what == "look" and lab.running:
            lab.finish(lab.running[min(lab.running)], State.COMPLETED)

    go(sweep, lab, told=tell)
    assert (most, states(sweep)) == (2, ["completed"] * 4)
    assert sweep.threads >= 1


def test_what_fails_stops_nothing_else_and_is_listed(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(FOUR)
    lab.ends = {2: State.FAILED, 3: State.OUT_OF_MEMORY, 4: State.TIMEOUT}
    outcome = go(sweep, lab)
    assert states(sweep) == ["completed", "failed", "out_of_memory", "timeout"]
    assert [(trial.number, trial.reason) for trial in outcome.failed] == [
        (2, "a reason"),
        (3, "a reason"),
    ]
    assert outcome.missing == 2
    # Left alone unless asked for; what ended at its limit of time is an end.
    go(sweep, lab)
    assert lab.started == [1, 2, 3, 4]
    lab.ends = {}
    assert go(sweep, lab, retry_failed=True).missing == 0
    assert lab.started == [1, 2, 3, 4, 2, 3]
    assert runs(sweep) == 6


def test_what_was_interrupted_goes_on_from_its_checkpoint_in_its_folder(
    made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made(FOUR)
    lab.ends = {1: State.STOPPED, 2: State.KILLED, 3: State.LOST}
    go(sweep, lab)
    folders = [trial.run for trial in sweep.trials()]
    for folder in folders[:2]:
        assert folder is not None
        checkpoint(RunFolder(folder))
    lab.ends, lab.started = {}, []
    told: list[tuple[str, int]] = []
    go(sweep, lab, told=lambda t: told.append((t.what, t.trial.number)) if t.trial else None)
    assert lab.started == [1, 2, 3]
    assert [each for each in told if each[0] != "ended"] == [
        ("resumed", 1),
        ("resumed", 2),
        ("started", 3),
    ]
    after = sweep.trials()
    assert [trial.run for trial in after[:2]] == folders[:2]
    assert [trial.attempt for trial in after] == [2, 2, 1, 1]
    # Without a checkpoint it began again, in a folder of its own.
    assert after[2].run != folders[2]
    assert runs(sweep) == 5


def test_a_folder_that_was_made_and_never_started_is_used(
    made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made(FOUR)

    def dies(run: RunFolder) -> None:
        record = read_json(run.status)
        record.update(supervisor_pid=2**22 + 1, supervisor_start="1")
        write_json_atomic(run.status, record)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(sweep, dies)
    assert states(sweep)[0] == "lost"
    go(Sweep.load(sweep.path), lab)
    assert (lab.started, runs(sweep)) == ([1, 2, 3, 4], 4)


def test_what_runs_already_is_waited_for_and_counted(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(FOUR)
    lab.ends = {1: None}

    def leave() -> drive.Asked:
        return "leave" if lab.running else ""

    outcome = go(sweep, lab, asked=leave)
    assert (outcome.asked, outcome.missing, states(sweep)[0]) == ("leave", 4, "running")
    seen: list[str] = []

    def tell(told: Told) -> None:
        seen.append(told.what)
        if told.what == "look" and lab.running:
            assert lab.started == [1]
            lab.finish(lab.running[1], State.COMPLETED)

    go(Sweep.load(sweep.path), lab, told=tell)
    assert seen[0] == "found"
    assert (lab.started, runs(sweep)) == ([1, 2, 3, 4], 4)


@pytest.mark.parametrize("by", ["key", "file"])
def test_a_stop_asks_the_trials_and_starts_no_more(
    made: Callable[..., Sweep], lab: Lab, by: str
) -> None:
    sweep = made(FOUR, parallel=2)
    lab.ends = dict.fromkeys(range(1, 5))

    def tell(told: Told) -> None:
        if len(lab.running) == 2 and told.what == "started" and by == "file":
            control.request(sweep.path, "stop")
        for run in list(lab.running.values()):
            if any(each.kind == "stop" for each in control.pending(run)):
                lab.finish(run, State.STOPPED)

    def ask() -> drive.Asked:
        return "stop" if by == "key" and lab.started == [1, 2] else ""

    outcome = go(sweep, lab, told=tell, asked=ask)
    assert (lab.started, outcome.asked, outcome.missing) == ([1, 2], "stop", 4)
    assert states(sweep) == ["stopped", "stopped", "waiting", "waiting"]


def test_trials_that_cannot_be_started_are_told_and_not_tried_for_ever(
    made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made("optimizer.config.lr=1e-3,2e-3,3e-3,4e-3,5e-3")

    def refuses(run: RunFolder) -> None:
        lab.started.append(int(run.identity()["parent"]["trial"]))
        if lab.started[-1] != 1:
            write(run, State.FAILED)
            raise RunError("no space")
        lab.finish(run, State.COMPLETED)

    outcome = go(sweep, refuses)
    assert lab.started == [1, 2, 3, 4]
    assert [trial.number for trial in outcome.failed] == [2, 3, 4]
    assert outcome.failed[0].reason == "it could not be started: no space"
    assert outcome.missing == 4


def test_profiles_that_changed_meanwhile_make_no_other_sweep_of_it(
    project: Path, made: Callable[..., Sweep], lab: Lab
) -> None:
    profile = project / "profiles" / "optimizer" / "mine.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("# M.\ntype: AdamW\nconfig: {lr: 0.5}\n")
    sweep = made("optimizer=mine", "trainer.max_epochs=1,2,3")
    lab.ends = {1: None}
    go(sweep, lab, asked=lambda: "leave" if lab.running else "")
    lab.finish(lab.running[1], State.COMPLETED)
    profile.write_text("# M.\ntype: AdamW\nconfig: {lr: 0.6}\n")
    with pytest.raises(ConfigError, match="profiles have changed") as caught:
        go(sweep, lab)
    assert len(caught.value.problems) == 2
    assert lab.started == [1]
    profile.write_text("# M.\ntype: AdamW\nconfig: {lr: 0.5}\n")
    assert go(sweep, lab).missing == 0


def test_trials_beside_each_other_share_the_cores_alike(
    made: Callable[..., Sweep], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    monkeypatch.setattr("trainer.runs.settled.usable_cores", lambda: 8)
    sweep = made(FOUR, parallel=4)
    # Also when it is driven with another number later.
    go(sweep, lab, parallel=1)
    run = sweep.trials()[0].run
    assert run is not None
    assert yaml.safe_load((run / "config.yaml").read_text())["run"]["num_threads"] == 2
