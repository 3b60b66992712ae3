"""Other spellings of canonical keys: one table, applied to each file and override before merging.

An alias stands for its key and everything below it; the longest one that fits a key wins. Where the
shapes differ, a converter says which canonical keys a value becomes. Interpolations are rewritten
too, so that `${lightning.lr}` finds the learning rate wherever it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.config.alias_table import ALIASES, Alias
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem

__all__ = [
    "ALIASES",
    "Alias",
    "AliasNote",
    "canonical_key",
    "override_conflicts",
    "rewrite_mapping",
    "rewrite_override",
    "rewrite_text",
    "table",
]

_Path = tuple[Any, ...]  # keys of a mapping: texts, though YAML allows numbers too
_MAX_HOPS = 8
_INTERPOLATION = re.compile(
    r"\$\{(\s*)((?:oc\.select:\s*)?)(\.*)([A-Za-z_][\w\-]*(?:[.\[][\w\-.\[\]]*)?)(\s*[},])"
)


@dataclass(frozen=True, slots=True)
class AliasNote:
    """A key that was written in another spelling.

    Attributes:
        old: The dotted key as written.
        new: The canonical key that it, and everything below it, became.
        where: The file or override that it was written in.
    """

    old: str
    new: str
    where: str = ""

    def __str__(self) -> str:
        """Give the rewriting as one line."""
        return f"{self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class _Item:
    path: _Path
    value: Any
    written: _Path


def table() -> list[Alias]:
    """Give all aliases in the table's order, for lists and documentation."""
    return list(ALIASES)


def canonical_key(key: str) -> str:
    """Give the canonical spelling of a dotted key; a canonical key is given back as it is.

    Where an alias becomes several keys, this is the main one of them.
    """
    return _dotted(_canonical(tuple(key.split("."))))


def about(word: str) -> str:
    """Give the key that an override is about, by whichever of its names; a preset is its own."""
    return canonical_key(word.partition("=")[0].strip().lstrip("+~"))


def rewrite_mapping(
    mapping: dict[str, Any], where: str = "", place: Callable[[_Path], str] | None = None
) -> tuple[dict[str, Any], list[AliasNote]]:
    """Rewrite a file's content to canonical keys.

    Args:
        mapping: The content from the config's root downwards; it is not changed.
        where: The file as shown to a person, for notes and problems.
        place: Gives for a key as written where exactly it stands; without it problems name the file.

    Returns:
        The rewritten content (the mapping itself if nothing was to be rewritten), and what became
        of which key.

    Raises:
        ConfigError: Two spellings of one key with different values, or a value that an alias
            cannot convert; holds every problem.
    """
    if not mapping:
        return mapping, []
    rewriter = _Rewriter(where, place=place)
    problems = rewriter.problems
    items = list(rewriter.items((), mapping, ()))
    notes = _notes(items, where)
    rewritten: dict[str, Any] = {}
    spelled: dict[_Path, _Item] = {}
    changed = bool(notes)
    for item in items:
        value = _rewrite_values(item.value, item.written, item.path)
        changed = changed or value is not item.value
        _put(rewritten, _Item(item.path, value, item.written), spelled, where, problems)
    if problems:
        raise ConfigError(*problems)
    return (rewritten, notes) if changed else (mapping, notes)


def rewrite_override(
    key: str, value: Any, where: str = ""
) -> tuple[list[tuple[str, Any]], list[AliasNote]]:
    """Rewrite one override.

    Args:
        key: Its dotted key, without `+` or `~`.
        value: Its value, parsed.
        where: The override as typed.

    Returns:
        The canonical keys with their values, and what became of the key.

    Raises:
        ConfigError: The alias cannot convert the value, or a mapping as the value spells one key
            in two ways.
    """
    path = tuple(key.split("."))
    rewriter = _Rewriter(where)
    items = list(rewriter.items(path, value, path))
    if rewriter.problems:
        raise ConfigError(*rewriter.problems)
    if isinstance(value, Mapping) and not _notes(items, where):
        items = [_Item(path, value, path)]
    return [
        (_dotted(item.path), _rewrite_values(item.value, item.written, item.path)) for item in items
    ], _notes(items, where)


