"""A supervisor that comes up after its launcher has given up does not train."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.errors import RunError
from trainer.runs import launch
from trainer.runs.layout import RunFolder
from trainer.runs.status import Status, read_status

MakeRun = Callable[..., RunFolder]
Until = Callable[..., Status]


def test_a_supervisor_that_nobody_waits_for_gives_up(make_run: MakeRun) -> None:
    run = make_run()
    reader, writer = os.pipe()
    os.close(reader)
    words = [str(run.path), "--ready-fd", str(writer)]
    done = subprocess.run(
        [sys.executable, "-m", "trainer.runs.supervisor", *words],
        pass_fds=(writer,),
        check=False,
        timeout=30,
    )
    os.close(writer)
    status = read_status(run)
    assert (done.returncode, status.state, status.pid) == (2, "failed", None)
    assert "launcher was gone" in status.reason
    assert not run.output.exists()


def test_a_slow_supervisor_is_given_up_and_nothing_trains(
    make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = make_run()
    done, slow = tmp_path / "done", tmp_path / "python"
    # What is slow goes on in a process of its own, as after the supervisor has detached itself.
    slow.write_text(f'#!/bin/sh\n(sleep 1; {sys.executable} "$@"; touch {done}) &\nsleep 60\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    monkeypatch.setattr(launch, "_READY_TIMEOUT", 0.2)
    with pytest.raises(RunError, match="did not come up"):
        launch.start(run)
    assert read_status(run).state == "failed"
    deadline = time.monotonic() + 20
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    until(run, lambda s: "launcher was gone" in s.reason)
    assert "attempt" not in run.output.read_text()
