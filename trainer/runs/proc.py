"""Which process is which: a pid alone is no name, since the kernel hands it out again.

A process is named by its pid **and** its start time, on one boot of one machine in one pid
namespace. Standard library only.
"""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_TICKS = os.sysconf("SC_CLK_TCK") if _LINUX else 100


def process_start_time(pid: int) -> str | None:
    """Give a text that tells this process from every other one that had or will have its pid.

    Args:
        pid: A process id on this machine.

    Returns:
        On Linux field 22 of `/proc/PID/stat` (clock ticks since boot), elsewhere what
        `ps -o lstart=` prints; None if there is no such process or it is a zombie.
    """
    if pid <= 0:
        return None
    if not _LINUX:
        return _start_time_by_ps(pid)
    fields = _stat_fields(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return fields[19]


def own_age() -> float:
    """Give the seconds since this process began; 0 where the system does not tell (not Linux)."""
    fields = _stat_fields(os.getpid()) if _LINUX else None
    if fields is None:
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / _TICKS)


def is_alive(pid: int | None, start: str | None) -> bool:
    """Tell whether that very process still runs (a zombie does not).

    Args:
        pid: Its pid; None is never alive.
        start: What `process_start_time` gave for it; without it nothing can be said, so False.
    """
    if not isinstance(pid, int) or not start:
        return False
    return process_start_time(pid) == str(start)


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Name this boot of this machine and this pid namespace; pids mean something only within.

    Two containers on one kernel share a boot id but not their pids, so the namespace is part
    of the name.
    """
    if _LINUX:
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            namespace = Path("/proc/self/ns/pid").stat().st_ino
        except OSError:
            return ""
        return f"{boot}/{namespace}"
    import subprocess

    try:
        answer = subprocess.run(
            ["sysctl", "-n", "kern.bootsessionuuid"],
            capture_output=True,
            check=False,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def host_name() -> str:
    """Name this machine as people know it."""
    return os.uname().nodename


def tree(pid: int) -> list[int]:
    """List a process and its descendants; empty if it is gone. Linux only, elsewhere itself."""
    if not _LINUX:
        return [pid]
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        try:
            with os.scandir(f"/proc/{current}/task") as entries:
                tasks = [entry.name for entry in entries]
        except OSError:
            found.pop()
            continue
        for task in tasks:
            try:
                children = Path(f"/proc/{current}/task/{task}/children").read_text()
            except OSError:
                continue
            waiting.extend(int(child) for child in children.split())
    return found


def memory_bytes(pid: int, *, above: float = 0.0) -> int:
    """Measure the resident memory of a process tree.

    Args:
        pid: The root of the tree.
        above: Below this many bytes the plain sum of RSS is good enough; from there on pages
            that processes share (forked loader workers) are counted once, which costs more.

    Returns:
        Bytes; 0 if nothing could be read.
    """
    pids = tree(pid)
    total = sum(_rss(member) for member in pids)
    if total <= above or len(pids) == 1:
        return total
    # One that has just ended counts nothing, and one that may not be looked into all it has.
    shares = ((_pss(member), member) for member in pids)
    shared = sum(_rss(member) if share is None else share for share, member in shares)
    # What is shared with others than these, as by trials forked from one server, counts here whole.
    return max(shared, *(_rss(member) for member in pids))


def _stat_fields(pid: int) -> list[str] | None:
    """Split `/proc/PID/stat` after the command name, which may hold blanks and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode("ascii", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields if len(fields) > 19 else None


def _rss(pid: int) -> int:
    if _LINUX:
        try:
            pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGESIZE")
    text = _ps(pid, "rss=")
    return int(text) * 1024 if text.isdigit() else 0


def _pss(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def _start_time_by_ps(pid: int) -> str | None:
    if _ps(pid, "state=").startswith("Z"):
        return None
    return _ps(pid, "lstart=") or None


def _ps(pid: int, column: str) -> str:
    """Ask `ps` for one column, in a fixed locale so that the same process reads the same."""
    import subprocess

    try:
        answer = subprocess.run(
            ["ps", "-o", column, "-p", str(pid)],
            capture_output=True,
            check=False,
            text=True,
            timeout=5,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(answer.stdout.split())
