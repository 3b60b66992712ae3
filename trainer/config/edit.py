"""Profiles edited as people wrote them: a change touches its own line and nothing else.

Comments, order, quotes, indentation, anchors and the header stay, because they are never written
anew. Every edit is read back and compared before it counts: one that would change anything else than
what was asked for is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from trainer.config.aliases import canonical_key
from trainer.config.diff import same
from trainer.config.edit_lookup import by_name, flat, member, value_at
from trainer.config.edit_merge import OURS, THEIRS
from trainer.config.edit_nodes import Node, Path, read_nodes
from trainer.config.edit_splice import EditError, add, remove, replace
from trainer.config.entries import Entry
from trainer.config.loader import Profile, parse
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem
from trainer.secrets import has_password, is_empty, is_secret_key, mask

__all__ = ["EditError", "Leaf", "ProfileText"]

_GLOBAL = "# @package _global_"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that a profile sets.

    Attributes:
        path: Its keys as written in the file.
        key: Its canonical dotted key.
        value: The value as YAML reads it.
        line: Its line, from 1.
        refers: The anchor that it takes its value from; empty if it has its own.
    """

    path: Path
    key: str
    value: Any
    line: int
    refers: str = ""


class ProfileText:
    """A profile's text; edits give a new one.

    Args:
        text: What stands in the file; it may be broken.
        group: The group that the file belongs to, such as `trainer`.
        shown: The file as shown to a person, for the places of problems.
    """

    def __init__(self, text: str, group: str = "", shown: str = "") -> None:
        self.text, self.group, self.shown = text, group, shown

    @cached_property
    def _parsed(self) -> Profile | ConfigError:
        try:
            return parse(self.text.removeprefix("\ufeff"), self.shown, "")
        except ConfigError as error:
            return error

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why the text cannot be read, each with line and column; empty if it can."""
        if not isinstance(self._parsed, ConfigError):
            return ()
        marked = [n for n, line in enumerate(self.text.splitlines(), 1) if line == OURS.strip()]
        if not marked:
            return self._parsed.problems
        what = "Two versions stand here."
        remedy = f"Keep the lines that you want, and take out those of {OURS[:7]}, ======= and {THEIRS[:7]}."
        return tuple(Problem(what, f"{self.shown}:{line}", remedy) for line in marked)

    @property
    def values(self) -> dict[Any, Any]:
        """What the text says, as written; empty if it cannot be read."""
        return self._parsed.values if isinstance(self._parsed, Profile) else {}

    @property
    def defaults(self) -> tuple[Entry, ...]:
        """Its defaults list."""
        return (self._parsed.defaults or ()) if isinstance(self._parsed, Profile) else ()

    @cached_property
    def package(self) -> Path:
        """The section that its keys go to; empty for a file that may set any key."""
        header = self._parsed.package if isinstance(self._parsed, Profile) else None
        if header is None:
            header = self.group.replace("/", ".")
        at = header.rfind("_global_")
        header = header if at < 0 else header[at + len("_global_.") :]
        return tuple(part for part in header.split(".") if part)

    @cached_property
    def _root(self) -> Node | None:
        try:
            return None if self.problems else read_nodes(self.text)
        except yaml.YAMLError:  # where two parsers disagree, the text is left alone
            return None

    @cached_property
    def _places(self) -> list[tuple[Path, str, Node]]:
        """Every value and section: its path as written, its canonical key, its place."""
        if self._root is None:
            return []
        return [
            (path, canonical_key(".".join((*self.package, *path))), node)
            for path, node in self._root.walk()
            if path and path[0] != "defaults"
        ]

    def line_of(self, index: int) -> int:
        """Give the line, from 1, of a place in the text."""
        return self.text.count("\n", 0, index) + 1

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Every value that the file sets, in its order; lists of plain values are one value."""
        if self._root is None:
            return ()
        return tuple(
            leaf
            for leaf in self._leaves(self._root, (), self.values)
            if not leaf.path or leaf.path[0] != "defaults"
        )

    def _leaves(self, node: Node, path: Path, value: Any) -> Iterator[Leaf]:
        if node.kind == "map" and (node.pairs or not path):
            for key, below in node.pairs:
                name = key.text
                if key.style is None and name == "<<":
                    continue
                yield from self._leaves(below, (*path, name), member(value, name))
        elif node.kind == "seq" and any(item.kind == "map" for item in node.items):
            for at, item in enumerate(node.items):
                yield from self._leaves(item, (*path, str(at)), member(value, str(at)))
        elif path:
            canonical = canonical_key(".".join((*self.package, *path)))
            refers = node.text if node.kind == "alias" else ""
            yield Leaf(path, canonical, value, self.line_of(node.start), refers)

    def find(self, key: str) -> Leaf | None:
        """Find what the file says of a canonical key."""
        return next((leaf for leaf in self.leaves if leaf.key == key), None)

    def get(self, key: str) -> Any:
        """Give what the file says of a canonical key or section.

        Raises:
            KeyError: It says nothing of it.
        """
        for path, name, _ in self._places:
            if name == key:
                return value_at(self.values, path)
        raise KeyError(key)

    def reaches(self, key: str) -> bool:
        """Say whether the file can set a key, given the section that it belongs to."""
        return self._within(self.package, key) is not None

    def secrets(self) -> list[Problem]:
        """Find what must not be written to a file: keys, tokens, passwords."""
        found: list[Problem] = []
        remedy = "Set it in the environment instead (such as WANDB_API_KEY)."
        lines = self.text.splitlines()
        for leaf in self.leaves:
            plain = isinstance(leaf.value, str | int | float) and not isinstance(leaf.value, bool)
            if plain and is_secret_key(leaf.key) and not is_empty(str(leaf.value)):
                what = f"'{clean(leaf.key)}' looks like a secret."
                found.append(Problem(what, f"{self.shown}:{leaf.line}", remedy, leaf.key))
        for number, line in enumerate(lines, 1):
            broken = bool(self.problems) and not line.lstrip().startswith("#")
            if has_password(line) or (broken and mask(line) != line):
                found.append(Problem("This line holds a secret.", f"{self.shown}:{number}", remedy))
        return found

    # ── editing ──────────────────────────────────────────────────────────────────────────────

    def set(self, key: str, value: Any) -> ProfileText:
        """Set a canonical key where it stands, in whatever spelling, or add it.

        Raises:
            EditError: The file cannot be read, cannot set this key, or the change would touch more
                than the key; the text stays as it was.
        """
        self.must_be_readable()
        for path, name, node in self._places:
            if name == key:
                if node.kind != "alias" and repr(value_at(self.values, path)) == repr(value):
                    return self  # spelled otherwise, maybe, but the same
                text = replace(self.text, self._root, path, value)
                return self._checked(text, path, value, anchored=node.anchored)
        container, rest = self._container(key)
        if self._root is None or (self._root.is_empty and not container):
            text = add(self.text, None, (), rest, value)
        else:
            text = add(self.text, self._root, container, rest, value)
        return self._checked(text, (*container, *rest), value)

    def unset(self, key: str) -> ProfileText:
        """Take a canonical key out, with the sections that it leaves empty.

        Raises:
            EditError: As for `set`; or the file does not say anything of the key.
        """
        self.must_be_readable()
        for path, name, node in self._places:
            if name == key and self._root is not None:
                emptied = self._emptied(path)
                text = remove(self.text, self._root, emptied)
                return self._checked(text, emptied, None, gone=True, anchored=node.anchored)
        raise EditError(Problem(f"'{clean(key)}' is not set here.", self.shown, "", key))

    def choose(self, at: int, option: str | None) -> ProfileText:
        """Choose another option in an entry of the defaults list.

        Args:
            at: Which entry.
            option: The option; None for none.

        Raises:
            EditError: The entry is not one `group: option` on a line of its own.
        """
        self.must_be_readable()
        pair = self._root.child("defaults") if self._root is not None else None
        if pair is None or at >= len(pair[1].items) or len(pair[1].items[at].pairs) != 1:
            raise EditError(Problem("This entry can only be changed in the YAML.", self.shown))
        path = ("defaults", str(at), pair[1].items[at].pairs[0][0].text)
        new = self.put(replace(self.text, self._root, path, option))
        if new.problems or not same(new.values, self.values) or new.defaults[at].value != option:
            raise EditError(Problem("This entry can only be changed in the YAML.", self.shown))
        return new

    def widened(self) -> ProfileText:
        """Let the file set keys of every section: its own keys move below the section's name.

        Raises:
            EditError: It is written in a way that does not allow it.
        """
        self.must_be_readable()
        if not self.package:
            return self
        root = self._root
        newline = "\r\n" if "\r\n" in self.text else "\n"
        bom = "\ufeff" if self.text.startswith("\ufeff") else ""
        lines = self.text.removeprefix("\ufeff").splitlines(keepends=True)
        lines = [line for line in lines if not line.lstrip().startswith("# @package")]
        first = next((i for i, line in enumerate(lines) if line.strip()[:1] not in ("", "#")), None)
        if root is None or first is None:
            text = _GLOBAL + newline + "".join(lines)
        else:
            if root.flow or root.kind != "map":
                raise EditError(Problem("The file's keys stand in brackets.", self.shown))
            own = next((k for k, _ in root.pairs if k.text != "defaults"), None)
            if own is not None:
                dropped = len(self.text.splitlines()) - len(lines)
                first = self.line_of(own.start) - 1 - dropped
            depth = len(self.package)
            heads = ["  " * i + name + ":" + newline for i, name in enumerate(self.package)]
            body = ["  " * depth + line if line.strip() else line for line in lines[first:]]
            if own is None:
                heads, body = [], lines[first:]
            text = "".join([_GLOBAL + newline, *lines[:first], *heads, *body])
        new = self.put(bom + text)
        wrapped: Any = self.values
        for part in reversed(self.package):
            wrapped = {part: wrapped} if wrapped else wrapped
        if new.problems or not same(new.values, wrapped):
            raise EditError(
                Problem(
                    "The file cannot be made to set keys of other sections.",
                    self.shown,
                    f"Write `{_GLOBAL}` as its first line and its keys below their section.",
                )
            )
        return new

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def put(self, text: str) -> ProfileText:
        """Give another text of the same profile."""
        return ProfileText(text, self.group, self.shown)

    def must_be_readable(self) -> None:
        """Refuse to edit a text that cannot be read.

        Raises:
            EditError: It cannot.
        """
        if self.problems:
            raise EditError(*self.problems)
        if self._root is None and self.values:
            raise EditError(Problem("This can only be changed in the YAML.", self.shown))

    def _within(self, above: Path, key: str) -> Path | None:
        """Give the keys to write below a section for a canonical key; None if it cannot be there."""
        prefix = canonical_key(".".join(above)) if above else ""
        if prefix and not key.startswith(f"{prefix}."):
            return None
        rest = tuple((key[len(prefix) + 1 :] if prefix else key).split("."))
        return rest if canonical_key(".".join((*above, *rest))) == key else None

    def _container(self, key: str) -> tuple[Path, Path]:
        """Find the innermost section that holds, or will hold, a key; and the keys below it."""
        best: tuple[Path, Path] | None = None
        for path, name, node in [((), "", self._root), *self._places]:
            rest = self._within((*self.package, *path), key)
            if rest is None or (best is not None and len(rest) > len(best[1])):
                continue
            if node is None or node.kind == "map" or node.is_empty or node.is_null:
                best = (path, rest)
            else:
                what = f"'{clean(name)}' is no section here, so '{clean(key)}' cannot be set in it."
                where = f"{self.shown}:{self.line_of(node.start)}"
                raise EditError(Problem(what, where, "Change it in the YAML.", key))
        if best is None:
            group = ".".join(self.package)
            raise EditError(
                Problem(
                    f"This file sets keys of '{group}' only, so it cannot set '{clean(key)}'.",
                    self.shown,
                    f"With `{_GLOBAL}` as its first line it may set any key.",
                    key,
                )
            )
        return best

    def _emptied(self, path: Path) -> Path:
        """Go up while a section holds nothing but what is taken out."""
        assert self._root is not None
        nodes = dict(self._root.walk())
        while len(path) > 1:
            above = nodes[path[:-1]]
            if above.kind != "map" or len(above.pairs) > 1:
                break
            if nodes[path[:-2]].kind == "seq":
                break
            path = path[:-1]
        return path

    def _checked(
        self, text: str, path: Path, value: Any, *, gone: bool = False, anchored: bool = False
    ) -> ProfileText:
        """Read an edited text back, and refuse it if it says anything else than it should."""
        new = self.put(text)
        if not new.problems and _choices(new) == _choices(self):
            before, after = flat(self.values), flat(new.values)
            inside = [name for name in before.keys() | after.keys() if name[: len(path)] == path]
            others = {name: v for name, v in before.items() if name not in inside}
            now = {name: v for name, v in after.items() if name not in inside}
            # A section that was empty and now holds the key, or is now empty, is no change of its own.
            for at in range(len(path)):
                others.pop(path[:at], None)
                if now.get(path[:at]) == {}:
                    now.pop(path[:at])
            if anchored and self._root is not None:
                # What refers to the anchor changes with it, and nothing else may.
                for name in list(others.keys() | now.keys()):
                    if any(name[: len(at)] == at for at in self._root.referring()):
                        others.pop(name, None)
                        now.pop(name, None)
            kept = same(by_name(others), by_name(now))
            try:
                right = same(value_at(new.values, path), value) and not gone
            except KeyError:
                right = gone
            if kept and right:
                return new
        key = ".".join((*self.package, *path))
        raise EditError(
            Problem(
                f"'{clean(key)}' cannot be changed here without changing more.",
                self.shown,
                "Change it in the YAML.",
                canonical_key(key),
            )
        )


def _choices(text: ProfileText) -> list[Entry]:
    """Give the defaults list without its lines, which an edit above it moves."""
    return [dataclasses.replace(entry, line=0) for entry in text.defaults]
