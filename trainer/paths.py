"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def at_home(path: str | Path) -> Path:
    """Write out a leading `~` or `~name`; where there is no such person it stays as it is.

    `Path.expanduser` raises for that.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def in_the_way(folder: Path) -> Path | None:
    """Give what keeps a folder from being made or written to, as far as can be known before.

    Returns:
        The nearest thing there: a file, or a folder that may not be written to; None if all is well.
    """
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return None if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else there
