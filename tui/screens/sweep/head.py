"""The head of the Sweep screen: how it stands, how far it is, what varies, what to do."""

from __future__ import annotations

from trainer.sweeps.names import labels, shown
from trainer.sweeps.told import MODES
from tui.glyphs import Glyphs
from tui.screens.monitor.lines import Lines, Piece
from tui.screens.sweep.facts import advice, progress_parts
from tui.screens.sweep.live import word_of
from tui.sources.sweeps import SweepPicture
from tui.text import cell_len, clean, fit, wrap

_GOOD = ("running", "completed")
_BAD = ("failed", "unreadable")


class Head(Lines):
    """Three lines, or four where there is something to do."""

    DEFAULT_CSS = """
    Head { height: 3; background: $surface; }
    Head.-four { height: 4; }
    """

    def show(self, picture: SweepPicture, glyphs: Glyphs) -> None:
        """Show a picture; only what changed is drawn."""
        width = self.size.width
        if width <= 0:
            return
        lines = head_lines(picture, width, glyphs)
        self.set_class(len(lines) > 3, "-four")
        self.show_lines(lines)


def head_lines(picture: SweepPicture, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    """Write the head in lines of at most `width` cells."""
    if picture.problem:
        told = wrap(picture.problem, max(10, width - 2), 3, glyphs.ellipsis)
        return [[(f" {line}", "bad")] for line in told]
    sweep = picture.sweep
    if sweep is None:
        return [[(f" reading the sweep{glyphs.ellipsis}", "dim")]]
    separator = f" {glyphs.separator} "
    state = picture.state
    look = "good" if state in _GOOD else "bad" if state in _BAD else "warn"
    sign: Piece = (f" {glyphs.state(state)} {word_of(state)}", look)
    facts = separator.join(progress_parts(picture))
    room = width - cell_len(sign[0]) - 4
    first: list[Piece] = [sign, ("   " + fit(facts, room, glyphs.ellipsis), "")]
    total = max(1, len(picture.trials))
    share = sum(trial.progress for trial in picture.trials) / total
    room = max(1, width - 9)
    done = int(share * room)
    bar: list[Piece] = [
        (" ", ""),
        (glyphs.bar[0] * done, "bar"),
        (glyphs.bar[1] * (room - done), "rest"),
        (f" {int(100 * share):3d}%", "dim"),
    ]
    short = labels(sweep.factors)
    varies = [
        f"{clean(short[axis.key])} {', '.join(shown(value) for value in axis.values)}"
        for axis in sweep.axes
    ]
    varies += [f"seed {', '.join(map(str, sweep.seeds))}"] if sweep.seeds else []
    varies += [MODES[sweep.mode], f"{sweep.parallel} at a time"]
    third: list[Piece] = [(" " + fit(separator.join(varies), width - 2, glyphs.ellipsis), "dim")]
    lines = [first, bar, third]
    if text := advice(picture):
        lines.append([(" " + fit(text, width - 2, glyphs.ellipsis), "warn")])
    return lines
