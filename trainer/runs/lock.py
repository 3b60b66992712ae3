"""One process at a time speaks for a run folder: an exclusive lock that dies with its holder.

Standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import os

from trainer.runs.layout import RunFolder

_UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def take(run: RunFolder) -> int:
    """Take the folder's lock without waiting.

    File systems without locks grant it to everyone; the check of live pids stands alone there.

    Returns:
        A descriptor that holds the lock until it is closed or the process dies.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: The folder cannot be written.
    """
    descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        lock_descriptor(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def lock_descriptor(descriptor: int) -> bool:
    """Lock an open file without waiting.

    Returns:
        False where the file system has no locks.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: Anything else that went wrong.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True
