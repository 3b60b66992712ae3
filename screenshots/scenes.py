"""What the pictures show: which screen, how large, and the keys that were pressed before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from screenshots.animate import animated
from screenshots.render import First, Play, Studio, keep_beating, settle
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from tui.app import Deck


@dataclass(frozen=True)
class Scene:
    """One picture.

    Attributes:
        name: Its file's name, without `.svg`.
        size: Columns and lines of the terminal.
        keys: The keys pressed, in order; `text:` before something typed.
        first: Makes the screen to begin with; the list of runs if None.
    """

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    first: First | None = None

    async def draw(self, studio: Studio) -> str:
        """Give the picture as SVG."""
        return await studio.draw(self.size, press(self.keys), self.first)


def press(keys: tuple[str, ...] = ()) -> Play:
    """Make a play of keys, which ends when the screen has come to rest."""

    async def play(app: Deck, pilot: Pilot[Any]) -> None:
        await settle(app, pilot)
        for key in keys:
            if key.startswith("text:"):
                await pilot.press(*key.removeprefix("text:"))
            else:
                await pilot.press(key)
            await settle(app, pilot)

    return play


def monitor(name: str) -> First:
    """Begin with the Monitor of a recorded run."""

    def first(studio: Studio) -> Screen[None]:
        from tui.screens.monitor import MonitorScreen
        from tui.sources.follow import Source

        return MonitorScreen(Source.of_run(studio.runs[name]))

    return first


def profiles(studio: Studio) -> Screen[None]:
    """Begin with the profiles."""
    from tui.screens.profiles import ProfilesScreen

    return ProfilesScreen("trainer/ci_fast")


def launch(studio: Studio) -> Screen[None]:
    """Begin with a launch that is ready to start."""
    from tui.screens.launch import LaunchScreen

    return LaunchScreen(["trainer=ci_fast", "optimizer.config.lr=1e-3"])


def compare(studio: Studio) -> Screen[None]:
    """Begin with three runs over each other."""
    from tui.screens.compare import CompareScreen

    return CompareScreen([studio.runs[name].path for name in ("lr-3e-4", "baseline", "lr-1e-2")])


def sweep(studio: Studio) -> Screen[None]:
    """Begin with a sweep that is under way."""
    from tui.screens.sweep import SweepScreen

    return SweepScreen(studio.sweep())


def sweep_writer(studio: Studio) -> Screen[None]:
    """Begin with a sweep that is ready to start."""
    from tui.screens.sweep import WriteSweepScreen

    return WriteSweepScreen(["quickstart", "optimizer.config.lr=1e-3,3e-3,1e-2", "seed=0,1"])


SCENES = (
    Scene("runs", (120, 16)),
    Scene("monitor", (120, 40), first=monitor("quickstart")),
    Scene("monitor-80x24", (80, 24), first=monitor("baseline")),
    Scene("monitor-nan", (100, 24), first=monitor("too-hot")),
    Scene("log", (100, 24), ("2",), monitor("interrupted")),
    Scene("config", (120, 24), ("4",), monitor("interrupted")),
    Scene("profiles", (120, 36), first=profiles),
    Scene("launch", (120, 36), first=launch),
    Scene("compare", (120, 36), first=compare),
    Scene("sweep", (120, 40), first=sweep),
    Scene("help", (100, 40), ("question_mark",), monitor("quickstart")),
)
"""Every picture, by the order in which the README shows them."""

#: The moving picture: a run as it was watched, drawn again from what its stream held by then.
FILM = "watching"
_FILM_SIZE = (100, 30)
_FRAMES = 14


async def film(studio: Studio, name: str = "lr-1e-2") -> str:
    """Watch a recorded run again, from its first events to its end."""
    run = studio.runs[name]
    lines = run.events.read_bytes().splitlines(keepends=True)
    done = read_json(run.status)
    frames: list[str] = []

    def reach(count: int) -> None:
        """Set the run to when its stream had so many lines."""
        _as_it_was(run, lines[:count], done, over=count == len(lines))
        studio.clock.time = float(json.loads(lines[count - 1])["ts"])

    async def play(app: Deck, pilot: Pilot[Any]) -> None:
        for number in range(1, _FRAMES + 1):
            reach(len(lines) * number // _FRAMES)
            await settle(app, pilot)
            frames.append(app.export_screenshot())

    reach(1)
    await studio.draw(_FILM_SIZE, play, monitor(name))
    return animated(frames)


def _as_it_was(run: RunFolder, lines: list[bytes], done: dict[str, Any], *, over: bool) -> None:
    """Set a run back to when its stream held these lines only; `done` is its status at the end."""
    # Written in place: what follows the stream sees it grow.
    with run.events.open("r+b") as file:
        file.truncate(file.write(b"".join(lines)))
    if not over:
        events = [json.loads(line) for line in lines]
        began, now = float(events[0]["ts"]), float(events[-1]["ts"])
        step = max((event.get("step", 0) for event in events), default=0)
        progress = done["progress"] | {"step": step, "rate": step / max(1.0, now - began)}
        done = done | {"state": "running", "ended": None, "exit_code": None, "reason": ""}
        done |= {"progress": progress, "heartbeat": now}
    write_json_atomic(run.status, done)
    run.trainer_status.unlink(missing_ok=True)
    keep_beating(run)
