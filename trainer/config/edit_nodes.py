"""A YAML text as a tree of places: where each key and value stands, to the character.

Round-trip dumpers write the whole file anew, and what they do not model (columns of comments, odd
indentation, blank lines in flow lists) changes with it. Knowing the places, an edit replaces the
value's own characters and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from trainer.config.loader import _Pure

Path = tuple[str, ...]
_PROPERTY = re.compile(r"[&!]\S*\s*")


@dataclass(slots=True)
class Node:
    """A value's place in a text.

    Attributes:
        kind: What it is; an `alias` stands for what an anchor names.
        start: Its first character, its anchor and tag included.
        inner: Its first character without them.
        end: Behind its last character.
        flow: Whether it is a list or mapping in brackets, or lies in one.
        style: A scalar's quoting: `"`, `'`, `|`, `>` or None.
        anchored: Whether others may refer to it.
        text: A scalar's content; an alias' name.
        pairs: A mapping's keys and values, in order.
        items: A list's values.
    """

    kind: Literal["scalar", "map", "seq", "alias"]
    start: int
    inner: int
    end: int
    flow: bool = False
    style: str | None = None
    anchored: bool = False
    text: str = ""
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written there, which reads as null."""
        return self.kind == "scalar" and self.inner >= self.end

    @property
    def is_null(self) -> bool:
        """Whether null is written there in one of YAML's ways."""
        nulls = ("null", "~", "Null", "NULL")
        return self.kind == "scalar" and self.style is None and self.text in nulls

    @property
    def is_block(self) -> bool:
        """Whether it is a list or mapping that goes by lines and indentation."""
        return self.kind in ("map", "seq") and not self.flow

    def child(self, name: str) -> tuple[Node, Node] | None:
        """Find a key of a mapping."""
        return next((pair for pair in self.pairs if pair[0].text == name), None)

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Give every value below with its path, merge keys (`<<`) left out."""
        yield path, self
        for key, value in self.pairs:
            if key.text != "<<" or key.style is not None:
                yield from value.walk((*path, key.text))
        for at, item in enumerate(self.items):
            yield from item.walk((*path, str(at)))

    def referring(self) -> list[Path]:
        """Give the paths of what takes its value, or a part of it, from an anchor elsewhere."""
        return [
            path
            for path, node in self.walk()
            if node.kind == "alias" or any(key.text == "<<" for key, _ in node.pairs)
        ]


def read_nodes(text: str) -> Node | None:
    """Read a text that is valid YAML; None if it holds no document.

    Raises:
        yaml.YAMLError: It is no valid YAML.
    """
    try:
        events = list(yaml.parse(text, Loader=_Pure))
    except yaml.YAMLError:
        # libyaml takes a tab where blanks may stand and this parser does not; places stay the same.
        events = list(yaml.parse(text.replace("\t", " "), Loader=_Pure))
    return _Builder(text, events).document()


class _Builder:
    def __init__(self, text: str, events: list[Any]) -> None:
        self.text, self.events, self.at = text, events, 0

    def document(self) -> Node | None:
        while self.at < len(self.events):
            if isinstance(self.events[self.at], yaml.NodeEvent):
                return self.node(flow=False)
            self.at += 1
        return None

    def node(self, flow: bool) -> Node:
        event = self.events[self.at]
        self.at += 1
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            return Node("alias", start, start, end, flow, text=event.anchor or "")
        inner = self._inner(start, event)
        anchored = event.anchor is not None
        if isinstance(event, yaml.ScalarEvent):
            if event.style in ("|", ">"):
                end = inner + len(self.text[inner:end].rstrip())
            return Node("scalar", start, inner, end, flow, event.style, anchored, event.value or "")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(start, inner, flow or event.flow_style is True, anchored)
        return self._mapping(start, inner, flow or event.flow_style is True, anchored)

    def _inner(self, start: int, event: Any) -> int:
        """Find where a value begins behind its anchor and tag."""
        if event.anchor is None and event.tag is None:
            return start
        at = start
        while (found := _PROPERTY.match(self.text, at)) is not None:
            at = found.end()
        return at

    def _sequence(self, start: int, inner: int, flow: bool, anchored: bool) -> Node:
        items: list[Node] = []
        while not isinstance(self.events[self.at], yaml.SequenceEndEvent):
            items.append(self.node(flow))
        end = self._end(flow, items[-1].end if items else inner)
        return Node("seq", start, inner, end, flow, anchored=anchored, items=items)

    def _mapping(self, start: int, inner: int, flow: bool, anchored: bool) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while not isinstance(self.events[self.at], yaml.MappingEndEvent):
            key = self.node(flow)
            value = self.node(flow)
            if value.is_empty and ":" not in self.text[key.end : value.start]:
                value.start = value.inner = value.end = key.end
            pairs.append((key, value))
        end = self._end(flow, max(pairs[-1][0].end, pairs[-1][1].end) if pairs else inner)
        return Node("map", start, inner, end, flow, anchored=anchored, pairs=pairs)

    def _end(self, flow: bool, last: int) -> int:
        """Give where a collection ends: a block's end mark lies beyond blank lines and comments."""
        mark = int(self.events[self.at].end_mark.index)
        self.at += 1
        return mark if flow else last
