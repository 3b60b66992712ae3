"""What the app costs in a terminal of 120x40, beside a bare Textual app in the same run.

    python -m benchmarks.app               everything, in about two minutes
    python -m benchmarks.app start open    only some of it: start, open, live, keys

Times count from the start of the process to the arrival of the output that paints what is waited
for. Programs start in turns, and the median counts. CPU is that of all threads of the app, by the
kernel's clock. Memory is resident memory.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.events import _write as write_history
from benchmarks.runs import make_runs
from benchmarks.terminal import Terminal
from trainer.runs import proc
from trainer.runs.folders import make_folder
from trainer.runs.layout import RunFolder, write_json_atomic

Row = tuple[str, str, str]

_BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare and ready")
Bare().run()
"""

_TABLE = """
from textual.app import App
from textual.widgets import DataTable
class Table(App):
    def compose(self):
        yield DataTable()
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("name", "state", "step", "loss", "age", "host")
        table.add_rows([(f"bench {i}", "completed", i, 0.5, "1h", "vm") for i in range(10_000)])
Table().run()
"""

#: When the histories of `benchmarks.events` begin, in unix seconds.
_BEGAN = 1763678913

#: Stands before the title of the panel that keys act on.
_FOCUS = "▸"

#: A first start is not measured: it fills the caches of the disk.
_ROUNDS = 7


def traindeck(root: Path, *words: str) -> Terminal:
    """Start the app in a folder that holds `runs`."""
    return Terminal([sys.executable, "-m", "trainer.cli", *words], cwd=root)


def _program(code: str, root: Path) -> Terminal:
    return Terminal([sys.executable, "-c", code], cwd=root)


def dots(lines: list[str]) -> int:
    """Count the cells with dots of a chart."""
    return sum("\u2801" <= sign <= "\u28ff" for line in lines for sign in line)


def charted(lines: list[str]) -> bool:
    """Say whether there is a chart."""
    return dots(lines) > 100


def exact(lines: list[str]) -> bool:
    """Say whether there are charts that are not sampled."""
    return charted(lines) and not any("sampled" in line for line in lines)


# ── histories ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def project() -> Iterator[Path]:
    """Give a folder to work in."""
    with tempfile.TemporaryDirectory(prefix="traindeck-bench-") as folder:
        yield Path(folder)


