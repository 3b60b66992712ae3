"""The training process's own voice, without a supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import RunError
from trainer.runs import beat as beat_module
from trainer.runs import lock
from trainer.runs.beat import TrainerBeat
from trainer.runs.layout import RunFolder, read_json
from trainer.runs.status import read_status


def test_a_script_of_ones_own_speaks_for_its_run(tmp_path: Path) -> None:
    with TrainerBeat(tmp_path, interval=0.02) as beat:
        beat.progress(step=3, epoch=0, total_steps=10, metrics={"train/loss": 0.5})
        beat.progress(step=4, metrics={"lr": 0.1})
        deadline = time.monotonic() + 10
        while read_status(tmp_path).progress.step != 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        status = read_status(tmp_path)
        assert (status.state, status.writer, status.pid) == ("running", "trainer", os.getpid())
        assert status.progress.metrics == {"train/loss": 0.5, "lr": 0.1}
        assert status.progress.total_steps == 10
    assert read_status(tmp_path).state == "completed"
    assert read_json(tmp_path / "status.json")["state"] == "completed"


def test_an_exception_is_the_end(tmp_path: Path) -> None:
    def train() -> None:
        with TrainerBeat(tmp_path):
            raise ValueError("diverged\nsecond line")

    with pytest.raises(ValueError):
        train()
    status = read_status(tmp_path)
    assert (status.state, status.reason, status.exit_code) == ("failed", "ValueError: diverged", 1)


def test_the_first_end_counts_and_must_be_one(tmp_path: Path) -> None:
    beat = TrainerBeat(tmp_path).start()
    with pytest.raises(ValueError, match="not an end"):
        beat.end("running")
    beat.end("stopped", "asked", 0)
    beat.end("failed", "late", 1)
    assert read_status(tmp_path).reason == "asked"


def test_stopping_shows_at_once(tmp_path: Path) -> None:
    beat = TrainerBeat(tmp_path, interval=60).start()
    beat.stopping("asked")
    deadline = time.monotonic() + 10
    while read_status(tmp_path).state != "stopping" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read_status(tmp_path).state == "stopping"
    beat.end("stopped")


def test_progress_touches_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beat = TrainerBeat(tmp_path, interval=60).start()
    for name in ("open", "write", "stat", "replace"):
        monkeypatch.setattr(os, name, lambda *_, **__: pytest.fail("I/O on the calling thread"))
    beat.progress(step=1, metrics={"a": 1.0})
    monkeypatch.undo()
    beat.end("completed")


def test_a_full_disk_never_reaches_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = TrainerBeat(tmp_path, interval=0.01).start()
    beat.progress(step=1)
    real = beat_module.write_bytes_atomic
    refused = []

    def full(*arguments: Any, **_: Any) -> None:
        refused.append(arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(beat_module, "write_bytes_atomic", full)
    deadline = time.monotonic() + 10
    while len(refused) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(refused) >= 3
    # The old status is whole meanwhile; once there is space again beats go on.
    assert read_status(tmp_path).state == "running"
    monkeypatch.setattr(beat_module, "write_bytes_atomic", real)
    beat.end("completed", "done", 0)
    assert read_status(tmp_path).state == "completed"


def test_values_that_are_no_json_do_not_stop_the_beat(tmp_path: Path) -> None:
    beat = TrainerBeat(tmp_path, interval=0.01).start()
    beat.progress(step=1, metrics={"bad": object()})  # type: ignore[dict-item]  # on purpose
    time.sleep(0.1)
    beat.progress(step=2, metrics={"bad": 1.0})
    beat.end("completed")
    assert read_status(tmp_path).progress.step == 2


@pytest.mark.parametrize(
    ("body", "state", "reason"),
    [
        ("raise RuntimeError('boom')", "failed", "RuntimeError: boom"),
        ("pass", "failed", "the process exited before training ended"),
        ("raise MemoryError('too much')", "out_of_memory", "MemoryError: too much"),
    ],
)
def test_a_script_that_dies_without_a_word(
    tmp_path: Path, body: str, state: str, reason: str
) -> None:
    code = (
        "import sys; from trainer.runs.beat import TrainerBeat\n"
        f"TrainerBeat(sys.argv[1]).start()\n{body}\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, stderr=subprocess.DEVNULL
    )
    status = read_status(tmp_path)
    assert (status.state, status.reason) == (state, reason)


def test_two_scripts_cannot_share_a_folder(tmp_path: Path) -> None:
    beat = TrainerBeat(tmp_path).start()
    code = (
        "import sys; from trainer.runs.beat import TrainerBeat\nTrainerBeat(sys.argv[1]).start()\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert other.returncode == 1
    assert "another process" in other.stderr
    with pytest.raises(RunError):
        TrainerBeat(tmp_path).start()
    beat.end("completed")
    assert read_status(tmp_path).state == "completed"


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys; from trainer.runs import layout, status, proc, control, beat, supervisor\n"
        "heavy = {'pydantic', 'hydra', 'msgspec', 'omegaconf', 'numpy', 'torch', 'yaml', 'watchdog',"
        " 'trainer.events.reader', 'trainer.events.writer', 'trainer.events.series', 'trainer.config'}"
        " & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_runs_room_is_light() -> None:
    code = (
        "import sys; from trainer.runs import launch, manage, index, queue, provenance\n"
        "heavy = {'hydra', 'omegaconf', 'pydantic', 'numpy', 'torch', 'lightning', 'textual'}"
        " & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layout_names_come_from_run_json(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.hash_summary.name == "run_hash_summary.json"
    (tmp_path / "run.json").write_text(
        '{"files": {"hash_summary": "run_hash_summary_v50.json", "debug_log": "../../x"}}'
    )
    run = RunFolder(tmp_path)
    assert run.hash_summary == tmp_path / "run_hash_summary_v50.json"
    assert run.debug_log == tmp_path / "logs" / "debug_log.md"


def test_the_end_lets_the_folder_go(tmp_path: Path) -> None:
    for attempt in range(2):
        beat = TrainerBeat(tmp_path).start()
        with pytest.raises(BlockingIOError):
            lock.take(beat.run)
        beat.end("completed", f"time {attempt}", 0)
        assert read_status(tmp_path).reason == f"time {attempt}"
    os.close(lock.take(beat.run))


def test_the_rate_is_the_recent_one_and_gives_the_remaining_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.runs import beat as module

    now = [0.0]
    run = RunFolder(tmp_path)
    beat = TrainerBeat(run)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for step in range(200):
        # Slow for 100 steps, then ten times as fast.
        now[0] += 1.0 if step < 100 else 0.1
        beat.progress(step=step, total_steps=1000)
    for step in range(200, 900):
        now[0] += 0.1
        beat.progress(step=step)
    monkeypatch.undo()
    beat.start()
    beat.end("stopped")
    progress = read_status(run).progress
    assert progress.rate == pytest.approx(10.0, rel=0.01)
    assert progress.remaining == pytest.approx(101 / 10.0, rel=0.02)