def rewrite_text(text: str) -> str:
    """Rewrite the absolute interpolations in a text: `${lightning.lr}` -> `${optimizer.config.lr}`."""
    return str(_rewrite_string(text, (), ()))


def override_conflicts(written: Iterable[tuple[str, str, Any, str]]) -> list[Problem]:
    """Find keys that one list of overrides spells in two ways with different values.

    Args:
        written: For each canonical assignment in order: the key as written, the canonical key, the
            value, the override as typed.
    """
    problems = []
    first: dict[str, tuple[str, Any, str]] = {}
    for old, new, value, text in written:
        known = first.setdefault(new, (old, value, text))
        if known[0] != old and not _same(known[1], value):
            problems.append(_conflict(new, known[0], old, f"overrides {known[2]} and {text}"))
        first[new] = (old, value, text)
    return problems


class _Index:
    """The table by path, for longest-match look-ups."""

    def __init__(self, rows: Iterable[Alias]) -> None:
        self.exact: dict[_Path, Alias] = {}
        self.below: dict[_Path, Alias] = {}
        self.parents: set[_Path] = set()
        for row in rows:
            path = tuple(row.old.split("."))
            if path[-1] == "*":
                self.below[path[:-1]] = row
                self.parents.add(path[:-1])
            else:
                self.exact[path] = self.below[path] = row
            for end in range(len(path)):
                self.parents.add(path[:end])

    def find(self, path: _Path) -> tuple[Alias, int] | None:
        """Give the longest alias for a path, and how many parts of the path it covers."""
        if path in self.exact:
            return self.exact[path], len(path)
        for end in range(len(path) - 1, 0, -1):
            row = self.below.get(path[:end])
            if row is not None:
                return row, end
        return None


_INDEX = _Index(ALIASES)


@dataclass(slots=True)
class _Rewriter:
    """Splits the content of one file or override into canonical places."""

    where: str
    problems: list[Problem] = field(default_factory=list)
    place: Callable[[_Path], str] | None = None

    def items(self, path: _Path, value: Any, written: _Path, hops: int = 0) -> Iterator[_Item]:
        """Follow aliases until none is left."""
        if hops > _MAX_HOPS:  # the table is ours: a circle in it is a mistake of ours
            raise RuntimeError(f"the alias table goes round in a circle at {_dotted(path)}")
        if isinstance(value, Mapping) and value and path in _INDEX.parents:
            for name, below in value.items():
                yield from self.items((*path, name), below, (*written, name), hops)
            return
        found = _INDEX.find(path) if path else None
        if found is None:
            yield _Item(path, value, written)
            return
        row, covered = found
        if row.convert is not None and covered == len(path):
            yield from self._converted(row, row.convert, value, written, hops)
            return
        yield from self.items((*_target(row), *path[covered:]), value, written, hops + 1)

    def _converted(
        self,
        row: Alias,
        convert: Callable[[Any], Mapping[str, Any]],
        value: Any,
        written: _Path,
        hops: int,
    ) -> Iterator[_Item]:
        spelling = clean(_dotted(written))
        where = self.place(written) if self.place else self.where
        if isinstance(value, str) and "${" in value:
            self.problems.append(
                Problem(
                    f"'{spelling}' cannot be an interpolation, since it becomes '{row.new}' "
                    "in another shape.",
                    where,
                    f"Write '{row.new}' itself.",
                    row.new,
                )
            )
            return
        try:
            outcome = convert(value)
        except ValueError as error:
            what, *remedy = error.args
            told = f"'{spelling}' {clean(str(what))[:300]}."
            self.problems.append(Problem(told, where, " ".join(remedy), row.new))
            return
        for name, converted in outcome.items():
            yield from self.items(tuple(name.split(".")), converted, written, hops + 1)


