"""The list of runs: read from the folders, remembered in SQLite, never trusted over them.

What the index remembers of a run counts only while the run folder's time stamp stands still
(status files are replaced by renaming, which moves it) and only once the run is over; live
runs are read anew each time. The index is a cache: missing, stale, corrupt, locked or on a
read-only disk, the list is the same, only slower.
"""

from __future__ import annotations

import math
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from trainer.errors import Problem, RunError, nearest
from trainer.paths import at_home
from trainer.runs.layout import RunFolder
from trainer.runs.status import State
from trainer.runs.summary import UNREADABLE, RunSummary, set_tags, summarise
from trainer.runs.values import printable

__all__ = ["UNREADABLE", "RunIndex", "RunSummary", "find", "scan", "set_tags", "summarise"]

INDEX = ".index.sqlite"
_VERSION = 1
# Time stamps tick coarsely: what changed this shortly before it was read may change again
# without moving its stamp.
_SETTLE_NS = 2_000_000_000
# A lost run on another host may come back (its network did); after a day we stop asking.
_LOST_NS = 86_400_000_000_000
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


_Runs = list[RunSummary]


class _Entry(NamedTuple):  # made ten thousand times at the start, in a tenth of a dataclass's time
    stamp: int
    read_at: int
    summary: RunSummary

    def holds(self, stamp: int, now: int) -> bool:
        """Tell whether this still describes a folder with that time stamp."""
        if stamp != self.stamp or abs(self.read_at - stamp) < _SETTLE_NS or self.summary.live:
            return False
        return self.summary.state != State.LOST or now - stamp > _LOST_NS


class RunIndex:
    """The runs in one folder; safe to use from several processes at once.

    Args:
        runs_dir: The folder of runs; it need not exist.
    """

    def __init__(self, runs_dir: Path | str) -> None:
        self.runs_dir = at_home(runs_dir).absolute()
        self._path = self.runs_dir / INDEX
        self._known: dict[str, _Entry] | None = None

    def list(self, *, state: Iterable[str] = (), tag: str = "", name: str = "") -> list[RunSummary]:
        """List the runs, newest first.

        Args:
            state: Only runs in one of these states; all if empty.
            tag: Only runs with this tag.
            name: Only runs whose name holds this text, in any case.

        Returns:
            One summary for each run; folders that hold no readable run are in it as such.
        """
        runs = self._refresh()
        wanted = frozenset(state)
        if wanted:
            runs = [run for run in runs if run.state in wanted]
        if tag:
            runs = [run for run in runs if tag in run.tags]
        if name:
            runs = [run for run in runs if name.casefold() in run.name.casefold()]
        return sorted(runs, key=lambda run: (run.created, run.id), reverse=True)

    def rebuild(self) -> int:
        """Forget everything remembered and read all folders again.

        Returns:
            The number of runs.
        """
        self._known = {}
        self._forget()
        return len(self._refresh())

    def _refresh(self) -> _Runs:
        """Look at every folder's time stamp, and into those that changed."""
        if self._known is None:
            self._known = self._load()
        now, root = time.time_ns(), str(self.runs_dir)
        current: dict[str, _Entry] = {}
        fresh: dict[str, _Entry] = {}
        for relative, stamp in scan(self.runs_dir, self._known):
            entry = self._known.get(relative)
            if entry is None or not entry.holds(stamp, now):
                entry = _Entry(stamp, now, summarise(f"{root}/{relative}"))
                if entry.holds(stamp, now):
                    fresh[relative] = entry
            current[relative] = entry
        gone = [relative for relative in self._known if relative not in current]
        if fresh or gone:
            self._save(fresh, gone)
        self._known = current
        return [entry.summary for entry in current.values()]

    def _open(self) -> sqlite3.Connection:
        # A rollback journal, no WAL: that needs shared memory, which network disks lack.
        connection = sqlite3.connect(self._path, timeout=0.3, isolation_level=None)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _load(self) -> dict[str, _Entry]:
        """Read what is remembered; nothing if it cannot be used."""
        if not self._path.is_file():
            return {}
        try:
            address = f"{self._path.as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=0.3)) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version != _VERSION:
                    self._forget()
                    return {}
                rows = connection.execute(
                    "SELECT path, stamp, read_at, doc, odd FROM runs"
                ).fetchall()
            # One decode of everything costs a tenth of a decode for each run.
            document = b"[" + b",".join(row[3] for row in rows) + b"]"
            summaries = msgspec.json.decode(document, type=_Runs)
            root = str(self.runs_dir)
            return {
                row[0]: _Entry(row[1], row[2], _with_odd(summary, row[4]))
                for row, summary in zip(rows, summaries, strict=True)
                # A runs folder that was moved is read anew: paths are part of the answer.
                if summary.path == f"{root}/{row[0]}"
            }
        except sqlite3.OperationalError:
            # Locked or unreadable just now; it may be fine for others.
            return {}
        except (sqlite3.DatabaseError, msgspec.MsgspecError, ValueError, TypeError):
            self._forget()
            return {}

    def _save(self, fresh: dict[str, _Entry], gone: Iterable[str]) -> None:
        """Remember; where that fails the next list is slower, no more."""
        rows = []
        for relative, entry in fresh.items():
            try:
                relative.encode()
                doc, odd = _encode(entry.summary)
            except UnicodeEncodeError:
                # A folder name that is no UTF-8 is read anew each time.
                continue
            rows.append((relative, entry.stamp, entry.read_at, doc, odd))
        known = [(name,) for name in gone if name.isprintable()]
        try:
            with closing(self._open()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS runs"
                    " (path TEXT PRIMARY KEY, stamp INTEGER, read_at INTEGER,"
                    " doc BLOB, odd BLOB)"
                    " WITHOUT ROWID"
                )
                connection.execute(f"PRAGMA user_version={_VERSION}")
                connection.executemany("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?)", rows)
                connection.executemany("DELETE FROM runs WHERE path=?", known)
                connection.execute("COMMIT")
        except sqlite3.OperationalError:
            return
        except (sqlite3.DatabaseError, OverflowError):
            self._forget()

    def _forget(self) -> None:
        for path in (self._path, self._path.with_name(INDEX + "-journal")):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                return


