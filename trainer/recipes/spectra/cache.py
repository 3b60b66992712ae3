"""Light curves on disk, each under a name that tells what it was made from."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.recipes.spectra import calibrate, layout, parquet, tables
from trainer.recipes.spectra.calibrate import Settings
from trainer.recipes.spectra.layout import INSTRUMENTS, Observation, missing
from trainer.recipes.spectra.tables import Tables


def cache_home() -> Path:
    """Give the folder of what this recipe keeps, by the XDG rules; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "traindeck" / "spectra"


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash the modules that decide what a light curve is."""
    digest = hashlib.sha256()
    for module in (calibrate, layout, parquet, tables):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Curves:
    """Light curves of one data set with one way of calibrating.

    A file's name holds its planet and two keys: one of the settings and the code, one of the files
    that the curves were made from (their sizes and times) and of what the tables say of them.

    Attributes:
        folder: Where they lie; made when the first is kept.
        tables: The data set's tables.
        settings: How they are calibrated.
    """

    folder: Path
    tables: Tables
    settings: Settings

    def path(self, seen: Observation) -> Path:
        """Give where an observation's curves lie, or would lie.

        Raises:
            Unreadable: A file that they are made from is missing.
        """
        files = []
        for path in seen.inputs():
            try:
                status = path.stat()
            except OSError as error:
                raise missing(path) from error
            files.append([path.name, status.st_size, status.st_mtime_ns])
        gains = [self.tables.gain(seen.planet, instrument) for instrument in INSTRUMENTS]
        columns = self.tables.columns.tolist()
        inputs = _digest(
            [str(seen.folder.resolve()), files, gains, columns, self.tables.integration]
        )
        return self.folder / f"{self._stem(seen)}-{inputs}.npy"

    def have(self, seen: Observation) -> bool:
        """Tell whether an observation's curves are there, made from the files as they are now.

        Raises:
            Unreadable: A file that they are made from is missing.
        """
        return self.path(seen).is_file()

    @contextmanager
    def alone(self, waiting: Callable[[], Any]) -> Iterator[None]:
        """Let one process at a time calibrate, so that trials side by side do not all do the same.

        Args:
            waiting: Called before another one is waited for.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("a")
        except OSError:  # a cache that cannot be written is done without
            yield
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def get(self, seen: Observation) -> NDArray[np.float32]:
        """Give an observation's curves, of shape (time_bins, 283); made and kept where they lack.

        Several processes may ask at once: each writes a file of its own and puts it in its place
        whole.

        Raises:
            Unreadable: A file is missing, truncated or odd.
        """
        path = self.path(seen)
        if (
            found := _load(path, (self.settings.time_bins, len(self.tables.wavelengths)))
        ) is not None:
            return found
        curves = calibrate.light_curves(seen, self.tables, self.settings)
        _keep(path, lambda part: np.save(part, curves))
        for old in self.folder.glob(f"{self._stem(seen)}-*.npy"):
            if old != path:
                old.unlink(missing_ok=True)
        return curves

    def _stem(self, seen: Observation) -> str:
        place = hashlib.sha256(str(seen.folder.resolve()).encode("utf-8", "surrogateescape"))
        settings = _digest([self.settings.key(), _code()])
        return f"{seen.planet}_{seen.number}-{place.hexdigest()[:8]}-{settings}"


def _load(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # not there, or not whole: it is made again
    return found if found.shape == shape and found.dtype == np.float32 else None


def _keep(path: Path, write: Callable[[Any], None]) -> None:
    """Write a file, whole or not at all; a cache that cannot be written is done without."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                write(file)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError:
        pass


def _digest(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