def _target(row: Alias) -> _Path:
    path = tuple(row.new.split("."))
    return path[:-1] if path[-1] == "*" else path


def _canonical(path: _Path) -> _Path:
    for _ in range(_MAX_HOPS):
        found = _INDEX.find(path)
        if found is None:
            break
        row, covered = found
        new = (*_target(row), *path[covered:])
        if new == path:
            break
        path = new
    return path


def _notes(items: Iterable[_Item], where: str) -> list[AliasNote]:
    return [
        AliasNote(_dotted(item.written), _dotted(item.path), where)
        for item in items
        if item.path != item.written
    ]


def _put(
    tree: dict[str, Any],
    item: _Item,
    spelled: dict[_Path, _Item],
    where: str,
    problems: list[Problem],
) -> None:
    """Set a value in the tree and notice what another spelling has set before."""
    if isinstance(item.value, Mapping) and item.value and item.path:
        for name, below in item.value.items():
            _put(
                tree,
                _Item((*item.path, name), below, (*item.written, name)),
                spelled,
                where,
                problems,
            )
        return
    node = tree
    for end, part in enumerate(item.path[:-1], start=1):
        below = node.setdefault(part, {})
        if not isinstance(below, dict):
            other = spelled[item.path[:end]]
            problems.append(_clash(other, item, where))
            return
        node = below
    last = item.path[-1]
    if last in node:
        other = spelled.get(item.path) or _below(spelled, item.path)
        if isinstance(node[last], dict) and node[last] and item.value == {}:
            return
        if node[last] == {} and isinstance(item.value, dict):
            pass
        elif other.written != item.written and not _same(node[last], item.value):
            problems.append(_clash(other, item, where))
            return
    node[last] = item.value
    spelled[item.path] = item


def _below(spelled: Mapping[_Path, _Item], path: _Path) -> _Item:
    return next(item for place, item in spelled.items() if place[: len(path)] == path)


def _clash(first: _Item, second: _Item, where: str) -> Problem:
    return _conflict(_dotted(second.path), _dotted(first.written), _dotted(second.written), where)


def _conflict(key: str, first: str, second: str, where: str) -> Problem:
    return Problem(
        clean(f"'{first}' and '{second}' are two spellings of '{key}', with different values."),
        where,
        "Keep one of them.",
        key,
    )


def _dotted(path: _Path) -> str:
    return ".".join(map(str, path))


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _rewrite_values(value: Any, written: _Path, path: _Path) -> Any:
    """Rewrite the interpolations in a value; a value without any comes back as the same object."""
    if isinstance(value, str):
        return _rewrite_string(value, written, path) if "${" in value else value
    if isinstance(value, Mapping):
        new = {
            name: _rewrite_values(below, (*written, str(name)), (*path, str(name)))
            for name, below in value.items()
        }
        return new if any(new[name] is not value[name] for name in new) else value
    if isinstance(value, list):
        items = [
            _rewrite_values(item, (*written, str(at)), (*path, str(at)))
            for at, item in enumerate(value)
        ]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def _rewrite_string(text: str, written: _Path, path: _Path) -> str:
    def replace(match: re.Match[str]) -> str:
        blank, resolver, dots, key, end = match.groups()
        parts = tuple(re.sub(r"\[(\w+)\]", r".\1", key).split("."))
        if dots:
            if len(dots) > len(written):
                return match.group(0)
            parts = (*written[: len(written) - len(dots)], *parts)
        new = _canonical(parts)
        if new == parts and (not dots or written == path):
            return match.group(0)
        return "${" + blank + resolver + _dotted(new) + end

    rewritten = _INTERPOLATION.sub(replace, text)
    return text if rewritten == text else rewritten
