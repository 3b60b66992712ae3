"""What every screen needs to know of the world: folders, settings, signs, the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trainer.errors import Problem
from tui.clock import Clock, SystemClock
from tui.glyphs import UNICODE, Glyphs
from tui.settings import Settings


@dataclass(frozen=True)
class Context:
    """The world outside the app.

    Attributes:
        runs_dirs: The folders of runs; new runs go into the first.
        profiles_dir: The project's profiles, if named on the command line.
        config_file: A primary config file, if named on the command line.
        cwd: Where the person stands; profiles and runs are sought from here.
        settings: The person's settings.
        settings_given: Names of the fields that the person's settings file sets.
        settings_problems: What is wrong with that file.
        glyphs: The signs to draw with.
        clock: Tells the time.
        live: Whether screens look for news by themselves; tests look when they choose to.
    """

    runs_dirs: tuple[Path, ...] = (Path("runs"),)
    profiles_dir: Path | None = None
    config_file: Path | None = None
    cwd: Path = field(default_factory=Path.cwd)
    settings: Settings = field(default_factory=Settings)
    settings_given: frozenset[str] = frozenset()
    settings_problems: tuple[Problem, ...] = ()
    glyphs: Glyphs = UNICODE
    clock: Clock = field(default_factory=SystemClock)
    live: bool = True

    @property
    def places(self) -> list[str]:
        """The options that a command needs to find configs and runs where this app finds them."""
        found: list[str] = []
        if self.config_file is not None:
            found += ["--config", str(self.config_file)]
        if self.profiles_dir is not None:
            found += ["--profiles-dir", str(self.profiles_dir)]
        from trainer.runs.layout import runs_dir_words

        return [*found, *runs_dir_words(self.runs_dirs[0], self.cwd)]
