"""Runs made by hand, and a clock that stands still until a test moves it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from textual.app import App
from textual.screen import Screen
from textual.worker import WorkerCancelled

from trainer.config.compose import compose
from trainer.runs import proc
from trainer.runs.launch import _origins
from trainer.runs.layout import RunFolder, dumps, write_json_atomic
from tui.context import Context

#: The moment at which every test begins: 2026-03-01 12:00 UTC.
NOW = 1772366400.0


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time - NOW

    def move(self, seconds: float) -> None:
        self.time += seconds


def context(runs_dir: Path, **more: Any) -> Context:
    """A world for tests: nothing moves by itself."""
    return Context(
        **{
            "runs_dirs": (runs_dir,),
            "cwd": runs_dir.parent,
            "clock": FakeClock(),
            "live": False,
            **more,
        }
    )


def make_run(
    runs_dir: Path,
    name: str = "quick",
    *,
    run_id: str = "",
    state: str = "completed",
    created: float = NOW - 3600,
    tags: Iterable[str] = (),
    preset: str = "quickstart",
    recipe: str = "text",
    host: str = "vm",
    reason: str = "",
    step: int | None = 100,
    total_steps: int | None = 100,
    metrics: Mapping[str, float] | None = None,
    rate: float | None = 10.0,
    events: Iterable[Mapping[str, Any]] = (),
    overrides: Iterable[str] | None = None,
    output: str = "",
    parent: Mapping[str, str] | None = None,
) -> RunFolder:
    """Write a run folder as the launcher, the supervisor and the trainer leave it.

    A live state gets this process as its own, so that it counts as alive.

    Args:
        overrides: Compose a config for it from these words; `config.yaml` is a stub if None.
    """
    day = time.strftime("%Y-%m-%d", time.gmtime(created))
    run_id = run_id or f"{abs(hash((name, created))) % 36**6:07d}"[:7]
    path = runs_dir / day / f"{time.strftime('%H-%M-%S', time.gmtime(created))}-{name}-{run_id}"
    for part in ("logs", "checkpoints", "control", "outputs"):
        (path / part).mkdir(parents=True)
    run = RunFolder(path)
    composed = None if overrides is None else compose(list(overrides), cwd=runs_dir.parent)
    write_json_atomic(
        run.run_json,
        {
            "v": 1,
            "id": run_id,
            "name": name,
            "created": created,
            "tags": list(tags),
            "preset": preset,
            "recipe": recipe,
            "choices": {} if composed is None else dict(composed.choices),
            "host": host,
            "launcher": "local",
            "command": ["traindeck", "train", preset],
            "parent": dict(parent) if parent else None,
            "config_hash": "0" * 64,
            "cwd": str(runs_dir.parent),
            "runs_dir": str(runs_dir),
        },
        sync=False,
    )
    if composed is None:
        run.config.write_text("seed: 0\n")
        run.provenance.write_text("{}")
    else:
        run.config.write_text(composed.yaml())
        origins = _origins(composed)
        write_json_atomic(run.provenance, origins, sync=False)
    live = state in ("starting", "running", "stopping", "queued")
    write_json_atomic(
        run.status,
        {
            "v": 1,
            "state": state,
            "writer": "supervisor",
            "host": proc.host_name() if live else host,
            "boot_id": proc.boot_id(),
            "pid": os.getpid() if live else 999_999,
            "pid_start": proc.process_start_time(os.getpid()) if live else "1",
            "supervisor_pid": os.getpid() if live else 999_998,
            "supervisor_start": proc.process_start_time(os.getpid()) if live else "1",
            "started": created + 1,
            "heartbeat": created + 100,
            "ended": None if live else created + 100,
            "exit_code": None if live else (0 if state in ("completed", "stopped") else 1),
            "signal": None,
            "reason": reason,
            "attempt": 1,
            "progress": {
                "step": step,
                "epoch": 0,
                "total_steps": total_steps,
                "rate": rate,
                "metrics": dict(metrics or {"train/loss": 0.5, "val/loss": 0.6}),
            },
        },
        sync=False,
    )
    write_events(run, events)
    run.output.write_text(output)
    return run


def write_events(run: RunFolder | Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Append events to a run's stream, whole lines at once."""
    path = run.events if isinstance(run, RunFolder) else run
    text = "".join(dumps({"v": 1, **event}) + "\n" for event in events)
    with path.open("a") as file:
        file.write(text)


def training(
    steps: int,
    *,
    start: int = 1,
    total: int | None = None,
    ts: float = NOW - 3600,
    loss: Callable[[int], float] = lambda step: 2.0 * math.exp(-step / 300) + 0.5,
    every_val: int = 50,
    begin: bool = True,
    end: str = "",
) -> list[dict[str, Any]]:
    """The events of a training, a second a step: loss, norm, learning rate, throughput, memory.

    Args:
        steps: How many steps.
        start: The first one.
        total: Steps planned.
        ts: When it began.
        loss: The training loss at a step.
        every_val: Steps between validations.
        begin: Whether it begins with a `run_started`.
        end: The status of the `run_finished` at its end; none if empty.
    """
    events: list[dict[str, Any]] = []
    if begin:
        events.append(
            {
                "ts": ts,
                "event": "run_started",
                "run_id": "abc",
                "host": "vm",
                "pid": 1,
                "total_steps": total or steps,
                "total_epochs": 2,
                "metrics": {"train/loss": {"unit": "nats", "goal": "min"}},
            }
        )
    for step in range(start, start + steps):
        metrics: dict[str, float] = {
            "train/loss": loss(step),
            "grad_norm": 1.0 + math.sin(step / 9),
            "grad_clip_pct": 4.0,
            "lr": 1e-3 * (1 - step / (2 * (start + steps))),
            "perf/samples_per_sec": 800 + 40 * math.sin(step / 5),
            "perf/batch_time_sec": 0.05,
            "perf/data_wait_sec": 0.002,
            "memory/rss_bytes": 5e8 + step,
        }
        if step % every_val == 0:
            metrics["val/loss"] = loss(step) * 1.1
        events.append(
            {
                "ts": ts + step,
                "event": "metrics",
                "step": step,
                "epoch": (step - 1) // 100,
                "metrics": metrics,
            }
        )
    if end:
        events.append(
            {
                "ts": ts + start + steps,
                "event": "run_finished",
                "status": end,
                "reason": "max_steps reached",
                "exit_code": 0,
            }
        )
    return events


async def work_done(app: App[Any]) -> None:
    """Wait until the threads of the screens are done, also where newer work cancels older."""
    while app.workers:
        try:
            await app.workers.wait_for_complete()
        except WorkerCancelled:
            continue
        return


def shown(screen: Screen[Any]) -> str:
    """Give what a screen shows, as text."""
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())
