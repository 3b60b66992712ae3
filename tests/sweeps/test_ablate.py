"""`traindeck ablate`, typed as a person would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer.cli import main
from trainer.commands import ablate_board, ablate_drive
from trainer.errors import RunError
from trainer.runs import control, manage
from trainer.runs.layout import RunFolder
from trainer.runs.status import State
from trainer.sweeps import drive
from trainer.sweeps.diagnostics import Drawn
from trainer.sweeps.folder import Sweep, find
from trainer.sweeps.lock import driver

from .conftest import Lab

RATES = "optimizer.config.lr=1e-3,3e-3"


@pytest.fixture
def typed(
    project: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Type a command; nothing is trained."""
    monkeypatch.setattr(ablate_drive, "_launcher", lambda *_: nullcontext())
    monkeypatch.setattr(drive, "_fresh", lab)
    monkeypatch.setattr(drive, "POLL", 0.001)
    monkeypatch.delenv("TRAINDECK_RUNS_DIR", raising=False)

    def enter(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return enter


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_dry_run_lists_the_trials_and_makes_nothing(typed: Any, project: Path) -> None:
    code, out, _ = typed("ablate", "-m", "quickstart", RATES, "--seeds", "0,1", "--dry-run")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "every trial: quickstart"
    assert lines[1] == "1  optimizer.config.lr=0.001 seed=0"
    assert lines[5].startswith("4 trials (2 x 2 seeds), 1 at a time, by val/loss (min)")
    _, out, _ = typed("ablate", "quickstart", RATES, "--dry-run", "--json", "--parallel", "3")
    (plan,) = rows(out)
    assert (plan["count"], plan["parallel"], plan["mode"]) == (2, 3, "product")
    assert plan["trials"][1]["factors"] == {"optimizer.config.lr": 0.003}
    assert not (project / "runs").exists()


def test_trials_are_told_with_results_and_failures_and_the_exit_code(typed: Any, lab: Lab) -> None:
    lab.ends = {3: State.FAILED}
    code, out, _ = typed(
        "ablate", "quickstart", RATES, "seed=0,1", "--name", "two words", "--tag", "night"
    )
    assert code == 1
    sweep = find("runs", "last")
    assert f"sweep {sweep.id}  {sweep.path}" in out
    assert sweep.command[-4:] == ("--name", "two words", "--tag", "night")
    assert "1/4  started  two words-1 lr=0.001 seed=0" in out
    assert "2/4  completed after 0:20  two words-2 lr=0.001 seed=1  val/loss 0.5 at step 10" in out
    assert "1 trial of 4 did not reach the end:\n  failed  two words-3 lr=0.003 seed=0" in out
    assert ": a reason" in out
    assert f"next    traindeck ablate --resume {sweep.id} --retry-failed" in out
    table = out[out.index("RANK") :].splitlines()
    assert table[0].split() == ["RANK", "LR", "VAL/LOSS", "±", "N", "TIME"]
    # The one seed of 0.003 that ended has 0.25, the two of 0.001 have 1.0 and 0.5.
    assert table[1].split() == ["1", "0.003", "0.25", "1/2", "0:40"]
    assert table[2].split() == ["2", "0.001", "0.75", "0.3536", "2/2", "0:15"]
    trial = sweep.trials()[0].run
    assert trial is not None
    assert json.loads((trial / "run.json").read_text())["tags"] == ["night"]

    lab.ends = {}
    code, out, _ = typed("ablate", "--resume", "two words", "--retry-failed")
    assert code == 0
    assert lab.started == [1, 2, 3, 4, 3]


def test_json_lines_tell_the_same(typed: Any, lab: Lab) -> None:
    lab.ends = {2: State.KILLED}
    code, out, _ = typed("ablate", "quickstart", RATES, "--json")
    events = rows(out)
    assert [event["event"] for event in events] == [
        "started",
        *("trial_started", "trial_ended") * 2,
        "ended",
    ]
    assert (code, events[-1]["missing"], events[-1]["counts"]) == (
        1,
        1,
        {"completed": 1, "killed": 1},
    )
    assert events[-1]["failed"][0]["reason"] == "a reason"
    assert events[-1]["results"][0]["mean"] == 1.0


def test_sweeps_are_listed_shown_and_filter_the_runs(typed: Any, lab: Lab) -> None:
    assert typed("ablate", "--list") == (0, "", "no sweeps in runs\n")
    typed("ablate", "quickstart", RATES)
    typed("ablate", "quickstart", "trainer.max_epochs=1,2,3", "--one-at-a-time")
    first, second = [row["id"] for row in rows(typed("ablate", "--list", "--json")[1])[0]][::-1]
    _, out, _ = typed("ablate", "--list")
    assert [line.split()[0] for line in out.splitlines()] == ["STATE", "completed", "completed"]
    code, out, _ = typed("ablate", "--status", first)
    assert code == 0
    assert "varies    optimizer.config.lr: 0.001, 0.003" in out
    assert "state     completed" in out
    assert "TRIAL  STATE" in out
    assert typed("show", first) == (0, out, "")
    assert typed("show", "nothing")[0] == 2
    (shown,) = rows(typed("ablate", "--status", second, "--json")[1])
    assert shown["mode"] == "one_at_a_time"
    assert len(shown["trials"]) == len(shown["results"]) == 4
    listed = rows(typed("runs", "--sweep", first, "--json")[1])[0]
    assert {row["parent"]["trial"] for row in listed} == {"1", "2"}
    assert len(rows(typed("runs", "--json")[1])[0]) == 6


def test_another_metric_can_be_looked_at(typed: Any, made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(RATES)
    drive.run(sweep, launcher=lab, poll=0)
    for trial in sweep.trials():
        assert trial.run is not None
        with (trial.run / "logs" / "events.jsonl").open("a") as file:
            event = {"event": "metrics", "step": 5, "metrics": {"val/score": float(trial.number)}}
            file.write(json.dumps(event) + "\n")
    _, out, _ = typed("ablate", "--status", "last", "--metric", "val/score", "--goal", "max")
    assert out.splitlines()[-2].split() == ["1", "0.003", "2", "2", "0:20"]
    code, _, err = typed("ablate", "--status", "last", "--metric", "val/scor")
    assert code == 2
    assert f"no trial of {sweep.id} has told of 'val/scor'." in err


def test_a_slip_in_a_metric_writes_over_no_leaderboard(
    typed: Any, made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made(RATES, metric="val/none")
    drive.run(sweep, launcher=lab, poll=0)
    # What was planned to compare by may still be put right.
    _, out, _ = typed("ablate", "--status", "last")
    assert "no trial has ended with a value of val/none yet" in out
    assert f"traindeck ablate --status {sweep.id} --metric NAME" in out
    assert typed("ablate", "--leaderboard", "last", "--metric", "val/loss")[0] == 0
    page = sweep.outputs / "ablation_leaderboard.md"
    before = page.read_bytes()
    for option in ("--leaderboard", "--diagnostics"):
        assert typed("ablate", option, "last", "--metric", "val/los")[0] == 2
    assert page.read_bytes() == before


def test_train_with_m_sweeps_with_its_own_trainer(typed: Any, lab: Lab) -> None:
    code, out, _ = typed("train", "-m", "trainer.max_epochs=1,2", "--dry-run")
    assert code == 0
    assert out.splitlines()[0] == "1  trainer.max_epochs=1"
    assert lab.started == []


def test_a_stop_goes_to_the_driver_or_to_the_trials(
    typed: Any, made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made(RATES)
    lab.ends = {1: None}
    drive.run(sweep, launcher=lab, poll=0, asked=lambda: "leave" if lab.running else "")
    code, out, _ = typed("ablate", "--stop", sweep.id)
    assert code == 0
    assert "nobody drives" in out
    (asked,) = control.pending(lab.running[1])
    assert asked.kind == "stop"

    def ask() -> drive.Asked:
        if not control.pending(sweep.path):
            assert "asked process" in typed("ablate", "--stop", sweep.id)[1]
        if lab.running:
            lab.finish(lab.running[1], State.STOPPED)
        return ""

    outcome = drive.run(Sweep.load(sweep.path), launcher=lab, poll=0, asked=ask)
    assert (outcome.asked, lab.started) == ("stop", [1])


@pytest.mark.parametrize("over", [True, False])
def test_a_trial_that_cannot_be_asked_keeps_no_other_from_it(
    typed: Any, made: Callable[..., Sweep], lab: Lab, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    sweep = made(RATES, parallel=2)
    lab.ends = {1: None, 2: None}
    drive.run(sweep, launcher=lab, poll=0, asked=lambda: "leave" if len(lab.running) > 1 else "")
    first = lab.running[1]

    def ask(run: RunFolder, **how: Any) -> None:
        if run.path == first.path:
            if over:
                lab.finish(run, State.COMPLETED)
            raise RunError("it is over" if over else "its disk is full")
        control.request(run, "stop", **how)

    monkeypatch.setattr(manage, "request_stop", ask)
    code, out, err = typed("ablate", "--stop", sweep.id)
    assert "asked 1 trial to stop" in out
    assert len(control.pending(lab.running[2])) == 1
    assert (code == 0) is over
    assert ("its disk is full" in err) is not over


def test_a_driver_outlives_its_terminal(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made("optimizer.config.lr=choice(1e-3)")
    lab.ends = {1: None}
    drive.run(sweep, launcher=lab, poll=0, asked=lambda: "leave" if lab.running else "")
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.cli", "ablate", "--resume", str(sweep.path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        while "runs already" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        assert process.stdout.read() == ""  # it has let go of the terminal
        assert process.poll() is None
        lab.finish(lab.running[1], State.COMPLETED)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()


def test_a_driver_that_does_not_come_up_in_time_is_no_success(
    typed: Any, made: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = made("optimizer.config.lr=choice(1e-3)")
    monkeypatch.setattr(ablate_drive, "_UP_WITHIN", -1.0)
    begun: list[subprocess.Popen[bytes]] = []

    def slow(words: list[str], **options: Any) -> subprocess.Popen[bytes]:
        code = "import time; time.sleep(60)"
        begun.append(subprocess.Popen([sys.executable, "-c", code], **options))
        return begun[-1]

    with monkeypatch.context() as patched:
        patched.setattr(ablate_drive, "subprocess", SimpleNamespace(Popen=slow, DEVNULL=-3))
        code, out, err = typed("ablate", "--resume", sweep.id, "--detach")
    begun[0].kill()
    begun[0].wait()
    assert (code, out) == (2, "")
    assert f"process {begun[0].pid}, has not taken the sweep up" in err


def test_detached_it_prints_the_id_and_goes_on_by_itself(
    typed: Any, made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made("optimizer.config.lr=choice(1e-3)")
    lab.ends = {1: None}
    drive.run(sweep, launcher=lab, poll=0, asked=lambda: "leave" if lab.running else "")
    code, out, _ = typed("ablate", "--resume", sweep.id, "--detach")
    assert (code, out) == (0, f"{sweep.id}\n")
    who = driver(sweep.path)
    assert who is not None
    assert who.alive
    assert os.getsid(who.pid) == who.pid
    code, _, err = typed("ablate", "--resume", sweep.id, "--detach")
    assert code == 2
    assert f"driven by process {who.pid}" in err
    lab.finish(lab.running[1], State.COMPLETED)
    deadline = time.monotonic() + 60
    while driver(sweep.path) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert driver(sweep.path) is None
    assert "1/1  completed" in sweep.driver_log.read_text()


def test_a_sweep_leaves_a_leaderboard_where_its_key_says(typed: Any, lab: Lab) -> None:
    lab.ends = {2: State.FAILED}
    _, out, _ = typed("ablate", "quickstart", RATES)
    folder = find("runs", "last").outputs
    assert "  board   outputs/ablation_leaderboard.html" in out
    assert (folder / "ablation_leaderboard.html").is_file()

    def names(*words: str) -> list[str]:
        _, out, _ = typed("ablate", "quickstart", RATES, "--json", *words)
        found = sorted(path.name for path in find("runs", "last").outputs.iterdir())
        assert sorted(Path(path).name for path in rows(out)[-1]["leaderboard"]) == found
        return [name.rpartition(".")[2] for name in found]

    assert names() == ["csv", "html", "md"]
    assert names("ablation.leaderboard=[md]") == ["csv", "md"]
    assert names("ablation.leaderboard=[html]") == ["csv", "html"]
    assert names("ablation.leaderboard=[]") == []
    _, out, err = typed("ablate", "quickstart", "ablation.leaderboard=[md]", RATES, "--dry-run")
    assert "not acted on" not in out + err

    # Who asks for it gets it, also where the sweep writes none by itself, and by any metric.
    code, out, _ = typed("ablate", "--leaderboard", "last", "--json")
    assert (code, len(rows(out)[0]["leaderboard"])) == (0, 3)
    code, out, _ = typed("ablate", "--leaderboard", "last", "--metric", "val/loss")
    assert code == 0
    assert "by val/loss (min)" in Path(out.split()[0]).read_text()
    assert typed("ablate", "--leaderboard", "last", "--seeds", "1")[0] == 2


def test_a_leaderboard_that_cannot_be_written_costs_no_results(typed: Any, lab: Lab) -> None:
    def spoil(run: Any) -> None:
        outputs = find("runs", "last").outputs
        if outputs.is_dir():
            outputs.rmdir()
            outputs.write_text("in the way")
        lab(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drive, "_fresh", spoil)
        code, out, err = typed("ablate", "quickstart", RATES)
    assert code == 0
    assert "RANK" in out
    assert "the leaderboard could not be written: File exists" in err
    code, _, err = typed("ablate", "--leaderboard", "last")
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(("times", "files"), [(1, 3), (2, 0)])
def test_an_interrupted_sweep_leaves_one_too(
    typed: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch, times: int, files: int
) -> None:
    def interrupted(run: Any) -> None:
        lab(run)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(drive, "_fresh", interrupted)
    code, out, _ = typed("ablate", "quickstart", RATES)
    assert (code, lab.started) == (130, [1])
    found = sorted(find("runs", "last").outputs.iterdir())
    assert len(found) == files
    assert ("board" in out) == bool(files)
    if files:
        assert "2 trials: 1 completed, 1 waiting." in found[-1].read_text()


def test_the_warm_server_is_gone_before_plots_are_drawn(
    typed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    @contextmanager
    def launcher(*_: Any) -> Iterator[None]:
        yield
        order.append("server closed")

    def plots(*_: Any) -> Drawn:
        order.append("plots drawn")
        return Drawn()

    monkeypatch.setattr(ablate_drive, "_launcher", launcher)
    monkeypatch.setattr(ablate_board, "plots_at_end", plots)
    assert typed("ablate", "quickstart", RATES)[0] == 0
    assert order == ["server closed", "plots drawn"]
