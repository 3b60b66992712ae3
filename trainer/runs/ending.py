"""How a run ended, from all that is known once its process is gone.

Pure functions and two small readers; standard library only, since the supervisor uses them.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainer.runs.layout import open_regular
from trainer.runs.status import TERMINAL, State, Status
from trainer.runs.values import printable

# How torch says in a plain RuntimeError, for each of its devices, that memory ran out.
_NO_MEMORY = (
    r"\b(?:CUDA|MPS|HIP|XPU)\b.{0,40}out of memory"
    r"|DefaultCPUAllocator: (?:can't allocate|not enough) memory"
    r"|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED"
)
_NO_MEMORY_TEXT = re.compile(_NO_MEMORY)
# What the last line says when memory ran out without the kernel stepping in.
_MEMORY_ERROR = re.compile(
    rf"^(?:MemoryError\b|[\w.]*OutOfMemoryError\b|\w*Error: .*(?:{_NO_MEMORY}))"
)
_WORKER_KILLED = re.compile(r"DataLoader worker \(pid\D*(\d+).* is killed by signal: Killed")
# A process with less than this share of the memory there is was not what filled it.
_LARGE_SHARE = 0.25
# The kernel's own pid namespace, whose pids its log speaks of.
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
# The kernel logs a kill just after it has sent the signal.
_LOG_PATIENCE = 0.3

# Our reasons to end a run, as `cause` below.
STOP, TIMEOUT, MEMORY, KILL = "stop", "timeout", "memory", "kill"


@dataclass(frozen=True)
class End:
    """The end of a run.

    Attributes:
        state: A terminal state.
        exit_code: The process's exit code; None if a signal ended it.
        signal: The signal's number; None if it exited by itself.
        reason: Why, in one line for people.
    """

    state: State
    exit_code: int | None
    signal: int | None
    reason: str


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, on the host or on a device."""
    if isinstance(error, MemoryError):
        return True
    # By name, since torch is not for this module: its own class is younger than its texts.
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and bool(_NO_MEMORY_TEXT.search(str(error)))


def in_words(error: BaseException) -> str:
    """Give an exception's class and the first line of its text, fit for showing."""
    kind = type(error).__name__
    first = printable((str(error).splitlines() or [""])[0][:1000])[:500]
    return f"{kind}: {first}" if first else kind


def conclude(
    returncode: int,
    own: Status | None,
    *,
    engine: bool = False,
    cause: str = "",
    why: str = "",
    kernel_evidence: Callable[[int | None], str] = lambda _: "",
    tail: Callable[[], list[str]] = list,
) -> End:
    """Settle how a run ended.

    Args:
        returncode: As `subprocess` gives it: the exit code, or minus the signal's number.
        own: What the process itself said last in this attempt: its end, or what it was at.
        engine: Whether it is our own engine, which never ends well without saying so.
        cause: Why the supervisor had asked it to end: "", "stop", "timeout", "memory", "kill".
        why: That cause in words.
        kernel_evidence: Says, when asked, what shows that the kernel killed this process for
            memory, or the child of it whose pid it is given.
        tail: Gives, when asked, the last lines of output.

    Returns:
        The end. The process's own word counts first; an end by our hand counts as what we
        ended it for; out of memory needs evidence.
    """
    code = returncode if returncode >= 0 else None
    number = -returncode if returncode < 0 else None
    recorded = own if own is not None and own.state in TERMINAL else None

    if recorded is not None and recorded.state is not State.KILLED:
        state, reason = recorded.state, recorded.reason
        if cause == MEMORY and state in (State.STOPPED, State.OUT_OF_MEMORY):
            return End(_state_for(cause), code, number, why)  # which has the figure
        if state is State.STOPPED and cause == TIMEOUT:
            return End(_state_for(cause), code, number, why)
        if returncode != 0 and state in (State.COMPLETED, State.STOPPED) and code != 130:
            how = _signal_name(number) if number else f"exit code {code}"
            extra = f"the process ended with {how} afterwards, while closing"
            reason = f"{reason}; {extra}" if reason else extra
        return End(state, code, number, reason)

    if number is not None:
        return _by_signal(number, cause, why, kernel_evidence, tail)
    if cause in (TIMEOUT, MEMORY, KILL):
        return End(_state_for(cause), code, None, why)
    if code == 0 and own is not None and own.state is State.STOPPING:
        return End(State.STOPPED, 0, None, why or own.reason)
    if code == 0 and engine and cause != STOP:
        return End(State.FAILED, 0, None, "it ended without saying how")
    if code == 0:
        return End(State.STOPPED if cause == STOP else State.COMPLETED, 0, None, why)
    if cause == STOP or code == 130:
        return End(State.STOPPED, code, None, why or "interrupted")
    lines = tail()
    last = lines[-1] if lines else ""
    if code == 4 or _MEMORY_ERROR.match(last):
        return End(State.OUT_OF_MEMORY, code, None, last or "out of memory")
    killed = next((found for line in lines if (found := _WORKER_KILLED.search(line))), None)
    if killed is not None:
        evidence = kernel_evidence(int(killed[1]))
        if evidence:
            return End(State.OUT_OF_MEMORY, code, None, f"a loader worker died: {evidence}")
    return End(State.FAILED, code, None, _in_short(lines) or f"exit code {code}")


