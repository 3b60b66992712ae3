"""Warm workers: a forked trial is as a fresh one, whatever is killed, and the server computes nothing."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.config.compose import compose
from trainer.runs import proc, warm
from trainer.runs.launch import create, start
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import State, Status, read_status
from trainer.runs.warm import WarmPool, needs_fresh

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm workers need Linux")

HERE = Path(__file__).parent
PATIENCE = 400.0
TINY = (
    "trainer=defaults",
    "data=gated",
    "model=net",
    "loss=plain",
    "callbacks=none",
    "logger=none",
    "trainer.max_epochs=2",
    "dataloader.batch_size=4",
    "run.num_threads=2",
    "seed=3",
)
PROFILES = {
    "data/gated.yaml": "# D.\n_target_: sweeplab.gated.GatedData\n",
    "data/open.yaml": "# D.\n_target_: enginelab.tiny.Data\n",
    "model/net.yaml": "# M.\n_target_: enginelab.tiny.Net\n",
    "model/around.yaml": "# M.\n_target_: sweeplab.around.Around\n",
    "loss/plain.yaml": "# L.\n_target_: enginelab.tiny.Loss\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand in a folder with the tiny recipe, one for all tests: a server stands in one folder."""
    path = tmp_path_factory.mktemp("warm")
    for name, text in PROFILES.items():
        file = path / "profiles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    settings = path / "home" / "traindeck" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("allowed_prefixes: [enginelab, sweeplab]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(path / "home"))
        patch.setenv(
            "PYTHONPATH", f"{HERE}:{HERE.parent / 'engine'}:{os.environ.get('PYTHONPATH', '')}"
        )
        patch.chdir(path)
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
    """Let data come quickly unless a test closes the gate."""
    (folder / "gate").touch()
    yield
    (folder / "gate").touch()


def made(*overrides: str) -> RunFolder:
    return create(compose([*TINY, *overrides]), runs_dir="runs", name="trial")


