"""Draw the screens from the recordings, always the same: the clock stands still, nothing moves.

`python -m screenshots` writes the pictures; a test draws them again and compares, so that they
cannot go stale unseen.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from screenshots.animate import animated
from screenshots.record import HOST, RECORDINGS
from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.context import Context
from tui.screens.compare import CompareScreen
from tui.screens.launch import LaunchScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.profiles import ProfilesScreen
from tui.sources.follow import Source

HERE = Path(__file__).parent
Play = Callable[[Deck, "Pilot[int]"], Awaitable[None]]


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


class Studio:
    """A project folder with all recorded runs in it, as they were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs_dir = folder / "runs"
        self.runs: dict[str, RunFolder] = {}
        now = 0.0
        for recording in sorted(RECORDINGS.iterdir()):
            run = self._unpack(recording)
            self.runs[recording.name] = run
            for line in run.events.read_bytes().splitlines()[-1:]:
                now = max(now, float(json.loads(line)["ts"]))
        self.clock = StillClock(now + 1)

    def _unpack(self, recording: Path) -> RunFolder:
        identity = json.loads(gzip.decompress((recording / "run.json.gz").read_bytes()))
        stamp = time.gmtime(identity["created"])
        name = f"{time.strftime('%H-%M-%S', stamp)}-{identity['name']}-{identity['id']}"
        path = self.runs_dir / time.strftime("%Y-%m-%d", stamp) / name
        for packed in recording.rglob("*.gz"):
            file = path / packed.relative_to(recording).with_suffix("")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.decompress(packed.read_bytes()))
        checkpoints = json.loads((recording / "checkpoints.json").read_text())
        (path / "checkpoints").mkdir()
        for name, size in checkpoints.items():
            with (path / "checkpoints" / name).open("wb") as file:
                file.truncate(size)
        return RunFolder(path)

    def context(self) -> Context:
        """Give the world that the screens are drawn in."""
        return Context(
            runs_dirs=(self.runs_dir,), cwd=self.folder, clock=self.clock, live=False
        )

    async def draw(
        self,
        size: tuple[int, int],
        play: Play,
        first: Callable[[], Any] | None = None,
    ) -> str:
        """Open the app, play on it, and give the picture as SVG."""
        app = Deck(self.context(), first)
        async with app.run_test(size=size) as pilot:
            await play(app, pilot)
            await settle(app, pilot)
            return app.export_screenshot(title="traindeck")


async def settle(app: Deck, pilot: Pilot[int]) -> None:
    """Wait until what was begun in threads is done, and drawn."""
    for _ in range(3):
        await pilot.pause()
        await app.workers.wait_for_complete()
        app.screen.tick()  # type: ignore[attr-defined]
    await pilot.pause()


async def _nothing(app: Deck, pilot: Pilot[int]) -> None:
    await settle(app, pilot)


async def _monitor(app: Deck, pilot: Pilot[int]) -> None:
    screen = app.screen
    assert isinstance(screen, MonitorScreen)
    while screen.follower.step():
        pass
    screen.tick()
    await settle(app, pilot)


@contextmanager
def studio() -> Iterator[Studio]:
    """Set up a studio in a folder of its own, far from the person's settings."""
    kept = {name: os.environ.get(name) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "TZ")}
    with tempfile.TemporaryDirectory(prefix="traindeck-") as folder:
        os.environ.update(XDG_CONFIG_HOME=folder, XDG_STATE_HOME=folder, TZ="UTC")
        time.tzset()
        try:
            yield Studio(Path(folder) / "project")
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            time.tzset()
