"""A form of config keys: a row for each, edited one at a time, with what the key takes beside it.

The form holds no truth: it shows rows, and says what a person wants changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.text import cell_len, clean, fit, left
from tui.widgets.factsrow import Facts
from tui.widgets.keybar import binding
from tui.widgets.linelist import LineList, Pieces
from tui.widgets.optionpick import pick

if TYPE_CHECKING:
    from trainer.config.schema_base import Key

#: Says what is wrong with a value of a key; empty if nothing is.
Check = Callable[[str, Any], str]


@dataclass(frozen=True)
class Row:
    """One key in a form.

    Attributes:
        key: The canonical dotted key; in a heading, its text.
        value: Its value, plain.
        known: What the schema says of it; None if it says nothing.
        note: A fact shown dim at the right, such as where the value comes from.
        problem: What is wrong with it; empty if nothing is.
        choices: Values to choose from, where the schema does not list them.
        heading: Whether this is a heading over the rows below it.
        fixed: Whether it can only be looked at; the note says why.
        label: Shown in place of the key.
        given: What it would be without the person's own choice, in words; empty if there is none.
        abouts: What each of the choices is, in words; empty if the values say it themselves.
        facts: What tells the choices apart, if they are options of a group that has such facts.
    """

    key: str
    value: Any = None
    known: Key | None = None
    note: str = ""
    problem: str = ""
    choices: tuple[Any, ...] = ()
    heading: bool = False
    fixed: bool = False
    label: str = ""
    given: str = ""
    abouts: tuple[str, ...] = ()
    facts: Facts | None = None

    @property
    def name(self) -> str:
        """What it is called on the screen."""
        return self.label or self.key

    @property
    def kinds(self) -> list[str]:
        """The types that the key takes, in words."""
        return self.known.type.split(" | ") if self.known is not None else []

    @property
    def offered(self) -> tuple[Any, ...]:
        """The values to choose from; empty if any may be typed."""
        found = self.choices or (self.known.choices if self.known is not None else ())
        if found and "null" in self.kinds and None not in found:
            found = (*found, None)
        return found

    @property
    def is_switch(self) -> bool:
        """Whether it takes true and false only, null aside."""
        return "bool" in self.kinds and set(self.kinds) <= {"bool", "null"}


class FieldRows(LineList):
    """The rows of a form."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "field--key",
        "field--value",
        "field--problem",
        "field--heading",
    }
    DEFAULT_CSS = """
    FieldRows > .field--value { color: $text-accent; }
    FieldRows > .field--problem { color: $text-error; }
    FieldRows > .field--heading { color: $text-muted; text-style: bold; }
    """

    def __init__(self, empty: str = "") -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self._empty = empty

    def show(self, rows: Sequence[Row]) -> None:
        """Show rows; the cursor stays on its key as long as it is there."""
        if rows == self.rows:
            return
        key = self.row.key if self.row else ""
        at = next((i for i, row in enumerate(rows) if row.key == key), None)
        self.rows = rows
        self.show_rows(len(rows) or (1 if self._empty else 0), at)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a row: key, value, unit or bounds, note."""
        if not self.rows:
            return [(fit(f" {self._empty}", width), self.part("linelist--dim"))]
        row = self.rows[index]
        if row.heading:
            return [(fit(f" {row.key}", width), self.part("field--heading"))]
        dim, wrong = self.part("linelist--dim"), self.part("field--problem")
        longest = max(cell_len(each.name) for each in self.rows if not each.heading)
        keys = min(longest, max(12, width * 3 // 5))
        value = clean(_shown(row.value))
        room = max(4, width - keys - 4)
        facts = row.problem or "  ".join(part for part in (_unit(row), row.note) if part)
        value = fit(value, room if not facts else max(8, min(room, max(room // 2, room - 16))))
        rest = room - cell_len(value) - 2
        return [
            ("! " if row.problem else "  ", wrong),
            (left(_short(clean(row.name), keys), keys), Style.null()),
            ("  ", Style.null()),
            (value, self.part("field--value")),
            ("  " + fit(clean(facts), rest) if rest > 3 else "", wrong if row.problem else dim),
        ]


class FieldForm(Vertical):
    """Rows, an input for the one that is edited, and the help of the one under the cursor.

    Args:
        check: Says what is wrong with a value as it is typed.
        warn: Says what is to be known of a value that is taken nevertheless.
        empty: Said where there is no row.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("space", "switch", "switch", show=False, tip="Switch between true and false"),
        binding("escape", "stop_editing", "leave it", tip="Leave the value as it was"),
    ]
    DEFAULT_CSS = """
    FieldForm { height: 1fr; }
    FieldForm > Input { display: none; border: none; height: 1; padding: 0 1; background: $boost; }
    FieldForm > .help { height: auto; max-height: 5; padding: 0 1; background: $surface; color: $text-muted; }
    FieldForm > .help.problem { color: $text-error; }
    FieldForm.editing > Input { display: block; }
    """

    class Edited(Message):
        """A person gave a key a new value."""

        def __init__(self, form: FieldForm, key: str, value: Any) -> None:
            self.form, self.key, self.value = form, key, value
            super().__init__()

        @property
        def control(self) -> FieldForm:
            """The form."""
            return self.form

    def __init__(
        self,
        check: Check | None = None,
        *,
        empty: str = "no keys are set",
        warn: Check | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._check, self._warn = check, warn
        self._rows = FieldRows(empty)
        self._editing: Row | None = None

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._rows
        yield Input(compact=True)
        yield Static("", classes="help", markup=False)

    def on_mount(self) -> None:
        """No blinking: it would be sent over SSH for ever."""
        self.query_one(Input).cursor_blink = False

    # ── what is shown ────────────────────────────────────────────────────────────────────────

    def show(self, rows: Sequence[Row]) -> None:
        """Show rows; the one being edited stays open."""
        self._rows.show(rows)
        self._tell()

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._rows.row

    @property
    def rows(self) -> FieldRows:
        """The list of rows, which takes the focus."""
        return self._rows

    @property
    def is_editing(self) -> bool:
        """Whether a value is being typed."""
        return self._editing is not None

    def go_to(self, key: str) -> bool:
        """Move the cursor to a key; false if it has no row."""
        for at, row in enumerate(self._rows.rows):
            if row.key == key and not row.heading:
                self._rows.cursor = at
                return True
        return False

    @on(LineList.Highlighted)
    def _moved(self) -> None:
        self._tell()

    def _tell(self, problem: str = "") -> None:
        """Say below the rows what the key in hand takes, and what is wrong."""
        row = self._editing or self.row
        help_ = self.query_one(".help", Static)
        if row is None or row.heading:
            help_.update("")
            return
        problem = problem or ("" if self._editing else row.problem)
        lines = [problem] if problem else []
        lines += describe(row)
        help_.set_class(bool(problem), "problem")
        help_.update(Content(clean("\n".join(lines), keep_newlines=True)))

    # ── editing ──────────────────────────────────────────────────────────────────────────────

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        event.stop()
        if self.row is not None:
            self.edit(self.row)

    def action_switch(self) -> None:
        """Switch the value under the cursor."""
        row = self.row
        if row is None or row.heading or row.fixed:
            return
        if row.is_switch:
            self.post_message(self.Edited(self, row.key, row.value is not True))
        else:
            self.edit(row)

    def edit(self, row: Row) -> None:
        """Ask for a new value of a key, which need not have a row.

        Args:
            row: The key, its value to begin with, and what it takes.
        """
        if row.heading or row.fixed:
            return
        if row.is_switch and row.value in (True, False, None):
            self.post_message(self.Edited(self, row.key, row.value is not True))
        elif row.offered:
            self._pick(row)
        else:
            self._type(row)

    def _pick(self, row: Row) -> None:
        offered = row.offered
        others = set(row.kinds) - {"null"} - {f'"{value}"' for value in offered}
        others -= {str(value).lower() for value in offered}
        free = bool(others) and not row.choices
        abouts = (*row.abouts, *[""] * len(offered))
        names = [(clean(_shown(value)), clean(abouts[at])) for at, value in enumerate(offered)]
        if free:
            names.append(("another value", "type it"))

        def picked(at: int | None) -> None:
            if at is None:
                return
            if at == len(offered):
                self._type(row)
            else:
                self.post_message(self.Edited(self, row.key, offered[at]))

        cursor = offered.index(row.value) if row.value in offered else 0
        self.app.push_screen(pick(row.name, names, row.facts, cursor), picked)

    def _type(self, row: Row) -> None:
        self._editing = row
        self.add_class("editing")
        self.refresh_bindings()
        field = self.query_one(Input)
        field.value = _shown(row.value) if row.value is not None or "null" in row.kinds else ""
        field.focus()
        field.cursor_position = len(field.value)
        self._tell()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        row = self._editing
        if row is not None:
            value, problem = self._read(event.value)
            if not problem and self._warn is not None:
                problem = self._warn(row.key, value)
            self._tell(problem)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        row = self._editing
        if row is None:
            return
        value, problem = self._read(event.value)
        if problem:
            self._tell(problem)
            return
        self.action_stop_editing()
        self.post_message(self.Edited(self, row.key, value))

    def _read(self, text: str) -> tuple[Any, str]:
        from trainer.config.values import problem_with, typed

        assert self._editing is not None
        try:
            value = typed(text, self._editing.known)
        except ValueError as error:
            return None, str(error)
        return value, (self._check or problem_with)(self._editing.key, value)

    def action_stop_editing(self) -> None:
        """Leave the value as it was."""
        self._editing = None
        self.remove_class("editing")
        self.refresh_bindings()
        self._rows.focus()
        self._tell()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is the screen's unless a value is being typed."""
        return self.is_editing if action == "stop_editing" else True


def describe(row: Row) -> list[str]:
    """Say in lines what a key takes and does."""
    known = row.known
    if known is None:
        return [row.name, row.note] if row.note else [row.name]
    kind = known.type
    if row.offered and len(kind) > 40:
        kind = "one of " + ", ".join(_shown(value) for value in row.offered)
    facts = [kind, known.bounds, known.unit and f"in {known.unit}"]
    if not known.absent:
        # Profiles may well give another: it is named for what it is.
        kind = "default of the class" if ".config." in known.key else "schema default"
        facts.append(f"{kind} {_shown(known.default)}")
    lines = [f"{row.key}   " + "  ".join(fact for fact in facts if fact)]
    idle = "" if known.acted_on else " This version does nothing about it."
    lines.append(f"{known.doc}{idle}")
    if row.given:
        lines.append(row.given)
    if not row.given and (note := row.note.removesuffix(known.doc).strip()):
        lines.append(note)
    return lines


def _unit(row: Row) -> str:
    if row.known is None:
        return ""
    return " ".join(part for part in (row.known.unit, row.known.bounds) if part)


def _shown(value: Any) -> str:
    from trainer.config.values import shown

    return shown(value)


def _short(key: str, width: int) -> str:
    """Cut a key at its beginning: its last word says most."""
    if cell_len(key) <= width:
        return key
    return "…" + key[len(key) - width + 1 :] if width > 1 else key[:width]
