"""What would be launched: problems, notes, the hardware, and the diff or the whole config."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events

from trainer.display import plural
from trainer.events.text import clean
from tui.glyphs import Glyphs
from tui.screens.launch.card import memory_fact
from tui.screens.launch.composer import Outcome, told
from tui.screens.launch.draft import target
from tui.screens.launch.need import Need, parts_of
from tui.screens.launch.preview import broken
from tui.screens.launch.rate import Rate, facts_of, pieces_of
from tui.text import cell_len, fit, fit_place, left
from tui.widgets.linelist import LineList, Pieces

#: Cells and rows of the learning rate, two of the rows for its axis.
_PLOT = 100, 9


@dataclass(frozen=True)
class Line:
    """A line of the result.

    Attributes:
        pieces: Texts, each with the name of its style.
        key: The config key that it shows; empty if none.
    """

    pieces: tuple[tuple[str, str], ...]
    key: str = ""


class ResultRows(LineList):
    """The result, a scrollable list of lines; Enter on a key edits it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "result--plain",
        "result--heading",
        "result--wrong",
        "result--note",
        "result--value",
        "result--dim",
    }
    DEFAULT_CSS = """
    ResultRows > .result--heading { color: $accent; text-style: bold; }
    ResultRows > .result--wrong { color: $text-error; }
    ResultRows > .result--note { color: $text-warning; }
    ResultRows > .result--value { color: $text-accent; }
    ResultRows > .result--dim { color: $text-muted; }
    """

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._outcome: Outcome | None = None
        self._rate: Rate | None = None
        self._need: Need | None = None
        self._whole = False
        self._lines: Sequence[Line] = ()

    def show(
        self, outcome: Outcome, whole: bool, rate: Rate | None = None, need: Need | None = None
    ) -> None:
        """Show an outcome.

        Args:
            outcome: What was composed.
            whole: Show the whole config in place of the diff.
            rate: What is known of its learning rate; None leaves that out.
            need: What is known of its memory; None leaves that out.
        """
        shown = (self._whole, self._rate, self._need)
        if outcome is not self._outcome or (whole, rate, need) != shown:
            self._outcome, self._whole, self._rate, self._need = outcome, whole, rate, need
            self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        """Lay the lines out for the new width."""
        self._lay_out()

    def _lay_out(self) -> None:
        # A scroll bar comes only after the lines are known, and must not cover their ends.
        width = self.content_region.width - self.styles.scrollbar_size_vertical
        if self._outcome is None or width < 1:
            return
        shown = (self._outcome, width, self._whole, self._glyphs, self._rate)
        lines = list(result_lines(*shown, need=self._need))
        if lines != self._lines:
            self._lines = lines
            self.show_rows(len(lines))

    @property
    def key(self) -> str:
        """The config key under the cursor; empty if there is none."""
        return self._lines[self.cursor].key if self.cursor < len(self._lines) else ""

    @property
    def text(self) -> str:
        """All that is shown, as plain text."""
        return "\n".join("".join(text for text, _ in line.pieces) for line in self._lines)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        return [(text, self.part(f"result--{name}")) for text, name in self._lines[index].pieces]


def result_lines(
    outcome: Outcome,
    width: int,
    whole: bool,
    glyphs: Glyphs,
    rate: Rate | None = None,
    *,
    need: Need | None = None,
) -> Iterator[Line]:
    """Write an outcome in lines of at most `width` cells.

    Args:
        outcome: What was composed.
        width: Cells of a line.
        whole: Write the whole config in place of the diff.
        glyphs: The signs to write with.
        rate: What is known of the learning rate; None leaves it out.
        need: What is known of the memory; None leaves it out.
    """
    yield from _problems(outcome, width)
    if outcome.composed is None:
        return
    yield from _clamped(outcome, width, glyphs)
    if outcome.notes:
        yield _heading("notes")
        for note in outcome.notes:
            yield from _wrapped(clean(note), width, "note")
    yield from _card(outcome, need, width, glyphs)
    if rate is not None:
        yield from _rate(rate, width, glyphs)
    yield from _config(outcome, width, glyphs) if whole else _diff(outcome, width, glyphs)