def until(what: str, holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def ended(run: RunFolder) -> Status:
    until(f"{run.path} ends", lambda: read_status(run).terminal)
    return read_status(run)


def training(run: RunFolder) -> Status:
    """Wait until it is in the middle of its steps."""

    def steps() -> bool:
        assert not read_status(run).terminal, run.output.read_text()
        return (read_status(run).progress.step or 0) > 6

    until("it trains", steps)
    return read_status(run)


def metrics(run: RunFolder) -> list[Any]:
    """Give all numbers that do not tell of time or memory."""
    events = map(json.loads, run.events.read_text().splitlines())
    return [
        (
            event["step"],
            {k: v for k, v in event["metrics"].items() if k[:4] in ("trai", "val/", "grad")},
        )
        for event in events
        if event["event"] == "metrics"
    ]


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


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


def test_the_server_loads_installed_code_and_notices_when_other_code_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.engine.warm.__main__ import changed, loadable, stamps

    source = tmp_path / "torch_of_mine.py"
    source.write_text("class Mine: pass\n")
    os.utime(source, (1e9, 1e9))
    monkeypatch.syspath_prepend(str(tmp_path))
    allowed = (
        "torch.distributed.launcher.api.LaunchConfig",
        "torch_of_mine.Mine",
        "torch.hub.load",
    )
    monkeypatch.delitem(sys.modules, "torch.distributed.launcher.api", raising=False)
    assert loadable(allowed) == ["torch.distributed.launcher.api"]
    importlib.import_module("torch_of_mine")
    known = stamps({})
    assert str(source) in known
    assert torch.__file__ not in known
    assert changed({str(source): known[str(source)]}) == ""
    source.write_text("class Mine:\n    changed = True\n")
    # What else this process has loaded may have gone since.
    assert changed({str(source): known[str(source)]}) == str(source)
    # Written since this process began: before or after it was read, nobody knows.
    assert changed({str(source): stamps({})[str(source)]}) == str(source)
    ahead = time.time() + 3600
    os.utime(source, (ahead, ahead))
    assert changed({str(source): stamps({})[str(source)]}) == ""


def test_without_a_server_trials_start_fresh_and_one_line_says_so(folder: Path) -> None:
    notes: list[str] = []
    with WarmPool(log=folder / "warm2.log", said=notes.append) as pool:
        until("it is up", pool.ready)
        (folder / "gate").unlink()
        first = made()
        pool(first)
        training(first)
        assert pool.pid is not None
        os.kill(pool.pid, signal.SIGKILL)
        (folder / "gate").touch()
        second = made()
        pool(second)
        assert pool.warm == 1
        for run in (first, second):
            assert ended(run).state == State.COMPLETED
        (said,) = notes
        assert "fresh processes from here on" in said


def test_a_server_that_cannot_load_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(warm, "SERVER", "no.such.server")
    with WarmPool(log=folder / "warm3.log", said=notes.append) as pool:
        until("it is known", pool.ready)
        assert pool.pid is None
    (said,) = notes
    assert "No module named" in said


def test_what_an_earlier_server_printed_is_not_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, notes = folder / "warm4.log", list[str]()
    log.write_text("words of an earlier one\n")
    monkeypatch.setattr(warm, "_UP_WITHIN", -1.0)
    with WarmPool(log=log, said=notes.append) as pool:
        until("it is given up", pool.ready)
    (said,) = notes
    assert "did not come up in time" in said
    assert "words of an earlier one" not in said


def test_a_supervisor_that_is_gone_is_not_killed_by_its_number(folder: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    somebody = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    def answer() -> None:
        _, descriptors, _, _ = socket.recv_fds(theirs, 1 << 20, 3)
        for descriptor in descriptors:
            os.close(descriptor)
        theirs.send(json.dumps({"pid": somebody.pid}).encode())

    server = threading.Thread(target=answer)
    with theirs, WarmPool() as pool:
        pool._channel = ours
        server.start()
        # Its supervisor ended at once, and its number was given to somebody else.
        settle = pool._order([], ["run"], 1, 2)
        settle(False)
        server.join()
        somebody.communicate(b"\n")
    assert somebody.returncode == 0


def test_an_environment_too_large_for_an_order_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setenv("LARGE", "x" * (8 << 20))
    with theirs, WarmPool(said=notes.append) as pool:
        pool._channel = ours
        with pytest.raises(warm._GoneError):
            pool._order([], ["run"], 1, 2)
    (said,) = notes
    assert "no order reaches it (Message too long)" in said


def test_a_server_whose_driver_is_gone_while_it_loads_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainer.engine.warm import __main__ as server

    monkeypatch.setattr(server, "load", lambda *_, **__: None)
    monkeypatch.setattr(server, "spin_briefly", lambda: None)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    assert server.main([str(theirs.detach())]) == 0


def test_the_server_ends_with_its_driver_and_trials_go_on(folder: Path) -> None:
    (folder / "gate").unlink()
    run = made()
    code = (
        "import sys, time; from pathlib import Path; from trainer.runs.layout import RunFolder\n"
        "from trainer.runs.warm import WarmPool; pool = WarmPool(); pool(RunFolder(Path(sys.argv[1])))\n"
        "print(pool.pid, flush=True); time.sleep(600)"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    server = int(driver.stdout.readline())
    training(run)
    driver.kill()
    driver.wait()
    until("the server is gone", lambda: proc.process_start_time(server) is None)
    (folder / "gate").touch()
    assert ended(run).state == State.COMPLETED


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"strategy": "ddp"}, "trainer.strategy"),
        ({"devices": 2}, "trainer.devices"),
        ({"devices": [0, 1]}, "trainer.devices"),
        ({"devices": -1}, "trainer.devices"),
        ({"num_nodes": 2}, "trainer.num_nodes"),
        ({"compile": {"mode": "default"}}, "trainer.compile"),
        ({"strategy": "auto", "devices": "auto", "num_nodes": 1, "compile": False}, ""),
        ({"devices": [1]}, ""),
    ],
)
def test_what_must_not_be_forked_is_known(section: dict[str, Any], key: str) -> None:
    assert needs_fresh({"trainer": section}) == key
