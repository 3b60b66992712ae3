"""The ways into the app, for the command line; importing this imports no Textual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.paths import at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from trainer.runs.layout import RunFolder
    from tui.context import Context
    from tui.sources.follow import Source

#: After so long a thread gives way to another one that waits, in seconds.
_YIELD_SECONDS = 0.0005


def open_runs(
    runs_dir: Path, *, profiles_dir: Path | None = None, config_file: Path | None = None
) -> int:
    """Open the list of runs.

    Args:
        runs_dir: The folder of runs.
        profiles_dir: The project's profiles, if they are not in `./profiles`.
        config_file: A primary config of the person's own.

    Returns:
        The exit code.
    """
    from tui.sources.runs import RunsSource

    context = _context(runs_dir, profiles_dir, config_file)
    source = RunsSource(context.runs_dirs, context.clock)
    source.start()  # it reads while Textual is being loaded

    def first() -> Screen[None]:
        from tui.screens.runs import RunsScreen

        return RunsScreen(source)

    return _run(context, first)


def open_run(
    run: RunFolder,
    runs_dir: Path,
    *,
    launched: bool = False,
    profiles_dir: Path | None = None,
    config_file: Path | None = None,
) -> int:
    """Open the monitor on a run folder.

    Args:
        run: The run.
        runs_dir: The folder of runs, for the list behind it.
        launched: Whether this command launched it: the exit code then tells how it ended, if it
            has ended when the person leaves.
        profiles_dir: The project's profiles, if named, for what is launched from there.
        config_file: A primary config of the person's own, likewise.

    Returns:
        The exit code.
    """
    from tui.sources.follow import Source

    context = _context(runs_dir, profiles_dir, config_file)
    return _open_source(Source.of_run(run), context, launched=launched)


def open_events(path: Path, runs_dir: Path) -> int:
    """Open the monitor on a file of events without a run folder."""
    from tui.sources.follow import Source

    source = Source(None, path, None, _label(path.name))
    return _open_source(source, _context(runs_dir, None, None))


def open_stream(descriptor: int, runs_dir: Path) -> int:
    """Open the monitor on a pipe of events."""
    from tui.sources.follow import Source

    source = Source(None, None, descriptor, "standard input")
    return _open_source(source, _context(runs_dir, None, None))


def _label(name: str) -> str:
    from trainer.events.text import clean

    return clean(name)


def _open_source(source: Source, context: Context, *, launched: bool = False) -> int:
    def first() -> Screen[None]:
        from tui.screens.monitor import MonitorScreen

        return MonitorScreen(source, launched=launched)

    return _run(context, first)


def _context(runs_dir: Path, profiles_dir: Path | None, config_file: Path | None) -> Context:
    from tui.context import Context
    from tui.glyphs import choose
    from tui.settings import load

    loaded = load()
    settings = loaded.settings
    own = at_home(runs_dir).absolute()
    return Context(
        runs_dirs=(own, *(each for each in settings.runs_dirs if each != own)),
        profiles_dir=profiles_dir,
        config_file=config_file,
        settings=settings,
        settings_given=loaded.given,
        settings_problems=loaded.problems,
        glyphs=choose(settings.glyphs),
    )


def _run(context: Context, first: Callable[[], Screen[None]] | None = None) -> int:
    import gc
    import os
    import sys

    for name in ("COLUMNS", "LINES"):
        # Exported, they would be believed instead of the terminal, also after a resize.
        os.environ.pop(name, None)
    patience = sys.getswitchinterval()
    # So long a thread that reads may keep the screen from answering a key, several times a key.
    sys.setswitchinterval(_YIELD_SECONDS)
    # Hardly anything made at the start becomes garbage, and looking for some takes a tenth of it;
    # the app enables this again.
    gc.disable()
    try:
        from tui.app import Deck

        app = Deck(context, first)
        code = app.run(mouse=context.settings.mouse)
    finally:
        gc.enable()
        sys.setswitchinterval(patience)
    tell(app.last_words)
    return code if code is not None else (app.return_code or 0)


def tell(words: Sequence[str]) -> None:
    """Say last words on the plain terminal; one that is gone does not matter any more."""
    from trainer.events.text import clean

    try:
        for line in words:
            print(clean(line))
    except OSError:
        return
