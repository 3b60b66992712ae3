"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def at_home(path: str | Path) -> Path:
    """Write out a leading `~` or `~name`; where there is no such person it stays as it is.

    `Path.expanduser` raises for that.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111
