"""What runs cost: the list of 10,000 from a fresh process, the supervisor, a launch.

`python -m benchmarks.runs` prints the rows; `main` gives them to the whole table.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trainer.runs import manage
from trainer.runs.folders import make_folder
from trainer.runs.index import INDEX
from trainer.runs.layout import RunFolder
from trainer.runs.status import read_status

RUNS = 10_000
REPEATS = 5

_LIST = """
import sys, time
from trainer.runs.index import RunIndex
runs = RunIndex(sys.argv[1]).list()
assert len(runs) == int(sys.argv[2]), len(runs)
"""


def make_runs(root: Path, count: int) -> None:
    """Make ended runs as they look on disk, one in a hundred still marked as running."""
    template = make_folder(root, "template")
    identity, status = (json.loads(p.read_text()) for p in (template.run_json, template.status))
    shutil.rmtree(template.path.parent)
    now = time.time()
    for number in range(count):
        run_id = f"r{number:06d}"
        day = time.strftime("%Y-%m-%d", time.localtime(now - 86_400 * (1 + number % 30)))
        folder = RunFolder(root / day / f"12-00-00-bench-{run_id}")
        folder.path.mkdir(parents=True)
        identity |= {"id": run_id, "name": f"bench {number}", "created": now - number}
        lost = number % 100 == 0
        status |= {
            "state": "running" if lost else "completed",
            "writer": "supervisor",
            "supervisor_start": "1",
            "exit_code": None if lost else 0,
            "ended": now,
            "progress": {"step": number, "total_steps": count, "metrics": {"val/loss": 0.5}},
        }
        folder.run_json.write_text(json.dumps(identity))
        folder.status.write_text(json.dumps(status))
        os.utime(folder.path, (now - 3600, now - 3600))


def _fresh_process(root: Path, count: int) -> float:
    """Time a whole process that lists the runs, Python's own start included, in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", _LIST, str(root), str(count)], check=True)
    return time.perf_counter() - began


def time_index(count: int = RUNS) -> tuple[float, float]:
    """Measure listing from cold: without an index, and with one; seconds, the median."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_runs(root, count)
        without = []
        for _ in range(3):
            (root / INDEX).unlink(missing_ok=True)
            without.append(_fresh_process(root, count))
        known = [_fresh_process(root, count) for _ in range(REPEATS)]
    return statistics.median(without), statistics.median(known)


def measure_supervisor() -> tuple[float, float, float]:
    """Measure a supervisor at work.

    Returns:
        Resident MB, its private share in MB, and CPU milliseconds for a second.
    """
    from trainer.runs import launch

    with tempfile.TemporaryDirectory() as folder:
        argv = ["/bin/sleep", "60"]
        run = make_folder(Path(folder), "bench", {"argv": argv})
        launch.start(run)
        deadline = time.monotonic() + 20
        while (status := read_status(run)).state != "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        pid = status.supervisor_pid
        before = _cpu_seconds(pid)
        time.sleep(4)
        busy = (_cpu_seconds(pid) - before) / 4
        rss, private = _memory_mb(pid)
        manage.kill_now(run)
    return rss, private, busy * 1000


def _memory_mb(pid: int | None) -> tuple[float, float]:
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) / 1024
    return fields["Rss"], fields["Private_Clean"] + fields["Private_Dirty"]


def _cpu_seconds(pid: int | None) -> float:
    """Read how long a process has been on a CPU, to the nanosecond, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def time_start() -> float:
    """Time `start` until the supervisor has the folder, in seconds, the median of five."""
    from trainer.runs import launch

    took = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            run = make_folder(Path(folder), "bench", {"argv": ["/bin/true"]})
            began = time.perf_counter()
            launch.start(run)
            took.append(time.perf_counter() - began)
            manage.wait(run, timeout=20)
    return statistics.median(took)


def main() -> list[tuple[str, str, str]]:
    """Measure everything.

    Returns:
        Rows of name, what was measured, and the target ("–" where there is none).
    """
    without, known = time_index()
    rss, private, busy = measure_supervisor()
    return [
        ("list of 10,000 runs, fresh process", f"{known:.2f} s", "< 0.5 s"),
        ("the same without an index (rebuilt)", f"{without:.2f} s", "–"),
        ("supervisor, resident", f"{rss:.1f} MB ({private:.1f} MB private)", "about 20 MB"),
        ("supervisor, CPU while watching", f"{busy:.1f} ms per s", "–"),
        ("start of a run until supervised", f"{time_start() * 1000:.0f} ms", "–"),
    ]


if __name__ == "__main__":
    for row in main():
        print("{:40} {:32} {}".format(*row))
