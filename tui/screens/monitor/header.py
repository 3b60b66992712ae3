"""The head of the Monitor: is it going on, how far is it, when is it done; or how did it end."""

from __future__ import annotations

from tui.glyphs import Glyphs
from tui.screens.monitor.facts import Facts
from tui.screens.monitor.lines import Lines, Piece, spread
from tui.text import cell_len, fit

#: Names longer than this yield to the facts behind them.
_NAME = 34


class Header(Lines):
    """Two lines, or three where a run that went wrong says why."""

    DEFAULT_CSS = """
    Header { dock: top; height: 2; background: $panel; }
    Header.-three { height: 3; }
    """

    def show_facts(self, facts: Facts, glyphs: Glyphs) -> None:
        """Show the facts; only what changed is drawn."""
        width = self.size.width
        if width <= 0:
            return
        lines = [first_line(facts, glyphs, width), second_line(facts, glyphs, width)]
        # The screen may be too low to spare a line.
        three = bool(facts.why) and self.screen.size.height >= 16
        if three:
            lines.append([(" " + fit(facts.why, width - 2, glyphs.ellipsis), "bad")])
        self.set_class(three, "-three")
        self.show_lines(lines)


def first_line(facts: Facts, glyphs: Glyphs, width: int) -> list[Piece]:
    """Name, state, epoch, step, time to go, share done; what matters least yields first."""
    name = fit(facts.name, min(_NAME, max(8, width // 3)), glyphs.ellipsis)
    sign = glyphs.state(facts.state) if facts.state else glyphs.ellipsis
    look = "bad" if facts.bad else "good" if facts.live or facts.state == "completed" else "warn"
    head: list[Piece] = [(f" {name}  ", "name"), (f"{sign} {facts.word}", look)]
    parts: list[tuple[int, Piece]] = []
    if facts.epoch:
        parts.append((2, (f"epoch {facts.epoch}", "")))
    if facts.steps:
        parts.append((4, (facts.steps, "value")))
    if facts.eta:
        parts.append((5, (f"ETA {facts.eta}", "value")))
    if facts.share is not None:
        # Rounded down: 100 % is said of what is done, and of nothing else.
        parts.append((3, (f"{int(facts.share * 100)}%", "")))
    note: list[Piece] = [(f"  {facts.note} ", "warn")] if facts.note else []
    room = width - sum(cell_len(text) for text, _ in [*head, *note]) - 1
    while parts and sum(cell_len(part[0]) + 3 for _, part in parts) > room:
        parts.remove(min(parts, key=lambda part: part[0]))
    line = list(head)
    for _, part in parts:
        line += [("   ", ""), part]
    return spread(line, note, width)


def second_line(facts: Facts, glyphs: Glyphs, width: int) -> list[Piece]:
    """A bar and the clock while it lives; how it ended and what to do once it has."""
    if facts.how:
        return _ended(facts, glyphs, width)
    right: list[Piece] = []
    if facts.elapsed:
        right += [("  elapsed ", "dim"), (facts.elapsed, "")]
    if facts.limit:
        right += [("  limit ", "dim"), (facts.limit, "value"), (" left", "dim")]
    if facts.phase:
        room = width - sum(cell_len(text) for text, _ in right) - 2
        told = fit(facts.phase, max(0, room), glyphs.ellipsis)
        return spread([(" ", ""), (told, "value")], [*right, (" ", "")], width)
    if facts.share is None:
        return spread([], [*right, (" ", "")], width)
    room = width - sum(cell_len(text) for text, _ in right) - 2
    full = int(facts.share * room + 0.5) if room > 0 else 0
    if full == room and facts.share < 1:
        full = room - 1
    bar: list[Piece] = [
        (" ", ""),
        (glyphs.bar[0] * full, "bar"),
        (glyphs.bar[1] * max(0, room - full), "rest"),
    ]
    return spread(bar, [*right, (" ", "")], width)


def _ended(facts: Facts, glyphs: Glyphs, width: int) -> list[Piece]:
    look = "bad" if facts.bad else "value"
    took = f" after {facts.elapsed}" if facts.elapsed and not facts.live else ""
    how, todo = facts.how + took, facts.todo
    if todo:
        # The command is what one cannot guess: the reason yields, down to half of the line.
        parts = todo.split("  ·  ")
        needed = cell_len("  ·  ".join(parts[:2] if parts[0] == "R" else parts[:1]))
        room = max(width // 2, width - needed - 9)
        # How long it took stands at its end, and stays.
        how = fit(facts.how, max(room - cell_len(took), room // 2), glyphs.ellipsis) + took
        how = fit(how, room, glyphs.ellipsis)
        rest = width - cell_len(how) - 9
        todo = shorter(todo, rest, glyphs)
    line: list[Piece] = [(" ", ""), (fit(how, width - 2, glyphs.ellipsis), look)]
    if todo:
        line += [("  next: ", "dim"), (todo, "value")]
    return spread(line, [], width)


def shorter(advice: str, room: int, glyphs: Glyphs) -> str:
    """Give as many parts of an advice as fit, from the front; else the last one, which is exact."""
    parts = advice.split("  ·  ")
    for end in range(len(parts), 0, -1):
        text = f"  {glyphs.separator}  ".join(parts[:end])
        if cell_len(text) <= room:
            return text
    return fit(parts[0], room, glyphs.ellipsis)
