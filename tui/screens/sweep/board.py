"""The leaderboard as it stands, and what each value of a factor does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual.binding import BindingType

from trainer.display import duration, number
from trainer.sweeps.effects import Effect
from trainer.sweeps.folder import Sweep
from trainer.sweeps.names import labels, shown
from trainer.sweeps.results import Group
from tui.glyphs import Glyphs
from tui.screens.sweep.facts import cell_of, with_spread
from tui.screens.sweep.live import LiveList
from tui.sources.sweeps import SweepPicture
from tui.text import cell_len, clean, fit, left, right, wrap
from tui.widgets.keybar import binding
from tui.widgets.linelist import Pieces

_VALUE, _COUNT, _TIME = 21, 6, 8
_FACTOR = 5, 30


@dataclass(frozen=True)
class Line:
    """A line of the leaderboard.

    Attributes:
        text: What it says, unless it shows a combination or an effect.
        look: The look of the text.
        group: The combination that it shows.
        rank: Its rank; None for one without a value.
        effect: The effect that it shows.
    """

    text: str = ""
    look: str = "plain"
    group: Group | None = None
    rank: int | None = None
    effect: Effect | None = None


class BoardRows(LiveList):
    """The leaderboard, a combination a line; below it the marginal effects.

    Args:
        glyphs: The signs to draw with.
    """

    KEYS_TITLE: ClassVar[str] = "In the leaderboard"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("enter", "choose", "open", tip="Open a trial of that combination in Monitor"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"board--heading"}
    DEFAULT_CSS = "BoardRows > .board--heading { color: $accent; text-style: bold; }"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="board")
        self._glyphs = glyphs
        self._picture = SweepPicture()
        self._lines: list[Line] = []
        self._widths: dict[str, int] = {}

    def show(self, picture: SweepPicture) -> None:
        """Show the results as they stand."""
        self._picture = picture
        self._lay_out()

    def on_resize(self) -> None:
        """Break the notes for the new width."""
        self._lay_out()

    def _lay_out(self) -> None:
        sweep, width = self._picture.sweep, self.scrollable_content_region.width
        if sweep is None or width < 1:
            return
        short = labels(sweep.factors)
        room = max(_FACTOR[0], (width - 7 - _VALUE - _COUNT) // max(1, len(sweep.axes)) - 1)
        self._widths = {
            axis.key: min(
                room,
                _FACTOR[1],
                max(
                    [
                        _FACTOR[0],
                        cell_len(clean(short[axis.key])),
                        *map(cell_len, map(shown, axis.values)),
                    ]
                ),
            )
            for axis in sweep.axes
        }
        self._lines = list(self._made(width))
        self.renew(len(self._lines))

    def _made(self, width: int) -> Sequence[Line]:
        picture, sweep = self._picture, self._picture.sweep
        assert sweep is not None
        ellipsis = self._glyphs.ellipsis
        better = "less is better" if sweep.goal == "min" else "more is better"
        lines = [Line(fit(f" leaderboard by {sweep.metric}, {better}", width, ellipsis), "heading")]
        lines.append(Line(self._titles(sweep.factors), "dim"))
        lines += [
            Line(group=group, rank=rank if group.n else None)
            for rank, group in enumerate(picture.groups, 1)
        ]
        lines += [Line(), Line(" marginal effects", "heading")]
        effects = picture.effects
        lines += [Line(effect=effect) for effect in effects.rows]
        if effects.rows:
            source = "the baseline" if sweep.mode == "one_at_a_time" else "the mean of all"
            said = f"Effects are differences from {source}; {better}."
            said += f" The error is from {effects.source}." if effects.source else ""
            lines += [
                Line(f"   {text}", "dim") for text in wrap(said, max(10, width - 4), 6, ellipsis)
            ]
        elif not effects.notes:
            lines.append(Line("   no trial has ended with a value yet", "dim"))
        for note in effects.notes:
            told = wrap(clean(note), max(10, width - 4), 6, ellipsis)
            lines += [Line(f"   {text}", "dim") for text in told]
        return lines

    def _titles(self, factors: Sequence[str]) -> str:
        short, ellipsis = labels(factors), self._glyphs.ellipsis
        words = [left(clean(short[key]).upper(), self._widths[key], ellipsis) for key in factors]
        value = right("MEAN", _VALUE) if self._picture.sweep is not None else ""
        return " ".join([" RANK ", *words, value, right("N", _COUNT), right("TIME", _TIME)])

    @property
    def group(self) -> Group | None:
        """The combination under the cursor; None on another line."""
        return self._lines[self.cursor].group if self.cursor < len(self._lines) else None

    @property
    def text(self) -> str:
        """All that is shown, as plain text."""
        width = self.scrollable_content_region.width
        return "\n".join(
            "".join(text for text, _ in self.pieces(at, width)) for at in range(len(self._lines))
        )

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        line = self._lines[index]
        if line.group is not None:
            assert self._picture.sweep is not None
            return self._combination(line.group, line.rank, self._picture.sweep)
        if line.effect is not None:
            return self._effect(line.effect)
        if line.look == "heading":
            return [(line.text, self.part("board--heading"))]
        return [(line.text, self.part("linelist--dim") if line.look == "dim" else Style.null())]

    def _combination(self, group: Group, rank: int | None, sweep: Sweep) -> Pieces:
        glyphs, dim, plain = self._glyphs, self.part("linelist--dim"), Style.null()
        first = self.state_style("best") if rank == 1 else plain
        pieces = [
            (right(glyphs.dash if rank is None else str(rank), 5) + "  ", first if rank else dim)
        ]
        for key, cells in self._widths.items():
            text = shown(group.factors[key]) if key in group.factors else "baseline"
            pieces.append((left(text, cells, glyphs.ellipsis) + " ", first))
        if group.mean is not None:
            pieces.append((right(with_spread(group.mean, group.spread, glyphs), _VALUE), first))
        else:
            # Nothing has ended yet: how its trials stand, with the best value so far.
            trials = [self._picture.trials[row.trial - 1] for row in group.rows]
            cell = cell_of(trials, sweep.metric, glyphs, frozenset())
            text = right(f"{cell.sign} {cell.word} {cell.value}".rstrip(), _VALUE, glyphs.ellipsis)
            pieces.append((text, self.state_style(cell.look)))
        total = len(group.rows)
        count = f"{group.n}/{total}" if total > 1 or not group.n else str(group.n)
        time = "" if group.seconds is None else duration(group.seconds)
        return [*pieces, (" " + right(count, _COUNT), dim), (" " + right(time, _TIME), dim)]

    def _effect(self, effect: Effect) -> Pieces:
        glyphs, sweep = self._glyphs, self._picture.sweep
        dim = self.part("linelist--dim")
        name = clean(labels(sweep.factors).get(effect.key, effect.key)) if sweep is not None else ""
        sign = "+" if effect.effect > 0 else ""
        better = (
            effect.effect < 0 if sweep is not None and sweep.goal == "min" else effect.effect > 0
        )
        style = self.state_style("done") if better else Style.null()
        return [
            (f"   {left(name, 22, glyphs.ellipsis)} ", dim),
            (left(shown(effect.value), 12, glyphs.ellipsis) + " ", Style.null()),
            (right(sign + with_spread(effect.effect, effect.error, glyphs), 21), style),
            (f"   mean {number(effect.mean)}", dim),
        ]
