"""Tables of a TOML file edited as people wrote them: a change touches its own line and nothing else.

Comments, order, quotes and blank lines stay, because they are never written anew; only a value is,
by tomlkit. As with YAML, every edit is read back and compared before it counts.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from trainer.config import toml_text
from trainer.config.alias_table import ALIASES
from trainer.config.aliases import canonical_key
from trainer.config.diff import same
from trainer.config.edit import Leaf, ProfileText
from trainer.config.edit_lookup import by_name, flat, value_at
from trainer.config.edit_merge import OURS, THEIRS
from trainer.config.edit_nodes import Path
from trainer.config.edit_splice import EditError
from trainer.config.entries import Entry
from trainer.config.tables import option_keys
from trainer.config.text import clean
from trainer.config.toml_tables import GROUP_OF, HYPERPARAMETERS, PRESET
from trainer.config.toml_text import Mark
from trainer.errors import ConfigError, Problem

__all__ = ["TableText"]

_HEADERS = {group: table for table, group in GROUP_OF.items()}


class TableText(ProfileText):
    """A TOML file's text, of which one table is in hand; edits give a new one.

    Args:
        text: What stands in the file; it may be broken.
        group: The group that the table belongs to, such as `preset`.
        name: The table's own name in the group.
        shown: The file as shown to a person, for the places of problems.
    """

    def __init__(self, text: str, group: str = "", name: str = "", shown: str = "") -> None:
        super().__init__(text, group, shown)
        self.name = name

    @cached_property
    def table(self) -> Path:
        """The path of the table in the file, as it is written or would be."""
        known = (_HEADERS.get(self.group, self.group), self.group)
        return next(
            ((top, self.name) for top in known if self.name in (self.file.get(top) or {})),
            (known[0], self.name),
        )

    @cached_property
    def _read(self) -> dict[str, Any] | ConfigError:
        try:
            return toml_text.parse(self.text.removeprefix("\ufeff"), self.shown)
        except ConfigError as error:
            return error

    @property
    def file(self) -> dict[str, Any]:
        """What the whole file says, as written; empty if it cannot be read."""
        return self._read if isinstance(self._read, dict) else {}

    @cached_property
    def _marks(self) -> list[Mark]:
        return toml_text.marks(self.text) if isinstance(self._read, dict) else []

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why the text cannot be read, with line and column; empty if it can."""
        if not isinstance(self._read, ConfigError):
            return ()
        marked = [n for n, line in enumerate(self.text.splitlines(), 1) if line == OURS.strip()]
        if not marked:
            return self._read.problems
        remedy = f"Keep the lines that you want, and take out those of {OURS[:7]}, ======= and {THEIRS[:7]}."
        return tuple(
            Problem("Two versions stand here.", f"{self.shown}:{line}", remedy) for line in marked
        )

    @property
    def values(self) -> dict[Any, Any]:
        """What the table says, as written; empty if the file cannot be read or has no such table."""
        try:
            found = value_at(self.file, self.table)
        except KeyError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def _choices(self) -> dict[str, str]:
        """The keys that choose an option, with the group of each."""
        return option_keys(self.values) if self.group == PRESET else {}

    @property
    def defaults(self) -> tuple[Entry, ...]:
        """The options that a preset chooses, as entries of a defaults list."""
        values = self.values
        return tuple(
            Entry(f"/{group}", values[key], None, False, True, self._line((*self.table, key)))
            for key, group in self._choices.items()
        )

    @cached_property
    def package(self) -> Path:
        """The section that its keys go to, as the file spells it; empty for a preset."""
        return () if self.group == PRESET else (_HEADERS.get(self.group, self.group),)

    def _line(self, path: Path) -> int:
        lines = [m.line for m in self._marks if m.path[: len(path)] == path]
        return lines[0] if lines else 1

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Every value that the table sets, in its order; lists are one value."""
        found: list[Leaf] = []
        choices = self._choices

        def walk(value: Any, path: Path) -> None:
            if isinstance(value, dict) and (value or not path):
                for name, below in value.items():
                    walk(below, (*path, name))
            elif path[0] not in choices:
                key = canonical_key(".".join((*self.package, *path)))
                found.append(Leaf(path, key, value, self._line((*self.table, *path))))

        walk(self.values, ())
        return tuple(found)

    def get(self, key: str) -> Any:
        """Give what the table says of a canonical key.

        Raises:
            KeyError: It says nothing of it.
        """
        leaf = self.find(key)
        if leaf is None:
            raise KeyError(key)
        return leaf.value

    def reaches(self, key: str) -> bool:
        """Say whether the table can set a key, given the group that it belongs to."""
        return self._spelled(key) is not None

    def _spelled(self, key: str) -> Path | None:
        """Give the keys to write in the table for a canonical key; None if it cannot be there."""
        for row in ALIASES:
            *above, last = row.old.split(".")
            fits = tuple(above) == self.package and "004" in row.source
            if fits and row.new == key and row.convert is None and last != "dataset":
                return (last,)
        return self._within(self.package, key) if self.group != HYPERPARAMETERS else None

    # ── editing ──────────────────────────────────────────────────────────────────────────────

    def set(self, key: str, value: Any) -> TableText:
        """Set a canonical key where it stands, in whatever spelling, or add it.

        Raises:
            EditError: The file cannot be read, the table cannot set this key, the value is null, or
                the change would touch more than the key; the text stays as it was.
        """
        self.must_be_readable()
        leaf = self.find(key)
        if leaf is not None and repr(leaf.value) == repr(value):
            return self
        path = leaf.path if leaf is not None else self._spelled(key)
        if path is None:
            what = f"A table of '{self.table[0]}' cannot set '{clean(key)}'."
            remedy = "Set it in a preset, or on the command line."
            raise EditError(Problem(what, self.shown, remedy, key))
        return self._put(path, value)

    def _put(self, path: Path, value: Any) -> TableText:
        written = _written(value, self.shown, ".".join((*self.package, *path)))
        full = (*self.table, *path)
        mark = next((m for m in self._marks if m.path == full and not m.header), None)
        if mark is not None:
            text = self.text[: mark.start] + written + self.text[mark.end :]
        else:
            text = self._add(path, written)
        return self._checked(text, path, value)

    def _add(self, path: Path, written: str) -> str:
        """Write a new key below the last one of the innermost table that has a header."""
        newline = "\r\n" if "\r\n" in self.text else "\n"
        headers = {m.path: m for m in self._marks if m.header}
        for depth in range(len(path) - 1, -1, -1):
            inner = (*self.table, *path[:depth])
            header = headers.get(inner)
            if header is None:
                continue
            last = max(
                (m for m in self._marks if m.table == inner and not m.inline), key=lambda m: m.end
            )
            at = self.text.find("\n", last.end)
            indent = _indent(self.text, last) if not last.header else ""
            name = ".".join(key_of(part) for part in path[depth:])
            line = f"{indent}{name} = {written}"
            if at < 0:
                return f"{self.text}{newline}{line}{newline}"
            return f"{self.text[: at + 1]}{line}{newline}{self.text[at + 1 :]}"
        name = ".".join(map(key_of, self.table))
        key = ".".join(map(key_of, path))
        gap = "" if not self.text.strip() else newline
        if self.text and not self.text.endswith("\n"):
            gap = newline + gap
        return f"{self.text}{gap}[{name}]{newline}{key} = {written}{newline}"

    def unset(self, key: str) -> TableText:
        """Take a canonical key out, with its line.

        Raises:
            EditError: As for `set`; or the table does not say anything of the key.
        """
        self.must_be_readable()
        leaf = self.find(key)
        if leaf is None:
            raise EditError(Problem(f"'{clean(key)}' is not set here.", self.shown, "", key))
        full = (*self.table, *leaf.path)
        mark = next((m for m in self._marks if m.path == full and not m.header), None)
        if mark is None or mark.inline:
            raise EditError(Problem("This can only be changed in the TOML.", self.shown, "", key))
        start = self.text.rfind("\n", 0, _statement(self.text, mark)) + 1
        end = self.text.find("\n", mark.end)
        text = self.text[:start] + ("" if end < 0 else self.text[end + 1 :])
        return self._checked(text, leaf.path, None, gone=True)

    def choose(self, at: int, option: str | None) -> TableText:
        """Choose another option for a group.

        Args:
            at: Which of `defaults`.
            option: The option; None takes the choice out.

        Raises:
            EditError: The text cannot be changed so.
        """
        self.must_be_readable()
        keys = list(self._choices)
        if at >= len(keys):
            raise EditError(Problem("This can only be changed in the TOML.", self.shown))
        if option is not None:
            return self._put((keys[at],), option)
        mark = next(m for m in self._marks if m.path == (*self.table, keys[at]))
        start = self.text.rfind("\n", 0, _statement(self.text, mark)) + 1
        end = self.text.find("\n", mark.end)
        text = self.text[:start] + ("" if end < 0 else self.text[end + 1 :])
        return self._checked(text, (keys[at],), None, gone=True)

    def point(self, key: str, option: str) -> TableText:
        """Let a key of a preset choose another option.

        Raises:
            EditError: The text cannot be changed so.
        """
        return self.choose(list(self._choices).index(key), option)

    def widened(self) -> TableText:
        """Tables set keys of their own group; only a preset's sets any.

        Raises:
            EditError: The table is no preset.
        """
        if self.group == PRESET:
            return self
        what = f"A table of '{self.table[0]}' sets keys of its own group only."
        raise EditError(Problem(what, self.shown, "Set it in a preset."))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def put(self, text: str) -> TableText:
        """Give another text of the same file, with the same table in hand."""
        return TableText(text, self.group, self.name, self.shown)

    def must_be_readable(self) -> None:
        """Refuse to edit a text that cannot be read.

        Raises:
            EditError: It cannot.
        """
        if self.problems:
            raise EditError(*self.problems)

    def _checked(  # type: ignore[override]  # its paths are below the table
        self, text: str, path: Path, value: Any, *, gone: bool = False
    ) -> TableText:
        """Read an edited text back, and refuse it if it says anything else than it should."""
        new = self.put(text)
        full = (*self.table, *path)
        if not new.problems:
            before, after = flat(self.file), flat(new.file)
            others = {name: v for name, v in before.items() if name[: len(full)] != full}
            now = {name: v for name, v in after.items() if name[: len(full)] != full}
            for at in range(len(full)):  # a table that was empty, or is now
                others.pop(full[:at], None)
                now.pop(full[:at], None)
            try:
                right = same(value_at(new.file, full), value) and not gone
            except KeyError:
                right = gone
            if right and same(by_name(others), by_name(now)):
                return new
        key = ".".join((*self.package, *path))
        raise EditError(
            Problem(
                f"'{clean(key)}' cannot be changed here without changing more.",
                self.shown,
                "Change it in the TOML.",
                canonical_key(key),
            )
        )


def _statement(text: str, mark: Mark) -> int:
    """Give where the key of a value begins."""
    return text.rindex("=", 0, mark.start)


def _indent(text: str, mark: Mark) -> str:
    line = text.rfind("\n", 0, _statement(text, mark)) + 1
    return re.match(r"[ \t]*", text[line:])[0]  # type: ignore[index]  # it matches nothing, too


def key_of(name: str) -> str:
    import tomlkit

    return str(tomlkit.key(name).as_string())


def _written(value: Any, shown: str, key: str) -> str:
    import tomlkit

    if value is None:
        what = f"'{clean(key)}' cannot be null: TOML has no such value."
        raise EditError(Problem(what, shown, "Take the key out instead.", canonical_key(key)))
    if isinstance(value, str) and "\n" in value.strip("\n") and not set(value) & {"\r", "\\", '"'}:
        return f'"""{value}"""' if value[0] != "\n" else f'"""\n{value}"""'
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)
        return str(inline.as_string())
    return str(tomlkit.item(value).as_string())
