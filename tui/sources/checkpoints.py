"""What lies in a run's folder of checkpoints; called in a thread."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from trainer.runs.layout import RunFolder
from tui.text import clean

_MOST = 2000


@dataclass(frozen=True)
class OnDisk:
    """A file in the folder.

    Attributes:
        name: Its name; harmless text.
        path: Where it lies, as it is: not for showing.
        bytes: Its size.
        time: When it was written, unix seconds.
        link: The name of the file that it points to; empty if it is no link.
    """

    name: str
    path: str
    bytes: int
    time: float
    link: str = ""


def scan(run: RunFolder) -> tuple[dict[str, OnDisk] | None, str]:
    """List a run's checkpoints.

    Returns:
        The files by name, and why they cannot be listed; no files at all in that case.
    """
    from trainer.runs.manage import checkpoint_folder

    folder = checkpoint_folder(run)
    found: dict[str, OnDisk] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(found) < _MOST and entry.name.endswith(".ckpt"):
                    _add(found, entry)
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return None, clean(f"the folder of checkpoints cannot be read: {why}")
    return found, ""


def _add(found: dict[str, OnDisk], entry: os.DirEntry[str]) -> None:
    try:
        info = entry.stat()
        link = os.path.basename(os.readlink(entry.path)) if entry.is_symlink() else ""  # noqa: PTH115, PTH119
    except OSError:
        # Gone meanwhile, or a link whose target is.
        return
    if stat.S_ISREG(info.st_mode):
        name = clean(entry.name)
        path = os.path.abspath(entry.path)  # noqa: PTH100
        found[name] = OnDisk(name, path, info.st_size, info.st_mtime, clean(link))
