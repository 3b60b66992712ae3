"""How an end is told from all that is known about it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import ending
from trainer.runs.ending import conclude, last_lines, ran_out_of_memory
from trainer.runs.limits import Limits
from trainer.runs.status import State, Status

KILL, TERM, SEGV = -signal.SIGKILL, -signal.SIGTERM, -signal.SIGSEGV


def _own(state: str, reason: str = "own words") -> Status:
    return Status(state=State(state), reason=reason)


@pytest.mark.parametrize(
    ("returncode", "own", "known", "state", "reason"),
    [
        (0, None, {}, "completed", ""),
        (0, _own("completed"), {}, "completed", "own words"),
        (0, _own("stopped"), {}, "stopped", "own words"),
        (0, _own("stopped"), {"cause": "timeout", "why": "limit"}, "timeout", "limit"),
        (0, _own("stopped"), {"cause": "memory", "why": "limit"}, "out_of_memory", "limit"),
        (3, _own("timeout"), {}, "timeout", "own words"),
        (4, _own("out_of_memory"), {}, "out_of_memory", "own words"),
        (4, _own("out_of_memory"), {"cause": "memory", "why": "limit"}, "out_of_memory", "limit"),
        (1, _own("failed"), {}, "failed", "own words"),
        (SEGV, _own("completed"), {}, "completed", "own words; the process ended with SIGSEGV"),
        (0, _own("completed"), {"cause": "timeout", "why": "limit"}, "completed", "own words"),
        (0, None, {"cause": "stop", "why": "asked"}, "stopped", "asked"),
        (143, None, {"cause": "stop", "why": "asked"}, "stopped", "asked"),
        (1, None, {"cause": "timeout", "why": "limit"}, "timeout", "limit"),
        (130, None, {}, "stopped", "interrupted"),
        (1, None, {"tail": lambda: ["a", "ValueError: b"]}, "failed", "ValueError: b"),
        (2, None, {}, "failed", "exit code 2"),
        (3, None, {}, "failed", "exit code 3"),
        (4, None, {}, "out_of_memory", "out of memory"),
        (1, None, {"tail": lambda: ["MemoryError"]}, "out_of_memory", "MemoryError"),
        (
            1,
            None,
            {"tail": lambda: ["torch.OutOfMemoryError: CUDA out of memory. Tried"]},
            "out_of_memory",
            "torch.OutOfMemoryError",
        ),
        (
            1,
            None,
            {"tail": lambda: ["RuntimeError: CUDA error: out of memory"]},
            "out_of_memory",
            "RuntimeError",
        ),
        (1, None, {"tail": lambda: ["my MemoryErrors are many"]}, "failed", "my"),
        (
            1,
            None,
            {
                "tail": lambda: [
                    "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. "
                ],
                "kernel_evidence": lambda pid: f"the kernel killed {pid}",
            },
            "out_of_memory",
            "a loader worker died: the kernel killed 7",
        ),
        (KILL, None, {}, "killed", "killed by SIGKILL from outside"),
        (KILL, None, {"kernel_evidence": lambda _: "kernel log"}, "out_of_memory", "kernel log"),
        (TERM, None, {"kernel_evidence": lambda _: "kernel log"}, "killed", "killed by SIGTERM"),
        (KILL, None, {"cause": "timeout", "why": "limit"}, "timeout", "limit (SIGKILL)"),
        (KILL, None, {"cause": "kill", "why": "asked"}, "killed", "asked (SIGKILL)"),
        (TERM, None, {"cause": "stop", "why": "asked"}, "stopped", "asked"),
        (KILL, None, {"cause": "stop", "why": "asked"}, "killed", "killed by SIGKILL"),
        (SEGV, None, {}, "failed", "crashed with SIGSEGV"),
        (-40, None, {}, "failed", "crashed with signal 40"),
        (1, _own("running"), {}, "failed", "exit code 1"),
        (0, None, {"engine": True}, "failed", "it ended without saying how"),
        (0, _own("running"), {"engine": True}, "failed", "it ended without saying how"),
        (0, _own("stopping"), {"engine": True}, "stopped", "own words"),
        (0, None, {"engine": True, "cause": "stop", "why": "asked"}, "stopped", "asked"),
        (0, None, {"engine": True, "cause": "timeout", "why": "limit"}, "timeout", "limit"),
        (0, _own("running"), {}, "completed", ""),
    ],
)
def test_ends(
    returncode: int, own: Status | None, known: dict[str, Any], state: str, reason: str
) -> None:
    end = conclude(returncode, own, **known)
    assert end.state == state
    assert end.reason.startswith(reason)
    assert end.exit_code == (returncode if returncode >= 0 else None)
    assert end.signal == (-returncode if returncode < 0 else None)


def test_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    assert last_lines(path) == []
    path.write_bytes(b"x" * 100_000 + b"\nold\n")
    since = path.stat().st_size
    assert last_lines(path, since=since) == []
    with path.open("ab") as file:
        file.write(b" 10%|#  |\r100%|###|\r\n\n\x1b[31mred\x1b[0m \xff\nlast")
    assert last_lines(path, since=since) == ["100%|###|", "red \ufffd", "last"]
    assert last_lines(path, 1) == ["last"]


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group with 1000 bytes and two kills so far, and no kernel log to read."""
    monkeypatch.setattr(ending, "_oom_counter_file", lambda: tmp_path / "memory.events")
    monkeypatch.setattr(ending, "_log_speaks_of_our_pids", lambda: False)
    (tmp_path / "memory.events").write_text("low 0\noom 5\noom_kill 2\n")
    (tmp_path / "memory.max").write_text("1000\n")
    return tmp_path


