"""Profiles read as plain values with a line number for each, under OmegaConf's YAML rules.

`2e-4` is a number, `2026-01-01` a text, a key written twice is an error. Nothing but plain values
comes out: no tags, no objects. A file is read once and again only when it changed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from trainer.config.entries import Entry, read_defaults, read_package
from trainer.config.provenance import HERE, Origin, OriginTree
from trainer.config.sources import Found
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 200
MAX_VALUES = 200_000

# OmegaConf's own expression: YAML 1.1 would read 1e-3 as text.
_FLOAT = re.compile(
    r"""^(?:
     [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_FLOAT_TAG = "tag:yaml.org,2002:float"
_STR_TAG = "tag:yaml.org,2002:str"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "value")
)

_SURROGATES = re.compile(r"[\ud800-\udfff]")
_BRACKETS = re.compile(r"[\[\]{}]")
_BLOCKS = re.compile(rf"(?:[-?:][ \t]+){{{MAX_DEPTH}}}")

_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def omegaconf_rules(loader: Any) -> Any:
    """Give a YAML loader class OmegaConf's rules for floats and dates."""
    loader.add_implicit_resolver(_FLOAT_TAG, _FLOAT, list("-+0123456789."))
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP_TAG]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    return loader


class _Fast(_FastLoader):  # type: ignore[misc]  # the base is chosen at run time
    """The C parser, where there is one."""


class _Pure(yaml.SafeLoader):
    """The Python parser: its messages are better, and it decides what is an error."""


omegaconf_rules(_Fast)
omegaconf_rules(_Pure)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Profile:
    """A profile's file, read.

    Attributes:
        values: Its content without the defaults list. Shared between threads: never changed.
        origins: Where each value stands.
        defaults: Its defaults list; `None` if it has none.
        package: What its `# @package` line says.
        shown: The file as shown to a person.
    """

    values: dict[Any, Any]
    origins: OriginTree
    defaults: tuple[Entry, ...] | None
    package: str | None
    shown: str
    path: str
    kind: str


@dataclass(slots=True)
class _Cached:
    stamp: tuple[int, ...]
    shown: str
    outcome: Profile | ConfigError = field(repr=False)


_cache: dict[str, _Cached] = {}


def load(found: Found) -> Profile:
    """Read a profile, or take it from the cache if the file has not changed.

    Raises:
        ConfigError: The file cannot be read, is no YAML mapping, or its defaults list is malformed;
            each problem with its line.
    """
    try:
        status = os.stat(found.path)  # noqa: PTH116 - on every compose, for every file
    except OSError as error:
        raise ConfigError(_unreadable(found.shown, error)) from None
    stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)
    cached = _cache.get(found.path)
    if cached is None or cached.stamp != stamp or cached.shown != found.shown:
        outcome: Profile | ConfigError
        try:
            outcome = read(found.path, found.shown, found.source.kind)
        except ConfigError as error:
            outcome = error
        cached = _cache[found.path] = _Cached(stamp, found.shown, outcome)
    if isinstance(cached.outcome, ConfigError):
        raise ConfigError(*cached.outcome.problems)
    return cached.outcome


