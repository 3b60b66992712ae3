"""For every room: a composed config without the composer, and a training process without torch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import launch, proc
from trainer.runs.layout import RunFolder
from trainer.runs.status import Status, read_status

# What the engine does, as far as a run folder can tell; `how` chooses its manners.
FAKE_TRAINER = """
import os, signal, sys, time
from pathlib import Path
from trainer.runs import control
from trainer.runs.beat import TrainerBeat

run, how, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
stop = []
if "deaf" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: stop.append("TERM"))
beat = TrainerBeat(run, interval=0.2).start()
inbox = control.Inbox(run)
print("attempt", beat.attempt, "resume", beat.resume)
grown = bytearray(200 << 20) if "big" in how else None
deadline = time.monotonic() + seconds
step = 0
if how in ("blocked", "worker"):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
if how == "worker":
    # A loader's worker in a deadlock, deaf as they are, for which the step waits.
    worker = os.fork()
    if worker:
        Path(run, "worker").write_text(str(worker))
        os.waitpid(worker, 0)
    while True:
        signal.pause()
if how == "hang":
    # A step that never returns, while the heartbeat's thread lives on.
    beat.progress(step=1)
    while True:
        time.sleep(1000)
if how in ("loop", "blocked"):
    while True:
        pass
if how == "native":
    # A step that never gives Python back, so that no thread beats and no handler runs.
    sum(range(10**15))
while time.monotonic() < deadline:
    step += 1
    beat.progress(step=step, total_steps=1000, metrics={"train/loss": 1 / step})
    for request in inbox.poll():
        if request.kind == "stop" and "deaf" not in how:
            stop.append(request.reason or "asked")
            control.done(request)
    if stop:
        beat.stopping(stop[0])
        Path(run, "checkpoints", "last.txt").write_text(str(step))
        timeout = stop[0] == "timeout"
        beat.end("timeout" if timeout else "stopped", stop[0], 3 if timeout else 0)
        sys.exit(3 if timeout else 0)
    time.sleep(0.02)
if "fail" in how:
    raise RuntimeError("no such luck")
if "memory" in how:
    raise MemoryError
beat.end("completed", "max_steps reached", 0)
"""


@dataclass(frozen=True)
class FakeOrigin:
    where: str
    line: int | None
    text: str
    kind: str = "built-in"

    def __str__(self) -> str:
        return f"{self.where}:{self.line}"


@dataclass(frozen=True)
class FakeComposed:
    """What `trainer.config.compose.Composed` has, as far as runs use it."""

    config: dict[str, Any]
    provenance: dict[str, FakeOrigin] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    choices: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def yaml(self) -> str:
        return json.dumps(self.config)

    @property
    def hash(self) -> str:
        return "0" * 64


def pytest_configure() -> None:
    """Let Ctrl-C reach what the tests start: a shell's background job has it ignored from birth."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def composed() -> Callable[..., Any]:
    """Make a composed config, with sections to merge into the plain one."""

    def make(**sections: Any) -> FakeComposed:
        config = {
            "seed": 42,
            "trainer": {"accelerator": "cpu", "max_epochs": 1},
            "limits": {"wall_clock": None, "grace": 60, "memory_gb": None},
            "run": {"name": None, "tags": [], "num_threads": None},
            "data": {"root": None},
            **sections,
        }
        return FakeComposed(
            config=config,
            provenance={"seed": FakeOrigin("train.yaml", 3, "seed: 42")},
            overrides=("trainer.max_epochs=1",),
            choices={"preset": "quickstart"},
            notes=("a note",),
        )

    return make


@pytest.fixture
def fake_trainer(tmp_path: Path) -> Path:
    path = tmp_path / "fake_trainer.py"
    path.write_text(FAKE_TRAINER)
    return path


@pytest.fixture
def launched(make_run: Callable[..., RunFolder]) -> Callable[..., RunFolder]:
    """Make run folders as `make_run` does, and start them."""

    def make(how: str = "good", seconds: float = 60.0, **more: Any) -> RunFolder:
        run = make_run(how, seconds, **more)
        launch.start(run)
        return run

    return make


@pytest.fixture
def whole_checkpoint() -> Callable[[Path], None]:
    """Write a file that counts as a whole checkpoint."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", b"weights")

    return write


@pytest.fixture
def make_run(
    tmp_path: Path, composed: Callable[..., Any], fake_trainer: Path
) -> Iterator[Callable[..., RunFolder]]:
    """Make run folders whose training process is the fake one; none of them outlives the test."""
    made: list[RunFolder] = []

    def make(
        how: str = "good", seconds: float = 60.0, *, argv: list[str] | None = None, **limits: Any
    ) -> RunFolder:
        kill_s = limits.pop("kill_s", None)
        run = launch.create(
            composed(limits={"wall_clock": None, "grace": 60, "memory_gb": None, **limits}),
            runs_dir=tmp_path / "runs",
            name=how,
            argv=argv or [sys.executable, str(fake_trainer), "{run}", how, str(seconds)],
        )
        if kill_s is not None:
            identity = json.loads(run.run_json.read_text())
            identity["limits"]["kill_s"] = kill_s
            run.run_json.write_text(json.dumps(identity))
        made.append(run)
        return run

    yield make
    for run in made:
        status = read_status(run)
        for pid, start in (
            (status.supervisor_pid, status.supervisor_start),
            (status.pid, status.pid_start),
        ):
            if pid and pid != os.getpid() and proc.is_alive(pid, start):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def until() -> Callable[..., Status]:
    """Wait until a run's status fits, or fail with the status it has."""

    def wait(
        run: RunFolder, fits: Callable[[Status], bool] | str, *, timeout: float = 20.0
    ) -> Status:
        deadline = time.monotonic() + timeout
        while True:
            status = read_status(run)
            if status.state == fits if isinstance(fits, str) else fits(status):
                return status
            if time.monotonic() > deadline:
                output = run.output.read_text() if run.output.exists() else ""
                pytest.fail(f"still {status}\n{output}")
            time.sleep(0.02)

    return wait
