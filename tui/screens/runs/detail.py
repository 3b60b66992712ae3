"""More about the run under the cursor, where the list leaves lines free."""

from __future__ import annotations

from trainer.runs.summary import RunSummary
from tui.glyphs import Glyphs
from tui.screens.monitor.lines import Lines, Piece
from tui.screens.sweepof import sweep_of
from tui.text import cell_len, fit, short_path

#: Lines that it takes.
LINES = 2


class Detail(Lines):
    """Two lines: what tells a run from others of its name, and where it lies."""

    DEFAULT_CSS = """
    Detail { height: 2; background: $surface; display: none; }
    """

    def show(self, run: RunSummary | None, free: int, width: int, glyphs: Glyphs, cwd: str) -> None:
        """Show a run; nothing where the list needs the lines.

        Args:
            run: The run under the cursor, if there is one.
            free: Lines that the list has no runs for.
            width: Cells of a line.
            glyphs: The signs to draw with.
            cwd: Where the person stands.
        """
        # One more than needed, so that the last run is not squeezed against it.
        shown = run is not None and free > LINES
        if shown != self.display:
            self.display = shown
        if run is not None and shown:
            self.show_lines(lines_of(run, width, glyphs, cwd))


def lines_of(run: RunSummary, width: int, glyphs: Glyphs, cwd: str) -> list[list[Piece]]:
    """Write id, tags, preset, recipe and host; below them the reason and the folder."""
    facts = [
        ("id", run.id),
        ("tags", ", ".join(run.tags)),
        ("sweep", sweep_of(run.parent)),
        ("preset", run.preset),
        ("recipe", run.recipe),
        ("host", run.host),
    ]
    first: list[Piece] = [(" ", "")]
    room = width - 2
    for name, text in facts:
        # Of what is too long the others keep their place.
        shown = fit(text, min(room - len(name) - 1, max(20, width // 3)), glyphs.ellipsis)
        if not text or cell_len(name) + 2 > room:
            continue
        first += [(f"{name} ", "dim"), (shown, "value" if name == "id" else ""), ("   ", "")]
        room -= cell_len(name) + 1 + cell_len(shown) + 3
    reason = run.problem or run.reason
    reason = fit(reason, width // 2, glyphs.ellipsis)
    second: list[Piece] = [(" ", "")]
    if reason:
        second += [(reason, "warn" if run.problem else ""), ("   ", "")]
    left = width - sum(cell_len(text) for text, _ in second) - 1
    path = short_path(run.path, cwd)
    if cell_len(path) > left:
        # The end of a path names the run.
        while path and cell_len(path) > left - cell_len(glyphs.ellipsis):
            path = path[1:]
        path = glyphs.ellipsis + path
    second.append((path, "dim"))
    return [first, second]
