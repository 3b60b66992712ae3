"""Plots of a sweep in its `outputs/diagnostics/ablation/`, drawn by a process of its own.

Drawing needs matplotlib, and predictions need torch: this process has neither. The child,
`python -m trainer.diagnostics`, puts each file in its place whole and tells of it; what there is
then stands in `plots.json`, which is all that others read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from trainer.events.text import clean
from trainer.runs.layout import dumps, read_json, write_bytes_atomic
from trainer.runs.program import python

if TYPE_CHECKING:
    from trainer.sweeps.folder import Sweep

__all__ = ["FOLDER", "Drawn", "Plot", "draw", "files_of", "folder_of", "lacking", "plots_of"]

FOLDER = Path("diagnostics") / "ablation"
"""Where plots lie within a sweep's `outputs/`."""
MANIFEST = "plots.json"
_VERSION = 1
_MODULE = "trainer.diagnostics"
_FILE = re.compile(r"[\w-][\w.-]{0,119}\.(png|svg)\Z")
#: Seconds that drawing may take: data of one's own may be slow to prepare.
LONGEST = 600.0
_LOOK = 0.2
# What a process of torch needs to take itself apart.
_TO_END = 30.0
_LAST_WORDS = 16384


@dataclass(frozen=True)
class Plot:
    """One plot.

    Attributes:
        title: What it shows.
        files: Its files' names, one for each format.
    """

    title: str
    files: tuple[str, ...]

    def file(self, *endings: str) -> str:
        """Give the file of the first of these formats that there is; the first file otherwise."""
        found = (file for ending in endings for file in self.files if file.endswith(f".{ending}"))
        return next(found, self.files[0])


@dataclass(frozen=True)
class Drawn:
    """What has been drawn.

    Attributes:
        plots: The plots, in order.
        notes: What a person should know: what is missing and why.
    """

    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()


def folder_of(sweep: Sweep) -> Path:
    """Give the folder that a sweep's plots lie in."""
    return sweep.outputs / FOLDER


def lacking() -> str:
    """Say what drawing lacks on this machine; empty if nothing."""
    if find_spec("matplotlib") is not None:
        return ""
    return "plots need matplotlib, which is not installed: pip install 'traindeck[report]'"


def plots_of(sweep: Sweep) -> tuple[Plot, ...]:
    """List the plots that a sweep has, as they were drawn last."""
    folder = folder_of(sweep)
    try:
        record = read_json(folder / MANIFEST)
        rows = record["plots"] if record.get("v") == _VERSION else []
        found = [Plot(clean(str(row["title"])), tuple(map(str, row["files"]))) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()
    # The folder may come from anybody: no name leads out of it, and a file that went is not told.
    kept = [Plot(p.title, tuple(n for n in p.files if _is_there(folder, n))) for p in found]
    return tuple(plot for plot in kept if plot.files)


def files_of(sweep: Sweep) -> list[Path]:
    """List the files of a sweep's plots, as they were drawn last."""
    return [folder_of(sweep) / name for plot in plots_of(sweep) for name in plot.files]


def draw(
    sweep: Sweep,
    formats: Sequence[str] | None = None,
    given_up: Callable[[], bool] = lambda: False,
) -> Drawn:
    """Draw the plots of a sweep as it stands, each file in one step, and note what there is.

    What was drawn before and is not any more is removed. Nothing is raised: plots are no reason to
    lose results.

    Args:
        sweep: The sweep.
        formats: "png" and "svg"; what `ablation.diagnostics` said when the sweep began if None.
        given_up: Asked several times a second whether nobody waits any more.
    """
    wanted = sweep.diagnostics if formats is None else tuple(formats)
    if not wanted:
        return Drawn()
    if lack := lacking():
        return Drawn(notes=(lack,))
    folder = folder_of(sweep)
    before = {name for plot in plots_of(sweep) for name in plot.files}
    plots: list[Plot] = []
    notes: list[str] = []
    early: list[str] = []
    whole = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for told in _child(sweep, wanted, given_up, early):
            if "title" in told:
                plots.append(Plot(clean(str(told["title"])), tuple(map(str, told["files"]))))
            elif "note" in told:
                notes.append(clean(str(told["note"])))
            whole = whole or bool(told.get("done"))
        if not whole:
            # What an earlier drawing left still stands beside what this one got done.
            mine = {name for plot in plots for name in plot.files}
            plots += [plot for plot in plots_of(sweep) if not mine & set(plot.files)]
        rows = [{"title": plot.title, "files": list(plot.files)} for plot in plots]
        record = {"v": _VERSION, "metric": sweep.metric, "goal": sweep.goal, "plots": rows}
        write_bytes_atomic(folder / MANIFEST, (dumps(record) + "\n").encode())
        for name in before - {name for plot in plots for name in plot.files}:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        notes.append(f"plots could not be written: {error.strerror or error}")
    return Drawn(tuple(plots), (*notes, *early))


def _child(
    sweep: Sweep, formats: Sequence[str], given_up: Callable[[], bool], early: list[str]
) -> Iterator[dict[str, Any]]:
    """Run the drawing process and give what it tells; why it ended early goes into `early`."""
    cwd = sweep.where.get("cwd")
    place = cwd if cwd is not None and cwd.is_dir() else Path.cwd()
    words = [*python(place), "-m", _MODULE, str(sweep.path), ",".join(formats)]
    words += [sweep.metric, sweep.goal]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            # Ctrl-C in the terminal is for whoever drives the sweep, who then ends this.
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            yield from _lines(process.stdout, given_up, early)
            if not early and process.wait(_TO_END) != 0:
                early.append(f"plots were not all drawn: {_why(said, process.returncode)}")
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            # What it was writing when it was killed; files in their places are whole.
            for left in folder_of(sweep).glob(f".*.{process.pid}.*.tmp"):
                left.unlink(missing_ok=True)


def _lines(
    out: IO[bytes], given_up: Callable[[], bool], early: list[str]
) -> Iterator[dict[str, Any]]:
    deadline = time.monotonic() + LONGEST
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        while True:
            if given_up():
                early.append("plots were not all drawn: interrupted")
                return
            if time.monotonic() > deadline:
                early.append(f"plots were not all drawn: they took more than {LONGEST:g} s")
                return
            if not selector.select(_LOOK):
                continue
            block = os.read(out.fileno(), 65536)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    told = json.loads(line)
                    if isinstance(told, dict):
                        yield told


def _why(said: IO[bytes], code: int) -> str:
    # Models and data may print without end; the last line tells.
    said.seek(max(0, said.seek(0, os.SEEK_END) - _LAST_WORDS))
    text = said.read().decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    return clean(lines[-1]) if lines else f"their process ended with exit code {code}"


def _is_there(folder: Path, name: str) -> bool:
    return bool(_FILE.match(name)) and (folder / name).is_file()
