"""Printing that cannot end training: what the disk behind the output refuses is lost, no more."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

from typing_extensions import override

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Unfailing(io.RawIOBase):
    """Writes to a descriptor, and forgets what it does not take (a full disk, a closed pipe).

    Args:
        descriptor: An open file; it stays open when this object is closed.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    @override
    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    @override
    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor

    @override
    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self._descriptor)

    @override
    def write(self, data: Buffer, /) -> int:
        """Write all of it, or as much as is taken; either way it counts as written."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            # Nobody could be told: this is what telling goes through.
            pass
        return size


def keep_printing() -> None:
    """Make standard output and error of this process unable to fail, and unbuffered."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if not isinstance(old, io.TextIOWrapper):
            continue  # closed, or somebody's own
        try:
            old.flush()
        except OSError:
            pass
        new = io.TextIOWrapper(
            # Without a buffer between, as under `python -u`: killed, it has said all it said.
            cast("BinaryIO", Unfailing(descriptor)),
            encoding=old.encoding,
            # A character that the encoding lacks must not end training either.
            errors="backslashreplace",
            line_buffering=True,
            write_through=True,
        )
        setattr(sys, name, new)
