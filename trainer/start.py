"""Where `traindeck` begins and ends: a Ctrl-C before or after the command is 130 and no words.

Only what Python has loaded anyway is imported, since until `listen` has run a Ctrl-C is a traceback.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` dresses up with enums, which takes milliseconds
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_INTERRUPTED = 130  # trainer.errors.EXIT_INTERRUPTED


def leave(number: int | None = None, frame: FrameType | None = None) -> None:
    """End the process now, with what it has printed so far; a handler for SIGINT."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # Interrupted while it was writing, or nobody reads.
            continue
    if number is not None and os.isatty(2):
        os.write(2, b"\n")  # the terminal has printed ^C, and the prompt follows
    # Not sys.exit: imports and callbacks may swallow an exception, and a KeyboardInterrupt that
    # met a piece of compiled text makes Python end by the signal, whatever the exit code.
    os._exit(_INTERRUPTED)


def listen() -> None:
    """Leave at once on a Ctrl-C from here on, unless the caller has Ctrl-C ignored."""
    _swap(_signal.default_int_handler, leave)


def run(command: Callable[[], None]) -> None:
    """Run the command line, which handles Ctrl-C as it likes; before and after it is ours.

    Raises:
        SystemExit: As the command does.
    """
    try:
        _swap(leave, _signal.default_int_handler)
        try:
            command()
        finally:
            # Python's own end takes its time, too.
            _swap(_signal.default_int_handler, leave)
    except KeyboardInterrupt:
        leave()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            leave()
        raise


class LeavingAtOnce:
    """Leave at once on a Ctrl-C while inside, where nothing has been made that needs tidying."""

    def __enter__(self) -> None:
        self._swapped = _swap(_signal.default_int_handler, leave)

    def __exit__(self, *_: object) -> None:
        if self._swapped:
            _swap(leave, _signal.default_int_handler)


def _swap(old: object, new: Callable[[int, FrameType | None], object]) -> bool:
    """Set SIGINT's handler if it is `old` now; tell whether it was."""
    if _signal.getsignal(_signal.SIGINT) is not old:
        return False
    try:
        _signal.signal(_signal.SIGINT, new)
    except ValueError:
        # Not the main thread, where no Ctrl-C arrives anyway.
        return False
    return True


def main() -> None:
    """Be `traindeck`."""
    listen()
    from trainer.cli import main as command_line

    run(command_line)