def _encode(summary: RunSummary) -> tuple[bytes, bytes | None]:
    """Encode a summary; metrics that JSON has no number for go apart."""
    metrics = summary.progress.metrics
    odd = {name: str(value) for name, value in metrics.items() if not math.isfinite(value)}
    if not odd:
        return msgspec.json.encode(summary), None
    kept = {name: value for name, value in metrics.items() if name not in odd}
    plain = replace(summary, progress=replace(summary.progress, metrics=kept))
    return msgspec.json.encode(plain), msgspec.json.encode(odd)


def _with_odd(summary: RunSummary, odd: bytes | None) -> RunSummary:
    """Put back the metrics that `_encode` kept apart."""
    if odd is None:
        return summary
    values = msgspec.json.decode(odd, type=dict[str, str])
    metrics = {**summary.progress.metrics, **{name: float(text) for name, text in values.items()}}
    return replace(summary, progress=replace(summary.progress, metrics=metrics))


def scan(runs_dir: Path, known: Iterable[str] = ()) -> Iterator[tuple[str, int]]:
    """Find run folders.

    A run lies directly in the runs folder or, as ours do, one level below in a folder named by
    its date; hidden folders count for nothing. In a dated folder everything but the folder of a
    sweep counts as a run, so that a broken one is seen; elsewhere only what holds `run.json` or
    `status.json`.

    Args:
        runs_dir: The folder of runs.
        known: Paths that are known to be runs, relative to it.

    Yields:
        The path relative to the runs folder and the folder's time stamp in nanoseconds.
    """
    remembered = set(known)
    for name, path, stamp in _folders(str(runs_dir)):
        if name in remembered or (not _DATE.fullmatch(name) and _holds_run(path)):
            yield name, stamp
            continue
        dated = _DATE.fullmatch(name) is not None
        for inner, inner_path, inner_stamp in _folders(path):
            relative = f"{name}/{inner}"
            if (
                relative in remembered
                or (dated and not _is_sweep(inner_path))
                or (not dated and _holds_run(inner_path))
            ):
                yield relative, inner_stamp


def _folders(folder: str) -> Iterator[tuple[str, str, int]]:
    """List the folders in a folder: name, path, time stamp. What cannot be read is passed over."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir():
                        yield entry.name, entry.path, entry.stat().st_mtime_ns
                except OSError:
                    continue
    except OSError:
        return


def _is_sweep(path: str) -> bool:
    return os.path.lexists(f"{path}/sweep.json") and not os.path.lexists(f"{path}/run.json")


def _holds_run(path: str) -> bool:
    return os.path.lexists(f"{path}/run.json") or os.path.lexists(f"{path}/status.json")


def find(runs_dir: Path | str, key: str | os.PathLike[str]) -> RunFolder:
    """Find a run by what a person calls it.

    Args:
        runs_dir: The folder of runs.
        key: "last" for the newest, an id, a path to a run folder, the beginning of an id, or a
            name (then the newest of that name).

    Returns:
        Its folder.

    Raises:
        RunError: There is none, or the beginning fits several.
    """
    text = os.fspath(key)
    if not text or "\0" in text:
        raise RunError("no run is named")
    if text not in (".", "..") and "/" not in text:
        found = _find_by_word(RunIndex(runs_dir).list(), text)
        if found is not None:
            return found
    path = at_home(text)
    try:
        if _holds_run(str(path)):
            return RunFolder(path.absolute())
        inside = at_home(runs_dir) / text
        if _holds_run(str(inside)):
            return RunFolder(inside.absolute())
    except OSError:
        # A name too long for the file system is no path.
        pass
    runs = RunIndex(runs_dir).list()
    known = {word for run in runs[:2000] for word in (run.id, run.name)}
    raise RunError(
        Problem(
            f"there is no run '{printable(text[:100])}' in {runs_dir}",
            remedy=nearest(text[:100], known) or "`traindeck runs` lists them.",
        )
    )


def _find_by_word(runs: list[RunSummary], word: str) -> RunFolder | None:
    """Find a run by id, "last", name, folder name or the beginning of an id, in this order."""
    readable = [run for run in runs if not run.problem]
    if word == "last" and readable:
        return readable[0].folder
    for fits in (
        [run for run in runs if run.id == word],
        [run for run in runs if run.name == word or Path(run.path).name == word][:1],
        [run for run in runs if run.id.startswith(word)],
    ):
        if len(fits) == 1:
            return fits[0].folder
        if fits:
            names = ", ".join(f"{run.id} ({run.name})" for run in fits[:5])
            raise RunError(
                Problem(
                    f"'{printable(word)}' fits {len(fits)} runs: {names}",
                    remedy="Write more of the id.",
                )
            )
    return None
