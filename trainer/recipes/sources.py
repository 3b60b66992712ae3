"""The Python files of a folder, such as the standard library's."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Third-party code is not the library; tests and caches are missing from many installations, and
# without them every installation of one Python version gives the same data.
EXCLUDED = frozenset(
    {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"}
)


def standard_library() -> Path:
    """Give the folder of the standard library of the Python that runs."""
    return Path(sysconfig.get_path("stdlib"))


def python_files(root: Path) -> Iterator[Path]:
    """Give the Python files below `root` that hold anything, symbolic links to folders left out."""
    if not root.is_dir():
        return
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in EXCLUDED]
        for name in names:
            path = Path(folder) / name
            if name.endswith(".py") and path.is_file() and path.stat().st_size > 0:
                yield path
