"""Asks how the learning rate will move over a run, of a process that has torch; this one has none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trainer.config.torch_rules import is_whole
from trainer.errors import ConfigError, Problem, RunError
from trainer.events.text import clean
from trainer.runs.program import python

_MODULE = "trainer.engine.lr_server"
#: What Lightning takes where neither an end in epochs nor one in steps is set.
_LIGHTNING_EPOCHS = 1000


@dataclass(frozen=True)
class Curve:
    """The learning rate over a run; see `trainer.engine.lr_curve.curve` for where it comes from.

    Attributes:
        groups: Names of the optimiser's parameter groups.
        unit: What places count: `step` (optimiser steps) or `epoch`, where it is unknown how many
            steps an epoch has.
        total: How many of them the run has, or are shown.
        known: Whether the config says how long the run is.
        stepped: Whether every step of the scheduler was taken; otherwise `rows` are chosen steps.
        exact: Whether the bins hold the least and greatest of all their steps for sure.
        rows: A place, and the lr of each group from there until the next row.
        width: Places of a bin.
        first: For each group, the lr at the first place of each bin.
        low: The least lr in each bin.
        high: The greatest.
        last: The lr at the last place.
        points: A name, a place and the lr of each group.
        notes: What a person should know of it.
    """

    groups: list[str]
    unit: str
    total: int
    known: bool
    stepped: bool
    exact: bool
    rows: list[list[float]]
    width: int
    first: list[list[float]]
    low: list[list[float]]
    high: list[list[float]]
    last: list[list[float]]
    points: list[list[Any]]
    notes: list[str]

    @property
    def distinct(self) -> list[int]:
        """Numbers of the groups whose curves differ, the first of each kind."""
        seen: dict[tuple[tuple[float, ...], ...], int] = {}
        for number in range(len(self.groups)):
            marks = tuple(tuple(part[number]) for part in (self.low, self.high, self.last))
            seen.setdefault(marks, number)
        return list(seen.values())

    def name(self, number: int) -> str:
        """Name a group, with those that move alike."""
        marks = [(self.low[n], self.high[n], self.last[n]) for n in range(len(self.groups))]
        alike = [name for n, name in enumerate(self.groups) if marks[n] == marks[number]]
        if len(alike) == len(self.groups):
            return "all parameters"
        # "Muon, weight decay" and "Muon, no weight decay" are all that Muon has.
        heads = {name.partition(", ")[0] for name in alike}
        return " and ".join(sorted(heads) if len(heads) < len(alike) else alike)


def length_of(config: Mapping[str, Any], batches: int | None = None) -> dict[str, Any]:
    """Say how long a run is, as far as its config tells.

    Args:
        config: A composed config.
        batches: Batches of an epoch for each device, if known.
    """
    trainer = config.get("trainer") or {}
    steps, epochs = trainer.get("max_steps"), trainer.get("max_epochs")
    quick = trainer.get("fast_dev_run") or 0
    if quick:
        steps, epochs, batches = int(quick), 1, int(quick)
    unlimited = not isinstance(steps, int) or steps < 0
    if epochs is None and unlimited and trainer.get("max_time") is None:
        epochs = _LIGHTNING_EPOCHS
    return {
        "steps": None if unlimited else steps,
        "epochs": epochs if isinstance(epochs, int) and epochs >= 0 else None,
        "batches": batches,
        "accumulate": trainer.get("accumulate_grad_batches") or 1,
    }


def needs_batches(config: Mapping[str, Any]) -> bool:
    """Say whether the curve depends on how many batches an epoch has."""
    length = length_of(config)
    if length["batches"] is not None:
        return False
    scheduler = config.get("scheduler") or {}
    off = scheduler.get("enabled") is False
    whole = scheduler.get("interval") is None and is_whole(scheduler)
    in_steps = length["epochs"] is None if whole else _counts_steps(scheduler)
    counted = "step" if in_steps or off else "epoch"
    if counted == "epoch":
        return length["steps"] is not None
    return length["epochs"] is not None or (scheduler.get("frequency") or 1) > 1


def request_of(config: Mapping[str, Any], batches: int | None = None) -> dict[str, Any]:
    """Write the request for a config's curve."""
    return {
        "optimizer": config.get("optimizer") or {},
        "scheduler": config.get("scheduler") or {},
        "length": length_of(config, batches),
    }