def test_kernel_evidence_counts_only_new_kills(group: Path) -> None:
    evidence = ending.KernelEvidence()
    assert evidence.about(2**22, 900) == ""
    (group / "memory.events").write_text("low 0\noom 5\noom_kill 3\n")
    assert "control group" in evidence.about(2**22, 900)
    (group / "memory.events").unlink()
    assert evidence.about(2**22, 900) == ""
    evidence.close()


def test_a_kill_in_the_group_is_not_taken_for_that_of_a_small_process(group: Path) -> None:
    evidence = ending.KernelEvidence()
    (group / "memory.events").write_text("oom_kill 3\n")
    assert evidence.about(2**22, 249) == ""
    assert evidence.about(2**22, 250)
    (group / "memory.max").write_text("max\n")
    assert evidence.about(2**22, 250) == ""
    assert evidence.about(2**22, float("inf"))
    evidence.close()


def test_the_kernel_log_is_final_where_it_means_our_pids(
    group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = ending.KernelEvidence()
    evidence.close()
    (group / "memory.events").write_text("oom_kill 3\n")
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    evidence._kmsg = reader
    monkeypatch.setattr(ending, "_LOG_PATIENCE", 0.0)
    monkeypatch.setattr(ending, "_log_speaks_of_our_pids", lambda: True)
    os.write(writer, b"3,1,2,-;Out of memory: Killed process 41 (python)")
    assert evidence.about(4, 900) == ""
    os.write(writer, b"3,1,3,-;Memory cgroup out of memory: Killed process 4 (python)")
    assert "kernel log" in evidence.about(4, 1)
    evidence.close()
    os.close(writer)


def test_limits() -> None:
    limits = Limits.of({"wall_clock_s": 100, "grace_s": 30, "memory_gb": 2})
    assert (limits.ask_after_s, limits.memory_bytes) == (70, 2 * 2**30)
    assert Limits.of({"wall_clock_s": 100, "grace_s": 90}).ask_after_s == 50
    for odd in (None, [], {"wall_clock_s": "soon", "grace_s": -1, "memory_gb": float("nan")}):
        assert Limits.of(odd) == Limits()
    assert Limits().ask_after_s == float("inf")


class OutOfMemoryError(RuntimeError):
    """As torch's own."""


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("Allocation failed"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17.06 GB"), True),
        (
            RuntimeError("[enforce fail at x.cpp:1] . DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (RuntimeError("the out of memory handler is missing"), False),
        (ValueError("CUDA out of memory"), False),
    ],
)
def test_an_error_that_means_memory(error: BaseException, memory: bool) -> None:
    assert ran_out_of_memory(error) is memory
    # The same is told from a process's last line, where nobody was there to look at the error.
    last = (str(error).splitlines() or [""])[0]
    line = f"{type(error).__name__}: {last}" if last else type(error).__name__
    state = conclude(1, None, tail=lambda: [line]).state
    said = "out_of_memory" if memory or "CUDA" in line else "failed"
    assert state == said
