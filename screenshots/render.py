"""Draw the screens from the recordings, always the same: the clock stands still, nothing moves.

`python -m screenshots` writes the pictures; a test draws them again and compares, so that they
cannot go stale unseen.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import WorkerCancelled

from screenshots.record import HOST, RECORDINGS, SWEEP
from screenshots.slim import slim
from trainer.config import hardware_detect
from trainer.config.hardware_machine import GIB, Cpu, Memory
from trainer.config.hardware_torch import Torch
from trainer.runs.layout import RunFolder, read_json
from trainer.runs.status import TERMINAL
from tui.app import Deck
from tui.context import Context
from tui.glyphs import UNICODE, Glyphs

Play = Callable[[Deck, "Pilot[int]"], Awaitable[None]]
First = Callable[["Studio"], Screen[None]]

#: What the screens may know of the terminal and the person: the same for everybody.
_ENVIRONMENT = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC"}
_UNKNOWN = (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLORFGBG",
    "COLUMNS",
    "LINES",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "EDITOR",
    "VISUAL",
)
#: A heartbeat from elsewhere is believed for half a minute, and an hour ahead of its time: files
#: that are stamped half an hour ahead beat for as long as any drawing takes.
_AHEAD = 1800.0


class StillClock:
    """A clock that stands at the end of the last recording."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        """Give unix seconds."""
        return self.time

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return self.time


class StillDeck(Deck):
    """The app, with smaller pictures."""

    def export_screenshot(self, *, title: str | None = None, simplify: bool = True) -> str:
        """Give what is on the screen, as SVG."""
        svg = super().export_screenshot(title=title, simplify=simplify)
        return slim(svg, title or "traindeck", self.size) + "\n"


class Studio:
    """A project folder with all recorded runs in it, as they were.

    Args:
        folder: Where to make it.
        glyphs: The signs to draw with.
    """

    def __init__(self, folder: Path, glyphs: Glyphs = UNICODE) -> None:
        self.folder = folder
        self.runs_dir = folder / "runs"
        self.runs: dict[str, RunFolder] = {}
        self._glyphs = glyphs
        ended = []
        for recording in sorted(RECORDINGS.iterdir()):
            run = self.runs[recording.name] = _unpack(recording, self.runs_dir)
            ended.append(_stamp(run))
        self.clock = StillClock(max(ended) + 1)

    def context(self) -> Context:
        """Give the world that the screens are drawn in."""
        return Context(
            runs_dirs=(self.runs_dir,),
            cwd=self.folder,
            glyphs=self._glyphs,
            clock=self.clock,
            live=False,
        )

    def app(self, first: First | None = None) -> StillDeck:
        """Make the app.

        Args:
            first: Makes the screen to begin with; the list of runs if None.
        """
        return StillDeck(self.context(), None if first is None else lambda: first(self))

    async def draw(self, size: tuple[int, int], play: Play, first: First | None = None) -> str:
        """Open the app, play on it, and give the picture as SVG."""
        app = self.app(first)
        async with app.run_test(size=size) as pilot:
            await play(app, pilot)
            return app.export_screenshot()

    def sweep(self) -> Path:
        """Unpack the recorded sweep, in a folder of runs of its own, and give its folder."""
        runs_dir = self.folder / "sweep" / "runs"
        stamp = 0.0
        for recording in sorted(SWEEP.glob("trial-*")):
            stamp = max(stamp, _stamp(_unpack(recording, runs_dir)))
        record = json.loads(gzip.decompress((SWEEP / "sweep.json.gz").read_bytes()))
        begun = time.gmtime(record["created"])
        name = f"{time.strftime('%H-%M-%S', begun)}-{record['name']}-{record['id']}"
        path = runs_dir / time.strftime("%Y-%m-%d", begun) / name
        path.mkdir(parents=True)
        (path / "sweep.json").write_text(json.dumps(record))
        # Somebody elsewhere drives it, who has just given a sign of life.
        driver = {"pid": 1, "host": HOST, "boot_id": "recorded", "stopping": False}
        (path / "driver.json").write_text(json.dumps(driver))
        self.clock.time = stamp + 1
        return path


def _unpack(recording: Path, runs_dir: Path) -> RunFolder:
    """Make a recording a run folder again."""
    identity = json.loads(gzip.decompress((recording / "run.json.gz").read_bytes()))
    stamp = time.gmtime(identity["created"])
    name = f"{time.strftime('%H-%M-%S', stamp)}-{identity['name']}-{identity['id']}"
    run = RunFolder(runs_dir / time.strftime("%Y-%m-%d", stamp) / name)
    for packed in recording.rglob("*.gz"):
        file = run.path / packed.relative_to(recording).with_suffix("")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.decompress(packed.read_bytes()))
    run.checkpoints.mkdir()
    for name, held in json.loads((recording / "checkpoints.json").read_text()).items():
        if isinstance(held, str):
            (run.checkpoints / name).symlink_to(held)
        else:
            with (run.checkpoints / name).open("wb") as file:
                file.truncate(held)
    return run


def _stamp(run: RunFolder) -> float:
    """Stamp the files with the times that they had; give when the last event was."""
    events = [json.loads(line) for line in run.events.read_bytes().splitlines()]
    last = float(events[-1]["ts"])
    saved = {e["path"]: float(e["ts"]) for e in events if e.get("event") == "checkpoint"}
    for file in run.path.rglob("*"):
        ts = saved.get(str(file.relative_to(run.path)), last)
        os.utime(file, (ts, ts), follow_symlinks=False)
    keep_beating(run)
    return last


def keep_beating(run: RunFolder) -> None:
    """Let a run that was recorded alive count as alive."""
    if read_json(run.status)["state"] not in TERMINAL:
        ahead = time.time() + _AHEAD
        os.utime(run.status, (ahead, ahead))


async def settle(app: Deck, pilot: Pilot[Any]) -> None:
    """Wait until everything is read, composed and drawn: nothing changes any more."""
    before = ""
    for _ in range(50):
        # What is laid out, read and drawn sets off one another; a look at a screen that is still
        # being laid out would keep Textual from telling new widgets their size.
        for _ in range(3):
            await pilot.pause()
            with suppress(WorkerCancelled):  # newer work has taken its place
                await app.workers.wait_for_complete()
            _read(app.screen)
            getattr(app.screen, "tick", lambda: None)()
        # What is typed is composed a moment later.
        await pilot.pause(0.2)
        while app.screen._layout_required or app.workers:
            await pilot.pause(0.01)
        if before == (before := app.export_screenshot()):
            return
    raise RuntimeError("the screen does not come to rest")


def _read(screen: Screen[Any]) -> None:
    """Let what a screen reads from look for news, here instead of in a thread."""
    from tui.screens.compare import CompareScreen
    from tui.screens.monitor import MonitorScreen
    from tui.screens.runs import RunsScreen
    from tui.screens.sweep import SweepScreen

    if isinstance(screen, RunsScreen | SweepScreen):
        screen.source.step()
    elif isinstance(screen, MonitorScreen):
        screen.follower.step()
    elif isinstance(screen, CompareScreen):
        for entry in screen.lens.entries:
            entry.follower.step()


#: Pictures are the same on every machine.
_MACHINE = hardware_detect.Machine(
    Cpu("AMD EPYC", 8, 4.0), Memory(32 * GIB, 16 * GIB, 12 * GIB), torch=Torch("2.11.0+cpu")
)


@contextmanager
def studio(glyphs: Glyphs = UNICODE, **environment: str) -> Iterator[Studio]:
    """Set up a studio in a folder of its own, far from the person's settings and terminal.

    Args:
        glyphs: The signs to draw with.
        environment: What is different about the terminal, such as `NO_COLOR="1"`.
    """
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="traindeck-") as folder:
        for name in _UNKNOWN:
            os.environ.pop(name, None)
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            os.environ[name] = folder
        # The process stands elsewhere: commands that are shown are those typed in the project.
        os.environ["TRAINDECK_RUNS_DIR"] = str(Path(folder) / "project" / "runs")
        os.environ.update(_ENVIRONMENT | environment)
        time.tzset()
        found, hardware_detect.machine = hardware_detect.machine, lambda: _MACHINE
        try:
            yield Studio(Path(folder) / "project", glyphs)
        finally:
            hardware_detect.machine = found
            for name in os.environ.keys() - kept.keys():
                del os.environ[name]
            os.environ.update(kept)
            time.tzset()