def notes_of(config: Mapping[str, Any]) -> list[str]:
    """Say what may make the run's learning rate another than the curve's."""
    trainer = config.get("trainer") or {}
    notes = []
    lr = trainer.get("resume_lr")
    if lr is not None:
        notes.append(f"A run that goes on from a checkpoint takes {lr:g} as its base (resume_lr).")
    target = (config.get("model") or {}).get("_target_")
    if isinstance(target, str) and not target.startswith("trainer.recipes."):
        notes.append(
            f"If {clean(target)} is a LightningModule with an optimiser of its own, that counts."
        )
    return notes


class CurveProcess:
    """A process with torch that answers one request after the other; started by the first.

    Use it as a context manager, or `close` it. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[bytes] | None = None
        self._count = 0
        self._closed = False

    def __enter__(self) -> CurveProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process ahead of the first request.

        Raises:
            RunError: It cannot be started.
        """
        with self._lock:
            self._begin()

    def curve(self, config: Mapping[str, Any], batches: int | None = None) -> Curve:
        """Compute the curve of a composed config; takes a second the first time.

        Raises:
            ConfigError: Torch refuses the settings.
            RunError: The process failed.
        """
        found = self.ask(request_of(config, batches))["curve"]
        return Curve(**{**found, "notes": [*found["notes"], *notes_of(config)]})

    def batches(self, config: Mapping[str, Any]) -> int:
        """Build the config's data and count the batches of an epoch; takes as long as that takes.

        Raises:
            ConfigError: The data cannot be built or counted.
            RunError: The process failed.
        """
        return int(self.ask({"config": config})["batches"])

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            ConfigError: The answer is a problem.
            RunError: The process failed.
        """
        with self._lock:
            process = self._begin()
            self._count += 1
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps({**request, "id": self._count}) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (OSError, ValueError):
                line = ""
            if not line:
                raise RunError(Problem(self._why(process)))
        found: dict[str, Any] = json.loads(line)
        if problems := found.get("problems"):
            raise ConfigError(*(Problem(**problem) for problem in problems))
        return found

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._closed = True
        process, self._process = self._process, None
        if process is None:
            return
        # What the data started would hold our pipe open, and go on for nobody.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for stream in (process.stdin, process.stdout, self._said):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def _begin(self) -> subprocess.Popen[str]:
        if self._closed:
            raise RunError("the computation of the learning rate was ended")
        if self._process is None or self._process.poll() is not None:
            # It lives as long as the process.
            self._said = tempfile.TemporaryFile()  # noqa: SIM115
            try:
                self._process = subprocess.Popen(
                    [*python(Path.cwd()), "-m", _MODULE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    start_new_session=True,
                )
            except OSError as error:
                raise RunError(f"the learning rate cannot be computed: {error}") from error
        return self._process

    def _why(self, process: subprocess.Popen[str]) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        said: Sequence[str] = ()
        if self._said is not None and not self._said.closed:
            self._said.seek(0)
            text = self._said.read().decode("utf-8", "replace")
            said = [line for line in text.splitlines() if line.strip()]
        code = process.returncode
        ended = "its process ended" + ("" if code is None else f" with exit code {code}")
        last = clean(said[-1]) if said else ended
        return f"the learning rate cannot be computed: {last}"


def _counts_steps(scheduler: Mapping[str, Any]) -> bool:
    """Say whether a scheduler counts steps, as the engine decides it."""
    if scheduler.get("type") is None and not scheduler.get("warmup"):
        return True
    warmup = scheduler.get("warmup")
    inner = warmup.get("interval") if isinstance(warmup, Mapping) else None
    counted = scheduler.get("interval") or inner
    if counted is not None:
        return bool(counted == "step")
    return bool(warmup) or scheduler.get("type") == "InverseLR"
