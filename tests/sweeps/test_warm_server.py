"""The server of warm workers: what it loads, what it says when it cannot, how it ends."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import proc, warm
from trainer.runs.status import State
from trainer.runs.warm import WarmPool, needs_fresh

from .warmlab import ended, made, open_gate, standing, training, until

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm workers need Linux")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand in a folder with the tiny recipe, one for all tests: a server stands in one folder."""
    with standing(tmp_path_factory.mktemp("warm")) as path:
        yield path


@pytest.fixture(autouse=True)
def _gate(folder: Path) -> Iterator[None]:
    with open_gate(folder):
        yield


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
