"""Live runs: control, interruption, resume, limits; and that nothing but a kill hurts training."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from trainer.runs.layout import RunFolder
from trainer.runs.status import TERMINAL, State, read_status

pytestmark = pytest.mark.slow


def events(run: RunFolder) -> list[dict[str, Any]]:
    lines = run.events.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def is_step(event: dict[str, Any]) -> bool:
    return event["event"] == "metrics" and "train/loss" in event["metrics"]


def train_steps(run: RunFolder) -> list[int]:
    return [e["step"] for e in events(run) if is_step(e)]


def test_stop_checkpoints_and_resume_goes_on_at_the_next_step(deck: Any) -> None:
    run = deck.launch()
    asked = deck("checkpoint", "last").stdout
    assert "checkpoint" in asked
    assert "val/loss" in deck("validate-now", "last").stdout
    stopped = deck("stop", "last")
    assert "stopped" in stopped.stdout
    assert read_status(run).state == State.STOPPED
    at = train_steps(run)[-1]
    done = deck("resume", "last", "trainer.max_steps=" + str(at + 20), "--json")
    new = RunFolder(Path(json.loads(done.stdout.splitlines()[-1])["path"]))
    assert new.path != run.path
    assert new.identity()["parent"] == {"resume": run.identity()["id"]}
    assert train_steps(new) == list(range(at + 1, at + 21))


def test_resume_without_overrides_goes_on_in_the_same_folder(deck: Any) -> None:
    done = deck.launch(steps=3000)
    deck("stop", "last", "--after", "step")
    at = train_steps(done)[-1]
    assert at < 3000
    deck("resume", "last", "--json")
    assert read_status(done).state == State.COMPLETED
    assert train_steps(done) == list(range(1, 3001))
    assert [e["event"] for e in events(done)].count("run_started") == 2
    refused = deck("resume", "last", code=2)
    assert "completed" in refused.stderr


def test_ctrl_c_stops_with_a_checkpoint_and_exits_130(deck: Any) -> None:
    process, run = deck.follow()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "with a checkpoint" in err
    assert read_status(run).state == State.STOPPED
    assert (run.checkpoints / "last.ckpt").exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_losing_the_launcher_does_not_hurt_the_run(deck: Any, number: signal.Signals) -> None:
    process, run = deck.follow()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert "the run goes on" in err
    at = read_status(run).progress.step or 0
    deck.until(lambda: (read_status(run).progress.step or 0) > at + 5, run)
    assert read_status(run).state == State.RUNNING
    deck("stop", "last")
    assert read_status(run).state == State.STOPPED


def test_a_closed_pipe_does_not_hurt_the_run(deck: Any) -> None:
    process, run = deck.follow("--interval", "0.2")
    process.stdout.close()
    process.stdout = None
    process.wait(timeout=30)
    at = read_status(run).progress.step or 0
    deck.until(lambda: (read_status(run).progress.step or 0) > at + 5, run)
    deck("stop", "last", "--now")


def test_leaving_a_watch_leaves_the_run_running(deck: Any) -> None:
    run = deck.launch()
    process = deck.start("watch", "last", "--interval", "0.2")
    assert "started" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the run goes on" in err
    assert read_status(run).state == State.RUNNING
    deck("stop", "last", "--now")
    assert read_status(run).state in (State.KILLED, State.STOPPED)


def test_the_wall_clock_ends_a_run_as_timeout_with_a_checkpoint(deck: Any) -> None:
    run = deck.train("limits.wall_clock=14", "limits.grace=6", steps=1_000_000, code=3)
    status = read_status(run)
    assert status.state == State.TIMEOUT
    assert (run.checkpoints / "last.ckpt").exists()
    steps = train_steps(run)
    assert steps == list(range(1, steps[-1] + 1))


def test_a_killed_supervisor_leaves_a_run_that_records_its_own_end(deck: Any) -> None:
    run = deck.launch()
    supervisor = read_status(run).supervisor_pid
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    time.sleep(1)
    assert read_status(run).state == State.RUNNING
    at = read_status(run).progress.step or 0
    deck.until(lambda: (read_status(run).progress.step or 0) > at + 5, run)
    deck("stop", "last")
    assert read_status(run).state == State.STOPPED


def test_usr1_to_the_trainer_checkpoints_and_stops(deck: Any) -> None:
    run = deck.launch()
    pid = read_status(run).pid
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    status = deck.ended(run)
    assert status.state == State.STOPPED
    assert (run.checkpoints / "last.ckpt").exists()


def test_a_killed_trainer_is_known_as_killed_and_resumes(deck: Any) -> None:
    run = deck.launch("trainer.save_every_n_steps=5", steps=2000)
    deck.until((run.checkpoints / "last.ckpt").exists, run)
    pid = read_status(run).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert deck.ended(run, seconds=5).state == State.KILLED
    before = len(train_steps(run))
    done = deck.start("resume", "last", "--json")
    deck.until(lambda: len(train_steps(run)) > before, run)
    steps = train_steps(run)
    assert steps[before] % 5 == 1
    assert steps[before] <= steps[before - 1] + 1, "no gap: events are on disk before a checkpoint"
    deck("stop", "last")
    done.communicate(timeout=30)


def test_data_that_only_the_training_process_can_refuse_are_wrong_input_too(
    deck: Any, tmp_path: Path
) -> None:
    (tmp_path / "no_sources").mkdir()
    done = deck("train", "quickstart", f"data.root={tmp_path}/no_sources", code=2)
    assert "failed" in done.stdout
    assert f"{tmp_path}/no_sources" in done.stdout
    assert "  | " not in done.stdout, "what the process printed is the reason, told above"


@pytest.mark.parametrize("after", [0.0, 0.15, 0.3, 0.5, 0.8])
def test_ctrl_c_while_the_run_comes_up_leaves_nothing_behind(deck: Any, after: float) -> None:
    # Python's own start, in which Ctrl-C is a traceback, takes as long as the machine is busy.
    stands = "from trainer import start; start.listen(); print('stands', flush=True); start.main()"
    words = ("train", *deck.tiny, "trainer.max_steps=100000")
    process = deck.start(*words, program=("-c", stands))
    assert process.stdout.readline() == "stands\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "Traceback" not in err
    for found in deck.runs_dir.glob("*/*/status.json"):
        run = RunFolder(found.parent)
        status = read_status(run)
        assert status.state in TERMINAL, f"{status}\n{out}\n{err}"
        assert run.id in out or status.pid is None


def test_a_rerun_stands_where_the_old_run_stood(deck: Any, tmp_path: Path) -> None:
    work = deck.folder / "work"
    work.mkdir()
    run = deck.train(steps=5, cwd=work)
    done = deck("rerun", run.id, "--json", cwd=tmp_path)
    again = RunFolder(Path(json.loads(done.stdout.splitlines()[-1])["path"]))
    assert again.identity()["cwd"] == str(work)
    work.rmdir()
    gone = deck("rerun", run.id, code=2)
    assert "is gone" in gone.stderr


def test_a_resume_tells_only_what_is_new(deck: Any) -> None:
    deck.launch(steps=400)
    deck("stop", "last")
    out = deck("resume", "last").stdout
    assert out.count("started on") == 1
    assert "from step" in out