def _by_signal(
    number: int,
    cause: str,
    why: str,
    kernel_evidence: Callable[[int | None], str],
    tail: Callable[[], list[str]],
) -> End:
    name = _signal_name(number)
    if cause in (TIMEOUT, MEMORY, KILL):
        return End(_state_for(cause), None, number, f"{why} ({name})")
    if cause == STOP and number in (signal.SIGTERM, signal.SIGINT):
        return End(State.STOPPED, None, number, why)
    if number == signal.SIGKILL:
        evidence = kernel_evidence(None)
        if evidence:
            return End(State.OUT_OF_MEMORY, None, number, evidence)
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        return End(State.KILLED, None, number, f"killed by {name} from outside")
    lines = tail()
    short = _in_short(lines)
    return End(State.FAILED, None, number, f"crashed with {name}" + (f": {short}" if short else ""))


def _state_for(cause: str) -> State:
    return {
        STOP: State.STOPPED,
        TIMEOUT: State.TIMEOUT,
        MEMORY: State.OUT_OF_MEMORY,
        KILL: State.KILLED,
    }[cause]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _in_short(lines: list[str]) -> str:
    """Give the line that says most: the last one, which is where Python puts the error."""
    return lines[-1][:500] if lines else ""


def last_lines(path: Path, count: int = 5, *, since: int = 0) -> list[str]:
    """Read the last lines of an output file that are not blank, fit for showing.

    Args:
        path: The file.
        count: How many lines at most.
        since: Byte offset where this attempt's output begins.

    Returns:
        The lines, oldest first; empty if there is nothing or no file.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - 16384))
            text = file.read(16384).decode("utf-8", "replace")
    except OSError:
        return []
    # A progress bar redraws its line with carriage returns; only what stood last counts.
    lines = [line.rstrip("\r").rpartition("\r")[2].strip() for line in text.split("\n")]
    return [printable(line) for line in lines if line][-count:]


class KernelEvidence:
    """Notices whether the kernel killed a process for want of memory while this object lived.

    Where the kernel's log may be read and speaks of our pids, its word is final. Elsewhere the
    control group's counter of such kills (both cgroup versions) has to do: it counts everybody
    in the group, so it stands for a process only that itself held much of the memory.
    """

    def __init__(self) -> None:
        self._counter = _oom_counter_file()
        self._before = _oom_kills(self._counter)
        self._kmsg: int | None = None
        try:
            self._kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._kmsg, 0, os.SEEK_END)
        except OSError:
            self.close()

    def about(self, pid: int, peak: float) -> str:
        """Say what shows that the kernel killed a process for memory; empty if nothing does.

        Args:
            pid: The process that died.
            peak: The most memory that it held, in bytes; infinite if unknown.
        """
        rose = _oom_kills(self._counter) > self._before
        if self._kmsg is not None:
            deadline = time.monotonic() + (_LOG_PATIENCE if rose else 0.0)
            while not (named := self._log_names(pid)) and time.monotonic() < deadline:
                time.sleep(0.02)
            if named:
                return "the kernel killed it for want of memory (kernel log)"
            if _log_speaks_of_our_pids():
                return ""
        if rose and peak >= _LARGE_SHARE * _memory_there_is(self._counter):
            return "the kernel killed it for want of memory (control group's counter)"
        return ""

    def _log_names(self, pid: int) -> bool:
        """Read on in the kernel's log until a kill of that process or the end."""
        assert self._kmsg is not None
        wanted = re.compile(rf"\bKilled process {pid}\b")
        for _ in range(10_000):
            try:
                record = os.read(self._kmsg, 8192).decode("utf-8", "replace")
            except BrokenPipeError:
                # Older records were overwritten while we read; go on with the next.
                continue
            except OSError:
                break
            if wanted.search(record):
                return True
        return False

    def close(self) -> None:
        """Let go of the kernel's log."""
        if self._kmsg is not None:
            os.close(self._kmsg)
            self._kmsg = None


def _log_speaks_of_our_pids() -> bool:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE
    except OSError:
        return False


def _memory_there_is(counter: Path | None) -> float:
    """Give the bytes that a process here can have at most: the group's limit or the machine's."""
    limits = [float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGESIZE")]
    for folder in counter.parents if counter is not None else ():
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                limits.append(float((folder / name).read_text()))
            except (OSError, ValueError):
                # No limit at this level: no such file, or it says "max".
                continue
    return min(limits)


def _oom_counter_file() -> Path | None:
    """Find the file that counts kills for memory in our control group."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            candidate = Path("/sys/fs/cgroup") / path.lstrip("/") / "memory.events"
        elif "memory" in controllers.split(","):
            candidate = Path("/sys/fs/cgroup/memory") / path.lstrip("/") / "memory.oom_control"
        else:
            continue
        if candidate.exists():
            return candidate
    return None


def _oom_kills(path: Path | None) -> int:
    if path is None:
        return 0
    try:
        text = path.read_text()
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0
