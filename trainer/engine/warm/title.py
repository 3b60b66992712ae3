"""The command line that other processes see of this one, which was forked and not executed. Linux."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

_PR_SET_MM, _PR_SET_MM_MAP = 35, 14
_ADDRESSES = (
    *("start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack"),
    *("arg_start", "arg_end", "env_start", "env_end"),
)
# Fields of /proc/PID/stat, as proc(5) counts them; the break is asked from the C library.
_IN_STAT = {
    "start_code": 26,
    "end_code": 27,
    "start_stack": 28,
    "start_data": 45,
    "end_data": 46,
    "start_brk": 47,
    "env_start": 50,
    "env_end": 51,
}

# The kernel reads the words from here as long as the process lives.
_words: ctypes.Array[ctypes.c_char] | None = None


class _Map(ctypes.Structure):
    """`struct prctl_mm_map` of linux/prctl.h."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in _ADDRESSES),
        ("auxv", ctypes.c_void_p),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    )


def set_command_line(argv: Sequence[str]) -> bool:
    """Let `/proc/PID/cmdline` give these words, so that `ps` shows what a fresh process would be.

    Args:
        argv: The words.

    Returns:
        False where the kernel does not allow it; the process then bears the server's name.
    """
    global _words
    data = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in argv)
    try:
        text = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.sbrk.restype = ctypes.c_void_p
        addresses = {name: int(text[field - 3]) for name, field in _IN_STAT.items()}
        words = ctypes.create_string_buffer(data, len(data))
        begin = ctypes.addressof(words)
        moved = _Map(
            **addresses,
            brk=libc.sbrk(ctypes.c_ssize_t(0)),
            arg_start=begin,
            arg_end=begin + len(data),
            auxv=None,
            auxv_size=0,
            # No other file: only a privileged process may name one.
            exe_fd=0xFFFFFFFF,
        )
        size = ctypes.c_ulong(ctypes.sizeof(moved))
        refused = libc.prctl(_PR_SET_MM, _PR_SET_MM_MAP, ctypes.byref(moved), size, 0)
    except (OSError, ValueError, IndexError, AttributeError):
        return False
    if refused:
        return False
    _words = words
    return True