def make_run(root: Path, steps: int, *, live: bool) -> RunFolder:
    """Make a run of five metrics that has ended, or one that seems to run in this process."""
    run = make_folder(root / "runs", "bench", {"preset": "quickstart", "recipe": "text"})
    write_history(run.events, steps)
    now = time.time()
    mine = proc.process_start_time(os.getpid())
    status = {
        "v": 1,
        "state": "running" if live else "completed",
        "writer": "supervisor",
        "host": proc.host_name(),
        "boot_id": proc.boot_id(),
        "pid": os.getpid(),
        "pid_start": mine,
        "supervisor_pid": os.getpid(),
        "supervisor_start": mine,
        "started": now - 3600,
        "heartbeat": now,
        "ended": None if live else now,
        "exit_code": None if live else 0,
        "attempt": 1,
        "progress": {"step": steps, "epoch": steps // 1000, "total_steps": 2 * steps},
    }
    write_json_atomic(run.status, status, sync=False)
    if not live:
        ended = {"v": 1, "ts": now, "event": "run_finished", "status": "completed", "exit_code": 0}
        with run.events.open("a") as file:
            file.write(json.dumps(ended) + "\n")
    return run


class Growth:
    """Adds steps to a history, some at a time."""

    def __init__(self, run: RunFolder, step: int, at_once: int) -> None:
        self._file = run.events.open("ab", buffering=0)
        self._dice = random.Random(3)
        self._step = step
        self._at_once = at_once

    def __call__(self) -> None:
        """Add the next steps."""
        lines = []
        for _ in range(self._at_once):
            step = self._step
            self._step += 1
            dice = self._dice.random
            metrics = {
                "train/loss": round(2.5 + 0.5 * math.sin(step / 5000) + 0.2 * dice(), 5),
                "grad_norm": round(0.5 + 0.3 * dice(), 4),
                "lr": round(3e-4 * dice(), 8),
                "perf/samples_per_sec": round(600 + 200 * dice(), 1),
                "perf/data_wait_sec": round(dice() / 100, 5),
            }
            at = {"v": 1, "ts": round(_BEGAN + step * 0.01, 2), "event": "metrics", "step": step}
            event = {**at, "epoch": step // 1000, "metrics": metrics}
            lines.append(json.dumps(event, separators=(",", ":")) + "\n")
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


# ── what is measured ─────────────────────────────────────────────────────────────────────────


def _painted(start: Callable[[], Terminal], seen: Callable[[list[str]], bool] | str) -> float:
    with start() as terminal:
        return terminal.wait(seen)


def _listed(count: int) -> Callable[[list[str]], bool]:
    def seen(lines: list[str]) -> bool:
        return f"{count:,}".replace(",", " ") in _plain(lines[0]) and any(
            "bench 0" in line for line in lines
        )

    return seen


def _plain(text: str) -> str:
    """Give a text with every kind of gap between thousands as a blank."""
    return "".join(" " if sign in ",\u00a0\u2009\u202f" else sign for sign in text)


def measure_start(root: Path) -> Iterator[Row]:
    """Measure the start to lists of runs, and to what else there could be instead."""
    make_runs(root / "runs", 1_000)
    bare: list[float] = []
    ours: list[float] = []
    for number in range(_ROUNDS + 1):
        pair = (
            _painted(lambda: _program(_BARE, root), "bare and ready"),
            _painted(lambda: traindeck(root), _listed(1_000)),
        )
        if number:
            bare.append(pair[0])
            ours.append(pair[1])
    ratio = statistics.median(own / peer for own, peer in zip(ours, bare, strict=True))
    yield (
        "start to the list of 1,000 runs",
        f"{ratio:.2f}x a bare Textual app ({_ms(ours)}, {_ms(bare)})",
        "<= 2.0x",
    )
    shutil.rmtree(root / "runs")
    make_runs(root / "runs", 10_000)
    many, table = [], []
    for number in range(4):
        pair = (
            _painted(lambda: _program(_TABLE, root), "bench 20"),
            _painted(lambda: traindeck(root), _listed(10_000)),
        )
        if number:
            table.append(pair[0])
            many.append(pair[1])
    yield (
        "start to the list of 10,000 runs",
        f"{_ms(many)} (a DataTable of as many rows: {_ms(table)})",
        "<= 600 ms",
    )
    shutil.rmtree(root / "runs")


def measure_open(root: Path) -> Iterator[Row]:
    """Measure a long finished run: first chart, exact charts, memory, and rest."""
    run = make_run(root, 1_000_000, live=False)
    bare, first, whole, memory, peak, idle = [], [], [], [], [], 0.0
    for number in range(6):
        peer = _painted(lambda: _program(_BARE, root), "bare and ready")
        with traindeck(root, "watch", str(run.path)) as terminal:
            early = terminal.wait(charted)
            late = terminal.wait(exact)
            if number == 0:
                continue
            bare.append(peer)
            first.append(early)
            whole.append(late)
            terminal.rest(0.5)
            memory.append(terminal.memory())
            peak.append(terminal.memory(peak=True))
            if number == 5:
                idle = _busy(terminal, 10.0)
    what = "opening a finished run of 1,000,000 steps x 5 metrics"
    yield f"{what}: first chart", f"{_ms(first)} (a bare Textual app: {_ms(bare)})", "<= 500 ms"
    yield f"{what}: exact", _ms(whole), "<= 1,500 ms"
    yield (
        f"{what}: resident memory",
        f"{statistics.median(memory):.0f} MB (peak {max(peak):.0f})",
        "<= 110 MB",
    )
    yield "finished run open, 10 s: CPU", f"{idle:.2f} % of a core", "<= 0.5 %"


def measure_live(root: Path) -> Iterator[Row]:
    """Measure a run of 100,000 steps that grows by ten steps a second."""
    run = make_run(root, 100_000, live=True)
    growth = Growth(run, 100_000, 1)
    with traindeck(root, "watch", str(run.path)) as terminal, terminal.every(0.1, growth):
        terminal.wait(exact)
        terminal.rest(3.0)
        before, began = terminal.cpu(), time.perf_counter()
        bursts = terminal.bursts(15.0)
        busy = (terminal.cpu() - before) / (time.perf_counter() - began) * 100
    growth.close()
    yield (
        "live at 10 steps/s on 100,000 steps of history, 15 s: CPU",
        f"{busy:.2f} % of a core",
        "<= 2 %",
    )
    yield (
        "bytes for a redraw of the whole monitor meanwhile",
        f"{statistics.median(bursts or [0]):,.0f} ({len(bursts) / 15:.1f} redraws a second)",
        "<= 1,000",
    )


def measure_keys(root: Path) -> Iterator[Row]:
    """Measure how soon a key is answered while a thousand events a second arrive."""
    run = make_run(root, 100_000, live=True)
    growth = Growth(run, 100_000, 20)
    dice = random.Random(5)
    tabs: list[float] = []
    with traindeck(root, "watch", str(run.path)) as terminal, terminal.every(0.02, growth):
        terminal.wait(exact)
        terminal.rest(2.0)

        def press(key: str, seen: Callable[[list[str]], bool]) -> float:
            terminal.rest(0.05 + 0.1 * dice.random())
            return terminal.wait(seen, since=terminal.send(key))

        for _ in range(30):
            tabs.append(press("3", lambda lines: not charted(lines)))
            tabs.append(press("1", charted))
        keys = [  # the cursor goes left, and to the next panel
            press(key, _differs(_focused(terminal.lines))) for key in ("\x1b[D", "\t") * 40
        ]
    growth.close()
    what = "key to paint while 1,000 events/s arrive, 95th percentile"
    for name, times in (("cursor and panels", keys), ("charts to checkpoints and back", tabs)):
        worst = statistics.quantiles(times, n=20)[-1]
        median = statistics.median(times)
        yield f"{what}: {name}", f"{worst * 1e3:.0f} ms (median {median * 1e3:.0f})", "<= 30 ms"


def _differs(before: str) -> Callable[[list[str]], bool]:
    return lambda lines: _focused(lines) != before


def _focused(lines: list[str]) -> str:
    """Give what the title of the panel says that keys act on, without what data change in it."""
    found = "".join(line.partition(_FOCUS)[2] for line in lines)
    return found[:30]


def _busy(terminal: Terminal, seconds: float) -> float:
    """Give the share of a core that the app takes, in percent."""
    before, began = terminal.cpu(), time.perf_counter()
    terminal.rest(seconds)
    return (terminal.cpu() - before) / (time.perf_counter() - began) * 100


def _ms(values: list[float]) -> str:
    return f"{statistics.median(values) * 1e3:,.0f} ms"


PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "start": measure_start,
    "open": measure_open,
    "live": measure_live,
    "keys": measure_keys,
}


def main(names: list[str] | None = None) -> list[Row]:
    """Measure everything, or some parts; give rows of (what, measured, target)."""
    rows: list[Row] = []
    for name in names or PARTS:
        with project() as root:
            try:
                rows += PARTS[name](root)
            except TimeoutError as error:
                print(error, file=sys.stderr)
                rows.append((name, str(error).partition("\n")[0], ""))
    return rows


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