def _heading(text: str, more: str = "") -> Line:
    return Line(((f" {text}", "heading"), (f"  {more}" if more else "", "dim")))


def _wrapped(text: str, width: int, style: str, indent: int = 3) -> Iterator[Line]:
    room = max(10, width - indent)
    # Broken at blanks, and once more by cells: wide characters take two.
    for line in (part for words in textwrap.wrap(text, room) for part in broken(words, room)):
        yield Line(((" " * indent + line, style),))


def _problems(outcome: Outcome, width: int) -> Iterator[Line]:
    if not outcome.blocked:
        return
    yield Line(((fit(f" ! {plural(len(outcome.blocked), 'problem')}", width), "wrong"),))
    for problem in outcome.blocked:
        first = True
        for line in _wrapped(told(problem), width, "wrong"):
            yield Line(line.pieces, problem.key) if first else line
            first = False
        if problem.where:
            yield from _wrapped(f"from {clean(problem.where)}", width, "dim", 5)


def _diff(outcome: Outcome, width: int, glyphs: Glyphs) -> Iterator[Line]:
    from trainer.runs.plan import NO_CHANGES, cells

    count = len(outcome.changes)
    yield _heading("diff against the defaults", f"{plural(count, 'key')}" if count else NO_CHANGES)
    # What the person asked for comes first; the order within both is the config's.
    changes = sorted(
        outcome.changes,
        key=lambda change: change.origin is None or change.origin.kind != "override",
    )
    rows = [cells(change, glyphs.arrow) for change in changes]
    if not rows:
        return
    for change, row in zip(changes, rows, strict=True):
        if change.origin is not None and target(change.origin.text) == change.key:
            row[3] = "override"
    longest, values, origins = (max(cell_len(row[at]) for row in rows) for at in (1, 2, 3))
    keys = min(longest, width - values - origins - 7)
    one_line = keys >= min(longest, 24)
    if not one_line:
        keys = min(longest, max(16, width * 45 // 100))
    for change, (sign, key, value, origin) in zip(changes, rows, strict=True):
        head = (
            (f" {sign} ", "dim"),
            (left(_short(key, keys, glyphs.ellipsis), keys) + "  ", "plain"),
        )
        if one_line:
            tail = ((left(value, values) + "  ", "value"), (origin, "dim"))
            yield Line((*head, *tail), change.key)
        else:
            yield Line(
                (*head, (fit(value, width - keys - 5, glyphs.ellipsis), "value")), change.key
            )
            if origin:
                yield Line(
                    (("     " + fit_place(origin, width - 5, glyphs.ellipsis), "dim"),), change.key
                )


def _clamped(outcome: Outcome, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Show what was lowered to the limits of the hardware, as far as it still holds."""
    from trainer.runs.plan import cells

    clamping = outcome.draft.clamped
    changes = clamping.in_force(outcome.config)
    if not changes:
        return
    more = f"to {clamping.hardware}; u takes it back"
    yield _heading("clamped", fit(more, max(1, width - 11), glyphs.ellipsis))
    rows = [cells(change, glyphs.arrow) for change in changes]
    keys, values = (max(cell_len(row[at]) for row in rows) for at in (1, 2))
    for change, (sign, key, value, _origin) in zip(changes, rows, strict=True):
        limit = change.origin.text.rpartition(".")[2] if change.origin is not None else ""
        pieces = ((f"   {sign} ", "dim"), (left(key, keys) + "  ", "plain"))
        rest = width - keys - values - 9
        why = clean(limit) if len(limit) <= rest else ""
        yield Line((*pieces, (left(value, values) + "  ", "value"), (why, "dim")), change.key)
    for note in clamping.notes:
        yield from _wrapped(note, width, "note")


def _card(outcome: Outcome, need: Need | None, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Show the hardware: how it stands to this machine, then line by line what is used of it."""
    card, fit_ = outcome.card, outcome.card.fit
    unknown = fit_.unsupported or fit_.reasons or card.name == glyphs.dash
    here = "" if unknown else f" {glyphs.separator} fits this machine"
    yield _heading("hardware", fit(f"{card.name}{here}", max(1, width - 12), glyphs.ellipsis))
    if fit_.unsupported:
        yield from _wrapped(f"unsupported: {fit_.unsupported}", width, "wrong")
    for reason in fit_.reasons:
        yield from _wrapped(f"not this machine: {reason}", width, "note")
    if fit_.instead:
        would = ", ".join(fit_.instead)
        yield from _wrapped(f"would do instead: hardware={would}", width, "note")
    facts = [*card.facts, memory_fact(outcome.config, need)]
    names = max(cell_len(fact.name) for fact in facts)
    # What has no limit beside it takes the whole line, and does not push the limits out.
    beside = [cell_len(fact.used) for fact in facts if fact.limit]
    used = min(max(beside, default=0), max(12, (width - names) // 2))
    for fact in facts:
        if cell_len(fact.used) > used and not fact.limit:
            room, limit = max(1, width - names - 6), ""
        else:
            room, limit = used, fact.limit
        style = "wrong" if fact.wrong else "plain"
        rest = max(1, width - names - room - 8)
        yield Line(
            (
                (" ! " if fact.wrong else "   ", "wrong"),
                (left(fact.name, names) + "  ", "dim"),
                (left(fact.used, room, glyphs.ellipsis) + "  ", "wrong" if fact.wrong else "value"),
                (fit(limit, rest, glyphs.ellipsis), style if fact.wrong else "dim"),
            ),
            fact.key,
        )
    if need is not None:
        yield from _need(need, width, glyphs)
    here = f"this machine: {fit_.here}; fits {', '.join(fit_.fitting)}"
    yield from _wrapped(here, width, "dim")


def _need(need: Need, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Say whether the memory suffices, and what takes it."""
    found = need.estimate
    if need.said and (found is not None or need.wrong):
        yield from _wrapped(need.said, width, "wrong" if need.wrong else "dim", 5)
    if found is None:
        return
    yield from _wrapped(f" {glyphs.separator} ".join(parts_of(found)), width, "dim", 5)
    for note in found.notes:
        yield from _wrapped(clean(note), width, "note", 5)


def _rate(rate: Rate, width: int, glyphs: Glyphs) -> Iterator[Line]:
    from tui.widgets.chart.lr import lr_rows, lr_summary

    curve = rate.curve
    more = lr_summary(curve) if curve is not None else ""
    if not rate.wrong:
        more = f"{more}  {rate.said}".strip()
    yield _heading("learning rate", fit(more, max(1, width - 17), glyphs.ellipsis))
    if rate.wrong:
        yield from _wrapped(rate.said, width, "wrong")
    if curve is None:
        return
    if len(curve.distinct) > 1:
        names = [curve.name(number) for number in curve.distinct]
        yield from _wrapped(f" {glyphs.separator} ".join(names), width, "plain")
    for row in lr_rows(curve, max(8, min(width - 2, _PLOT[0])), _PLOT[1], glyphs):
        yield Line(((" ", "plain"), *((text, pieces_of(style)) for style, text in row)))
    yield from _wrapped(f" {glyphs.separator} ".join(facts_of(curve)), width, "plain")
    for note in curve.notes:
        yield from _wrapped(clean(note), width, "note")
    if rate.wanting:
        text = "How many batches an epoch has is unknown; B builds the data and counts them."
        yield from _wrapped(text, width, "note")


def _short(key: str, width: int, ellipsis: str) -> str:
    """Cut a key at its beginning: its last word says most."""
    return key if cell_len(key) <= width else ellipsis + key[len(key) - width + len(ellipsis) :]


def _config(outcome: Outcome, width: int, glyphs: Glyphs) -> Iterator[Line]:
    yield _heading("the whole config")
    for text in outcome.yaml:
        name, colon, value = text.partition(":")
        cut = fit(value, max(1, width - cell_len(name) - 3), glyphs.ellipsis)
        yield Line(((f"  {name}{colon}", "plain"), (cut, "value")))
