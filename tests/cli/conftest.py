"""The installed command, run as a person would, on a training small enough for a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from trainer.runs.layout import RunFolder
from trainer.runs.status import TERMINAL, Status, read_status

TINY = (
    "quickstart",
    "model=gpt_nano",
    "model.dim=16",
    "model.context=32",
    "data.max_items=12",
    "dataloader.batch_size=4",
    "trainer.val_check_interval=20",
    "trainer.limit_val_batches=2",
    "run.num_threads=1",
)
"""Overrides that make the quickstart take a second beyond its start-up."""


class Deck:
    """Runs `traindeck` in a folder of its own."""

    tiny = TINY

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs_dir = folder / "runs"
        self.env = {
            **os.environ,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "TRAINDECK_RUNS_DIR": str(self.runs_dir),
            "COLUMNS": "200",
        }
        self.started: list[subprocess.Popen[str]] = []

    def __call__(
        self, *args: str, code: int | None = 0, stdin: str = "", cwd: Path | None = None
    ) -> Any:
        """Run a command to its end and check its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "trainer.cli", *args],
            cwd=cwd or self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"{args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(
        self, *args: str, program: Sequence[str] = ("-m", "trainer.cli")
    ) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        process = subprocess.Popen(
            [sys.executable, *program, *args],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def train(
        self, *overrides: str, steps: int = 60, code: int | None = 0, cwd: Path | None = None
    ) -> RunFolder:
        """Train to the end and give the run's folder."""
        done = self(
            "train",
            *TINY,
            f"trainer.max_steps={steps}",
            *overrides,
            "--json",
            code=code,
            cwd=cwd,
        )
        ended = json.loads(done.stdout.splitlines()[-1])
        return RunFolder(Path(ended["path"]))

    def launch(self, *overrides: str, steps: int = 100_000) -> RunFolder:
        """Launch a run that goes on for long, and wait until it trains."""
        done = self("train", *TINY, f"trainer.max_steps={steps}", *overrides, "--json", "--detach")
        run = RunFolder(Path(json.loads(done.stdout)["path"]))
        self.until(lambda: (read_status(run).progress.step or 0) > 2, run)
        return run

    def follow(self, *args: str) -> tuple[subprocess.Popen[str], RunFolder]:
        """Start a followed run and wait until it trains."""
        process = self.start("train", *TINY, "trainer.max_steps=100000", *args)
        end = time.monotonic() + 90
        while not (found := list(self.runs_dir.glob("*/*/status.json"))):
            assert time.monotonic() < end, "no run folder appeared"
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        run = RunFolder(found[0].parent)
        self.until(lambda: (read_status(run).progress.step or 0) > 2, run)
        return process, run

    def until(self, holds: Callable[[], bool], run: RunFolder, seconds: float = 90) -> None:
        """Wait until something holds, or fail with what the run printed."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                output = run.output.read_text() if run.output.exists() else "(no output)"
                pytest.fail(f"still not so: {read_status(run)}\n{output[-3000:]}")
            time.sleep(0.05)

    def ended(self, run: RunFolder, seconds: float = 90) -> Status:
        """Wait for a run's end."""
        self.until(lambda: read_status(run).state in TERMINAL, run, seconds)
        return read_status(run)

    def close(self) -> None:
        """Kill whatever a failed test has left."""
        from trainer.runs.manage import kill_now

        for process in self.started:
            process.kill()
            process.communicate()
        for status_file in self.runs_dir.glob("*/*/status.json"):
            run = RunFolder(status_file.parent)
            if read_status(run).state not in TERMINAL:
                kill_now(run)


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    """Give the command in a folder of the test's own."""
    deck = Deck(tmp_path)
    yield deck
    deck.close()


@pytest.fixture(scope="session")
def shared_deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """Give a folder with one finished run that tests only read."""
    deck = Deck(tmp_path_factory.mktemp("deck"))
    yield deck
    deck.close()


@pytest.fixture(scope="session")
def finished(shared_deck: Deck) -> RunFolder:
    """Give a run that has completed."""
    return shared_deck.train("--name", "shared", "--tag", "demo")
