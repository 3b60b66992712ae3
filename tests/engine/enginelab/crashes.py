"""Kills trainings, at every point of a save or at random moments, and resumes them.

`python -m enginelab.crashes TEMPLATE FOLDER` and `python -m enginelab.crashes RUN`. One process imports everything, trains once and forks twice for each point: a training that kills itself there
with SIGKILL, and one that goes on from what is left.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from trainer.engine import archive, files
from trainer.engine.fit import fit
from trainer.runs import orders
from trainer.runs.proc import process_start_time

# Of the many writes of one file, those at whose half the process dies.
WRITES = (1, 30)
AUDITED = {"open", "os.rename", "os.remove", "os.link", "os.symlink"}


class Death:
    """Comes at the n-th point of the second save.

    Args:
        at: Which point, from 0.
        told: A file for the names of the points that were passed or reached.
        folder: The checkpoints' folder.
    """

    def __init__(self, at: int, told: Path, folder: Path) -> None:
        self.left, self.told, self.folder = at, told.open("w"), str(folder.resolve())
        self.saves = self.writes = 0
        self.armed = False

    def point(self, name: str) -> None:
        if not self.armed:
            return
        self.armed = False  # writing this down is no point
        self.told.write(f"{name}\n")
        self.told.flush()
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        self.armed = True

    def audit(self, event: str, arguments: tuple) -> None:
        if not self.armed or event not in AUDITED:
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        paths = [Path(a).absolute() for a in arguments[:2] if isinstance(a, str | Path)]
        for path in paths[:: -1 if event in ("os.link", "os.symlink") else 1]:
            if str(path.parent) == self.folder:
                self.point(f"{event} {path.name.replace(f'.{os.getpid()}.', '.PID.')}")
                return

    def lie_in_wait(self) -> None:
        write, take = archive.Archive.write, archive.take
        report, fsync, put = archive.Archive._report, os.fsync, files._Noting.write

        def writing(*arguments):
            self.saves += 1
            self.armed = self.saves == 2
            self.point("before the snapshot")
            write(*arguments)

        def taking(*arguments):
            snapshot = take(*arguments)
            self.point("after the snapshot")
            return snapshot

        def reporting(*arguments):
            self.point("before the event")
            report(*arguments)
            self.point("after the event")
            self.armed = False

        def syncing(descriptor):
            self.point("fsync")
            fsync(descriptor)

        def putting(file, data):
            self.writes += self.armed
            if self.armed and self.writes in WRITES:
                put(file, memoryview(data)[: len(data) // 2])
                file.flush()
                self.point(f"half of write {self.writes}")
                return put(file, memoryview(data)[len(data) // 2 :])
            return put(file, data)

        archive.Archive.write, archive.take = writing, taking
        archive.Archive._report, os.fsync, files._Noting.write = reporting, syncing, putting
        sys.addaudithook(self.audit)


def in_a_child(work) -> int:
    """Run in a fork and give its exit code; −9 where it was killed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(run: Path) -> int:
    os.environ[orders.ENV_RUN] = str(run)
    os.environ[orders.ENV_SUPERVISOR] = f"{os.getppid()}:{process_start_time(os.getppid())}"
    return fit(run)


def killed_now_and_then(run: Path, times: int = 5) -> None:
    """Kill a training that saves all the time at random moments, and look at what it leaves."""
    marker, reached = run / "checkpoints" / "last.ckpt", 0
    chance = random.Random(5)
    for _ in range(times):
        seen = marker.stat().st_mtime_ns if marker.exists() else None
        child = os.fork()
        if child == 0:
            train(run)
            os._exit(70)  # it was to go on until it is killed
        deadline = time.monotonic() + 200
        while not (marker.exists() and marker.stat().st_mtime_ns != seen):
            time.sleep(0.01)
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "training ended by itself"
            if time.monotonic() > deadline:
                break  # what is left says so
        time.sleep(chance.uniform(0.0, 0.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for file in (run / "checkpoints").glob("*.ckpt"):
            torch.load(file, weights_only=True)
        step = torch.load(marker, weights_only=True)["global_step"]
        assert step >= max(reached, 1), (step, reached)
        reached = step
    print(reached)


def look_and_go_on(run: Path) -> int:
    """Note the step of every checkpoint that a person would find, then resume."""
    found = {
        path.name: torch.load(path, weights_only=True)["global_step"]
        for path in (run / "checkpoints").glob("*.ckpt")
    }
    (run / "found.json").write_text(json.dumps(found))
    return train(run)


def main(template: Path, folder: Path) -> None:
    """Try every point; copies of `template` are left in `folder`, named by their number."""
    # What a first training imports is imported once, and not by every child.
    shutil.copytree(template, folder / "warm", symlinks=True)
    train(folder / "warm")
    for number in range(100):
        run = folder / str(number)
        shutil.copytree(template, run, symlinks=True)

        def die(run: Path = run, number: int = number) -> int:
            Death(number, run / "points", run / "checkpoints").lie_in_wait()
            return train(run)

        if in_a_child(die) == 0:
            print(number)
            return
        (run / "resumed").write_text(str(in_a_child(lambda run=run: look_and_go_on(run))))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        killed_now_and_then(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
