"""TOML read as plain values with a line number for each.

Python's own parser says what a text means and what is wrong with it; the scan beside it finds where
each key stands, which the parser does not tell.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainer.config.provenance import HERE, Origin, OriginTree
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem

Path = tuple[str, ...]

_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r"'([^'\n]*)'")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LONG = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}', re.DOTALL)
_PLAIN = re.compile(r"[^\s,\[\]{}#=]+(?: \d\d:[^\s,\[\]{}#]+)?")
_BRACKETS = re.compile(r"[\[\]{}]")
_MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands in a text.

    Attributes:
        path: Its keys from the root; an item of an array of tables has its index.
        line: Its line, from 1.
        header: Whether it is a table's `[header]` rather than a key with a value.
        table: The path of the header that it stands below; of a header, its own.
        start: Where in the text the header, or the key's value, begins.
        end: Where that ends.
        inline: Whether it stands inside a value, as a key of an inline table does.
    """

    path: Path
    line: int
    header: bool
    table: Path = ()
    start: int = 0
    end: int = 0
    inline: bool = False


def parse(text: str, shown: str) -> dict[str, Any]:
    """Read a text.

    Args:
        text: The TOML.
        shown: The file as shown to a person.

    Returns:
        Its values; dates and times as texts, since profiles hold plain values.

    Raises:
        ConfigError: It is no TOML; holds one problem with line and column.
    """
    # The parser calls itself for each bracket: a file that is nothing but these must not reach it.
    if _depth(text) > _MAX_DEPTH:
        raise ConfigError(Problem("The TOML is nested too deeply.", shown))
    try:
        return {name: _plain(value) for name, value in tomllib.loads(text).items()}
    except tomllib.TOMLDecodeError as error:
        what, line, column = str(error), text.count("\n") + 1, len(text) - text.rfind("\n")
        if found := _PLACE.search(what):
            what = what[: found.start()]
            if found[1]:
                line, column = int(found[1]), int(found[2])
        raise ConfigError(
            Problem(f"This is no valid TOML: {clean(what)}.", f"{shown}:{line}:{column}")
        ) from None
    except RecursionError:
        raise ConfigError(Problem("The TOML is nested too deeply.", shown)) from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        depth = depth + 1 if match[0] in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def marks(text: str) -> list[Mark]:
    """Find where every key and header of a valid text stands, in its order."""
    return list(_Scan(text).statements())


def origins(values: dict[str, Any], found: list[Mark], at: Origin) -> OriginTree:
    """Give the origin of every value.

    Args:
        values: What `parse` gave.
        found: What `marks` gave for the same text.
        at: The origin of the file as a whole; its line is replaced.
    """
    lines: dict[Path, int] = {}
    for mark in found:
        for end in range(1, len(mark.path) + 1):
            lines.setdefault(mark.path[:end], mark.line)
        if mark.header:
            lines[mark.path] = mark.line

    def tree(value: Any, path: Path, above: Origin) -> OriginTree:
        line = lines.get(path)
        here = above if line is None or line == above.line else _on(at, line)
        if isinstance(value, dict):
            below = {name: tree(item, (*path, name), here) for name, item in value.items()}
            return {HERE: here, **below}
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            items = {
                str(index): tree(item, (*path, str(index)), here)
                for index, item in enumerate(value)
            }
            return {HERE: here, **items}
        return here

    return tree(values, (), at)


def _on(at: Origin, line: int) -> Origin:
    return Origin(at.where, line, path=at.path, kind=at.kind)


class _Scan:
    """Goes through a valid text, statement by statement."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.line, self.counted = 1, 0
        self.arrays: dict[Path, int] = {}

    def statements(self) -> Iterator[Mark]:
        table: Path = ()
        while self._skip():
            line, start = self._line(), self.at
            if self.text.startswith("[[", self.at):
                self.at += 2
                *above, last = self._key()
                name = (*self._inside(tuple(above)), last)
                self.arrays[name] = self.arrays.get(name, -1) + 1
                table = (*name, str(self.arrays[name]))
                self.at = self.text.index("]]", self.at) + 2
                yield Mark(table, line, True, table, start, self.at)
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._inside(self._key())
                self.at = self.text.index("]", self.at) + 1
                yield Mark(table, line, True, table, start, self.at)
            else:
                path = (*table, *self._key())
                self.at = self.text.index("=", self.at) + 1
                self._skip()
                start, inside = self.at, list(self._value(path, table))
                yield Mark(path, line, False, table, start, self.at)
                yield from inside

    def _inside(self, path: Path) -> Path:
        """Put in the index of the newest item wherever a path leads through an array of tables."""
        inside: Path = ()
        for part in path:
            inside = (*inside, part)
            if inside in self.arrays:
                inside = (*inside, str(self.arrays[inside]))
        return inside

    def _skip(self) -> bool:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at < len(self.text)

    def _line(self) -> int:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if found := _BARE.match(self.text, self.at):
                parts.append(found[0])
            elif found := _LITERAL.match(self.text, self.at):
                parts.append(found[1])
            elif found := _BASIC.match(self.text, self.at):
                parts.append(str(tomllib.loads(f"k = {found[0]}")["k"]))
            else:  # unreachable in a valid text
                raise ValueError(f"no key at {self.at}")
            self.at = _BLANK.match(self.text, found.end()).end()  # type: ignore[union-attr]
            if self.text[self.at : self.at + 1] != ".":
                return tuple(parts)
            self.at += 1

    def _value(self, path: Path, table: Path) -> Iterator[Mark]:
        """Go over a value; the keys of tables inside it are marked as well."""
        self._skip()
        sign = self.text[self.at]
        if sign == "[":
            self.at += 1
            index = 0
            while self._skip() and self.text[self.at] != "]":
                if self.text[self.at] == ",":
                    self.at += 1
                    continue
                yield from self._value((*path, str(index)), table)
                index += 1
            self.at += 1
        elif sign == "{":
            self.at += 1
            while self._skip() and self.text[self.at] != "}":
                if self.text[self.at] == ",":
                    self.at += 1
                    continue
                line = self._line()
                below = (*path, *self._key())
                self.at = self.text.index("=", self.at) + 1
                self._skip()
                start, inside = self.at, list(self._value(below, table))
                yield Mark(below, line, False, table, start, self.at, True)
                yield from inside
            self.at += 1
        else:
            patterns = (_LONG, _BASIC, _LITERAL, _PLAIN)
            found = next(m for p in patterns if (m := p.match(self.text, self.at)))
            self.at = found.end()
