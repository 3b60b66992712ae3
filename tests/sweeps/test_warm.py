"""Warm workers: a forked trial is as a fresh one, whatever is killed, and the server computes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import proc
from trainer.runs.launch import start
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import State
from trainer.runs.warm import WarmPool

from .warmlab import ended, made, metrics, open_gate, standing, threads, training, until, words

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm workers need Linux")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand in a folder with the tiny recipe, one for all tests: a server stands in one folder."""
    with standing(tmp_path_factory.mktemp("warm")) as path:
        yield path


@pytest.fixture(scope="module")
def notes() -> list[str]:
    """What the pool says."""
    return []


@pytest.fixture(scope="module")
def pool(folder: Path, notes: list[str]) -> Iterator[WarmPool]:
    """A server for all tests of this page that do not kill it."""
    with WarmPool(log=folder / "warm.log", said=notes.append) as made:
        yield made


@pytest.fixture(autouse=True)
def _gate(folder: Path) -> Iterator[None]:
    with open_gate(folder):
        yield


def test_the_server_has_one_thread_and_knows_of_no_gpu(pool: WarmPool, notes: list[str]) -> None:
    until("it is up", pool.ready)
    assert notes == []
    assert pool.pid is not None
    assert threads(pool.pid) == 1
    code = (
        "import os, torch, weakref; asked = []\n"
        "for name in ('is_available', 'device_count', '_lazy_init'):\n"
        "    setattr(torch.cuda, name, lambda *_, name=name: asked.append(name))\n"
        "import trainer.engine.warm.__main__ as server\n"
        "server.load(['trainer.engine.fit', *server._LATER], and_then=server._remember)\n"
        "print(torch.cuda.is_initialized(), len(os.listdir('/proc/self/task')), len(asked))\n"
        # What was loaded is taken apart by no fork that ends.
        "print(any(each.atexit for each in weakref.finalize._registry))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1", "0", "False"]


def test_a_forked_trial_learns_the_same_and_is_the_same_to_look_at(pool: WarmPool) -> None:
    runs = made("model=around"), made("model=around")
    before = pool.warm
    pool(runs[0])
    start(runs[1])
    assert pool.warm == before + 1
    for run in runs:
        assert (ended(run).state, ended(run).exit_code) == (State.COMPLETED, 0), (
            run.output.read_text()
        )
    assert metrics(runs[0]) == metrics(runs[1])
    assert metrics(runs[0])
    first, second = (
        torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"] for run in runs
    )
    assert all(torch.equal(first[name], second[name]) for name in second)

    def seen(run: RunFolder) -> dict[str, Any]:
        text = (run.path / "around.json").read_text()
        return json.loads(text.replace(str(run.path), "RUN"))

    around = seen(runs[0]), seen(runs[1])
    assert around[0] == around[1]
    assert around[0]["threads"] == 2
    for name in ("environment.trainer.json",):
        told = [read_json(run.path / name)["seen"] for run in runs]
        assert told[0] == told[1]


def test_processes_have_names_and_sessions_of_their_own(pool: WarmPool, folder: Path) -> None:
    (folder / "gate").unlink()
    run = made()
    pool(run)
    status = training(run)
    assert status.pid is not None
    assert status.supervisor_pid is not None
    assert words(status.pid) == run.identity()["argv"]
    assert words(status.supervisor_pid)[1:5] == [
        "-P",
        "-m",
        "trainer.runs.supervisor",
        str(run.path),
    ]
    assert os.getsid(status.pid) == os.getpgid(status.pid) == status.pid
    assert os.getsid(status.supervisor_pid) == status.supervisor_pid
    # Nobody's files are held open in the trial but its own.
    held = {os.path.realpath(file) for file in Path(f"/proc/{status.pid}/fd").iterdir()}
    assert str(run.lock) not in held
    assert str(run.output) in held
    (folder / "gate").touch()
    assert ended(run).state == State.COMPLETED


@pytest.mark.parametrize("victim", ["trial", "supervisor", "stop"])
def test_what_is_killed_or_stopped_ends_as_ever(pool: WarmPool, folder: Path, victim: str) -> None:
    (folder / "gate").unlink()
    run = made("trainer.max_epochs=4")
    pool(run)
    status = training(run)
    if victim == "stop":
        os.kill(status.supervisor_pid or 0, signal.SIGTERM)
    else:
        pid = status.pid if victim == "trial" else status.supervisor_pid
        os.kill(pid or 0, signal.SIGKILL)
        if victim == "supervisor":
            until("it is gone", lambda: not proc.process_start_time(pid or 0))
            (folder / "gate").touch()
    end = ended(run)
    expected = {
        "trial": (State.KILLED, "killed by SIGKILL from outside"),
        # Training goes on, and speaks for itself.
        "supervisor": (State.COMPLETED, "max_epochs reached"),
        "stop": (State.STOPPED, "SIGTERM"),
    }
    assert (end.state, end.reason) == expected[victim]


def test_a_trial_that_fails_ends_with_its_own_words(pool: WarmPool) -> None:
    run = made("model=around", "model.fail=true")
    pool(run)
    end = ended(run)
    assert (end.state, end.exit_code) == (State.FAILED, 1)
    assert "told to fail" in end.reason
    assert "Traceback" in run.output.read_text()
    run = made("limits.wall_clock=1", "limits.grace=0", "trainer.max_epochs=999")
    pool(run)
    assert ended(run).state == State.TIMEOUT
    run = made()
    identity = run.identity()
    write_json_atomic(run.run_json, {**identity, "cwd": "/nowhere"})
    # Another folder than the server's: a fresh process tells.
    before = pool.warm
    pool(run)
    assert pool.warm == before
    assert "could not be started" in ended(run).reason


def test_memory_is_limited_as_ever(pool: WarmPool) -> None:
    run = made("limits.memory_gb=0.05", "trainer.max_epochs=9999")
    pool(run)
    end = ended(run)
    assert end.state == State.OUT_OF_MEMORY
    assert "more than 0.05 GiB" in end.reason


def test_what_a_tree_shares_with_others_counts_whole() -> None:
    code = (
        "import os, time; held = bytearray(b'x' * (64 << 20)); root = os.fork()\n"
        "if root == 0: os.fork(); time.sleep(600)\n"
        "print(root, flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert holder.stdout is not None
        root = int(holder.stdout.readline())
        until("there are two", lambda: len(proc.tree(root)) == 2)
        # Three processes have these pages; a share of two thirds would be less than there is.
        assert proc.memory_bytes(root, above=1.0) > 64 << 20
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()


def test_changed_sources_of_the_project_are_seen(pool: WarmPool, folder: Path) -> None:
    source = folder / "own.py"
    target = folder / "profiles" / "model" / "own.yaml"
    target.write_text("# M.\n_target_: own.Mine\n")
    (folder / "home" / "traindeck" / "settings.yaml").write_text(
        "allowed_prefixes: [enginelab, sweeplab, own]\n"
    )
    for word in ("one", "another"):
        source.write_text(
            "from enginelab.tiny import Net\nclass Mine(Net):\n"
            f"    def __init__(self):\n        print('{word}')\n        super().__init__()\n"
        )
        run = made("model=own")
        pool(run)
        assert ended(run).state == State.COMPLETED, run.output.read_text()
        assert run.output.read_text().splitlines()[-1] == word
