"""The three edits of a YAML text: another value, a new key, a key taken out.

They work on characters; the caller reads the result back before believing it.
"""

from __future__ import annotations

import re
from typing import Any

from trainer.config.edit_inline import inline
from trainer.config.edit_nodes import Node, Path
from trainer.errors import ConfigError, Problem

_COLON = re.compile(r"\s*:")


class EditError(ConfigError):
    """A profile cannot be edited so; nothing was changed."""

    title = "edit"


def replace(text: str, root: Node | None, path: Path, value: Any) -> str:
    """Write another value at a path that exists."""
    key, node = _follow(root, path)
    written = inline(value, flow=node.flow, style=node.style)
    if node.kind == "alias":
        return _cut(text, node.start, node.end, written)
    if not node.is_block or key is None or _same_line(text, key, node):
        lead = "" if node.inner < node.end or text[node.inner - 1 : node.inner] in " [{" else " "
        if lead and key is not None and node.flow and ":" not in text[key.end : node.start]:
            lead = ": "
        return _cut(text, node.inner, node.end, lead + written)
    # A list or mapping on lines of its own makes way for a value behind its key.
    colon = _colon(text, key)
    start, end = _line_start(text, node.inner), _line_end(text, node.end)
    return text[:colon] + " " + written + text[colon:start] + text[end:]


def add(text: str, root: Node | None, container: Path, rest: Path, value: Any) -> str:
    """Write a new key below a section that exists.

    Args:
        text: The text.
        root: Its tree; None if it holds no document.
        container: The section's path; the empty path is the whole file.
        rest: The keys below it, at least one.
        value: The value.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    step = _step(text, root)
    if root is None:
        return _append(text, len(text), _lines(rest, value, 0, step), newline)
    key, node = _follow(root, container)
    if node.kind == "map" and not node.flow:
        column = _column(text, node.pairs[0][0].start)
        at = _line_end(text, node.end)
        return _append(text, at, _lines(rest, value, column, step), newline)
    if node.kind == "map":
        piece = _nested(rest, value)
        if not node.pairs:
            return _cut(text, node.inner + 1, node.inner + 1, piece)
        last = max(node.pairs[-1][0].end, node.pairs[-1][1].end)
        return _cut(text, last, last, f", {piece}")
    if node.flow or key is None or not node.is_empty:
        lead = "" if node.inner < node.end or node.flow else " "
        return _cut(text, node.inner, node.end, lead + "{" + _nested(rest, value) + "}")
    column = _column(text, key.start) + step
    at = _line_end(text, key.end)
    return _append(text, at, _lines(rest, value, column, step), newline)


def remove(text: str, root: Node, path: Path) -> str:
    """Take a key out, with its value and the comment on its line."""
    key, node = _follow(root, path)
    _, above = _follow(root, path[:-1])
    if key is None or above.kind != "map":
        raise EditError(Problem("An item of a list can only be taken out in the YAML."))
    at = next(i for i, pair in enumerate(above.pairs) if pair[0] is key)
    end = max(key.end, node.end)
    if above.flow:
        if at + 1 < len(above.pairs):
            return _cut(text, key.start, above.pairs[at + 1][0].start, "")
        start = above.pairs[at - 1] if at else None
        begin = max(start[0].end, start[1].end) if start else key.start
        return _cut(text, begin, end, "")
    start_of_line = _line_start(text, key.start)
    if text[start_of_line : key.start].strip():
        # The first key behind a list's dash: the next one moves up to it.
        if at + 1 < len(above.pairs):
            return _cut(text, key.start, above.pairs[at + 1][0].start, "")
        return _cut(text, key.start, end, "{}")
    return _cut(text, start_of_line, _line_end(text, end), _comments_within(text, key, node))


def _comments_within(text: str, key: Node, node: Node) -> str:
    """Give the comment lines above the only key of a section, and of the one within it, …"""
    kept = ""
    while node.kind == "map" and not node.flow and len(node.pairs) == 1:
        first, inner = node.pairs[0]
        between = text[_line_end(text, key.end) : _line_start(text, first.start)]
        kept += "".join(line for line in between.splitlines(True) if line.lstrip()[:1] == "#")
        key, node = first, inner
    return kept


def _follow(root: Node | None, path: Path) -> tuple[Node | None, Node]:
    """Find a place by its path: its key, where it has one, and its value."""
    key: Node | None = None
    node = root
    for part in path:
        if node is None or node.kind not in ("map", "seq"):
            raise EditError(Problem("There is nothing of that name in the text."))
        if node.kind == "seq":
            key, node = None, node.items[int(part)]
            continue
        pair = node.child(part)
        if pair is None:
            raise EditError(Problem("There is nothing of that name in the text."))
        key, node = pair
    if node is None:
        raise EditError(Problem("The text holds nothing."))
    return key, node


def _lines(rest: Path, value: Any, column: int, step: int) -> list[str]:
    """Write nested keys, one a line."""
    lines = [" " * (column + step * i) + inline(name) + ":" for i, name in enumerate(rest)]
    lines[-1] += " " + inline(value)
    return lines


def _nested(rest: Path, value: Any) -> str:
    """Write nested keys in brackets, without the outermost ones."""
    for name in reversed(rest[1:]):
        value = {name: value}
    return f"{inline(rest[0], flow=True)}: {inline(value, flow=True)}"


def _append(text: str, at: int, lines: list[str], newline: str) -> str:
    """Put lines before a place at the beginning of a line; the last line may lack its end."""
    block = newline.join(lines)
    if text[:at] and not text[:at].endswith("\n"):
        return text[:at] + newline + block + text[at:]
    return text[:at] + block + newline + text[at:]


def _cut(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _colon(text: str, key: Node) -> int:
    found = _COLON.match(text, key.end)
    if found is None:
        raise EditError(Problem("A key that is written with `?` can only be changed in the YAML."))
    return found.end()


def _same_line(text: str, key: Node, node: Node) -> bool:
    return "\n" not in text[key.end : node.inner]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Give the place behind the end of a line."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _column(text: str, at: int) -> int:
    start = _line_start(text, at)
    return at - start - (1 if text[start : start + 1] == "\ufeff" else 0)


def _step(text: str, root: Node | None) -> int:
    """Give how far the file indents a section's keys."""
    for key, value in root.pairs if root is not None else ():
        if value.kind == "map" and not value.flow and value.pairs:
            wide = _column(text, value.pairs[0][0].start) - _column(text, key.start)
            if wide > 0:
                return wide
    return 2
