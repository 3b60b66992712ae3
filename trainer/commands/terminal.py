"""Whether the app can have this terminal, and how to hand it over."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: Set by every continuous integration service that we know of.
_CI = "CI"
_NO = ("", "0", "false", "no", "off")


def app_fits(*, plain: bool = False, piped: bool = False) -> bool:
    """Say whether to open the app rather than to print lines.

    It takes a person at a terminal: output that goes elsewhere, a terminal that cannot move its
    cursor, and continuous integration stay plain.

    Args:
        plain: The person asked for lines, with `--no-tui` or with an option that only lines have.
        piped: Standard input is the stream to watch, so keys must come from the controlling
            terminal.
    """
    if plain or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return False
    if os.environ.get(_CI, "").lower() not in _NO:
        return False
    if not _is_terminal(1):
        return False
    return _has_controlling_terminal() if piped else _is_terminal(0)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _has_controlling_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def keys_from_terminal() -> int:
    """Make the controlling terminal standard input, and give what was there another number.

    Returns:
        The descriptor of the stream that standard input was.

    Raises:
        OSError: There is no controlling terminal.
    """
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    try:
        stream = os.dup(0)
        os.set_inheritable(stream, False)
        os.dup2(terminal, 0)
    finally:
        os.close(terminal)
    return stream


@contextmanager
def screen_on_stderr() -> Iterator[None]:
    """Let the app draw although standard error goes to a file.

    Textual draws on standard error; where a person sends that to a file (`2>err.log`), the
    screen would go with it.
    """
    if _is_terminal(2):
        yield
        return
    kept = sys.__stderr__
    terminal = open("/dev/tty", "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a device, no file
    sys.__stderr__ = terminal  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stderr__ = kept  # type: ignore[misc]
        with suppress(OSError):  # it may be gone, with what was still to be written
            terminal.close()