def read(path: str, shown: str, kind: str) -> Profile:
    """Read a profile's file. See `load` for the errors."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(_unreadable(shown, error)) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(Problem("The file is larger than 1 MiB; this is no profile.", shown))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            Problem(f"Byte {error.start} is no UTF-8.", f"{shown}:{line}", "Save it as UTF-8.")
        ) from None
    return parse(text, shown, kind, path)


def parse(text: str, shown: str, kind: str, path: str | None = None) -> Profile:
    """Read a profile from its text. See `load` for the errors."""
    package = read_package(text, shown)
    reader = _Reader(shown, kind, path)
    values, origins = reader.document(text)
    if values is None:
        values, origins = {}, Origin(shown, 1, path=path, kind=kind)
    if not isinstance(values, dict) or (isinstance(origins, Origin) and values):
        raise ConfigError(Problem("A profile must be a mapping of keys to values.", f"{shown}:1"))
    defaults = None
    if "defaults" in values:
        lines = origins.get("defaults") if isinstance(origins, dict) else None
        defaults = read_defaults(values["defaults"], reader.default_lines, lines, shown)
        values = {key: value for key, value in values.items() if key != "defaults"}
    return Profile(values, origins, defaults, package, shown, path or "", kind)


class _Reader:
    """Turns a YAML document's nodes into plain values and origins."""

    def __init__(self, shown: str, kind: str, path: str | None) -> None:
        self.shown, self.kind, self.path = shown, kind, path
        self.problems: list[Problem] = []
        self.count = 0
        self.open: set[int] = set()
        self.default_lines: list[int] = []
        self.scalars = _Pure("")

    def document(self, text: str) -> tuple[Any, OriginTree]:
        try:
            node = self._compose(text)
            if node is None:
                return None, self.origin(0)
            if isinstance(node, yaml.MappingNode):
                self._note_defaults(node)
            result = self.convert(node)
        except RecursionError:
            raise ConfigError(Problem("The YAML is nested too deeply.", self.shown)) from None
        if self.problems:
            raise ConfigError(*self.problems)
        return result

    def _compose(self, text: str) -> Any:
        # The parsers' time grows with the square of the depth: such a file must not reach them.
        if _BLOCKS.search(text) or _flow_depth(text) > MAX_DEPTH:
            raise RecursionError
        for loader in (_Fast, _Pure):
            try:
                return yaml.compose(text, Loader=loader)
            except (yaml.YAMLError, ValueError) as error:
                if loader is _Pure:
                    raise ConfigError(self._syntax(error, text)) from None
        raise AssertionError("unreachable")

    def _syntax(self, error: Exception, text: str) -> Problem:
        where, what = self.shown, str(error)
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            if mark is not None:
                where = f"{self.shown}:{mark.line + 1}:{mark.column + 1}"
            what = error.problem or error.context or what
        elif isinstance(error, yaml.reader.ReaderError):
            before = text[: error.position]
            where = f"{where}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
            what = f"the character {error.character!r} is not allowed in YAML"
        return Problem(f"This is no valid YAML: {clean(what)}.", where)

    def _note_defaults(self, node: Any) -> None:
        for key, value in node.value:
            if key.value == "defaults" and isinstance(value, yaml.SequenceNode):
                self.default_lines = [item.start_mark.line + 1 for item in value.value]

    def origin(self, line: int) -> Origin:
        return Origin(self.shown, line + 1, path=self.path, kind=self.kind)

    def convert(self, node: Any) -> tuple[Any, OriginTree]:
        self.count += 1
        if self.count > MAX_VALUES:
            raise ConfigError(
                Problem(
                    f"The file holds more than {MAX_VALUES:,} values, aliases counted.", self.shown
                )
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node), self.origin(node.start_mark.line)
        if id(node) in self.open:
            self._problem("An alias refers to what contains it.", node)
            return None, self.origin(node.start_mark.line)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node)
            return self._mapping(node)
        finally:
            self.open.discard(id(node))

    def _scalar(self, node: Any) -> Any:
        if node.tag == _STR_TAG:
            if not node.value.isascii() and _SURROGATES.search(node.value):
                self._problem("The text holds half a character, which no file can hold.", node)
            return node.value
        if node.tag not in _PLAIN_TAGS:
            self._problem(
                f"The tag '{clean(node.tag)}' is not allowed: profiles hold plain values.", node
            )
            return None
        try:
            return self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._problem(f"'{clean(node.value)}' cannot be read: {clean(str(error))}.", node)
            return None

    def _sequence(self, node: Any) -> tuple[Any, OriginTree]:
        if node.tag != "tag:yaml.org,2002:seq":
            self._problem(
                f"The tag '{clean(node.tag)}' is not allowed: profiles hold plain values.", node
            )
        values: list[Any] = []
        origins: dict[str, Any] = {HERE: self.origin(node.start_mark.line)}
        sections = False
        for index, item in enumerate(node.value):
            value, origin = self.convert(item)
            values.append(value)
            origins[str(index)] = origin
            sections = sections or isinstance(value, dict)
        return values, origins if sections else origins[HERE]

    def _mapping(self, node: Any) -> tuple[Any, OriginTree]:
        if node.tag != "tag:yaml.org,2002:map":
            self._problem(
                f"The tag '{clean(node.tag)}' is not allowed: profiles hold plain values.", node
            )
        values: dict[Any, Any] = {}
        origins: dict[str, Any] = {HERE: self.origin(node.start_mark.line)}
        own: list[tuple[Any, Any]] = []
        for key, value in node.value:
            if key.tag != _MERGE_TAG:
                own.append((key, value))
                continue
            # `<<: [first, second]`: the first one wins, and the mapping's own keys win over both.
            bases = reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]
            for base in bases:
                if not isinstance(base, yaml.MappingNode):
                    self._problem("'<<' takes a mapping or a list of mappings.", base)
                    continue
                below, places = self.convert(base)
                if isinstance(below, dict) and isinstance(places, dict):
                    values.update(below)
                    origins.update({name: at for name, at in places.items() if name != HERE})
        seen: set[Any] = set()
        for key, value in own:
            name = self._key(key)
            if name in seen:
                self._problem(f"The key '{clean(str(name))}' is written twice.", key)
                continue
            seen.add(name)
            values[name], origins[str(name)] = self.convert(value)
        return values, origins

    def _key(self, node: Any) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self._problem("A key must be a plain word or number.", node)
            return ""
        key = self._scalar(node)
        if key is None:
            self._problem("A key cannot be null.", node)
            return ""
        return key

    def _problem(self, what: str, node: Any) -> None:
        mark = node.start_mark
        self.problems.append(Problem(what, f"{self.shown}:{mark.line + 1}:{mark.column + 1}"))


def _flow_depth(text: str) -> int:
    """Give how deep brackets are open at most; those in texts count, which does no harm."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        if match[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest


def _unreadable(shown: str, error: OSError) -> Problem:
    return Problem(f"The file cannot be read: {error.strerror or error}.", shown)
