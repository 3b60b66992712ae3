"""What a person has put together so far: overrides, and what the run is called."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container
from dataclasses import dataclass, field, replace
from typing import Any

from tui.screens.launch.clamping import Clamping


@dataclass(frozen=True)
class Draft:
    """Overrides in order, and the run's name, tags and queueing; never changed, only replaced.

    Attributes:
        words: The overrides in force, as on the command line.
        name: The run's name; empty for the one that the config gives.
        tags: Words to find the run by.
        queue: Whether it waits until the device is free.
        clamped: What was lowered to the limits of the hardware, to be shown before a launch.
    """

    words: tuple[str, ...] = ()
    name: str = ""
    tags: tuple[str, ...] = ()
    queue: bool = False
    clamped: Clamping = field(default_factory=Clamping)

    def put(self, word: str) -> Draft:
        """Add an override; one for the same key or group gives way."""
        word = word.strip()
        aim = target(word)
        kept = [old for old in self.words if target(old) != aim]
        # A preset is what people read first; where it stands makes no difference.
        words = [word, *kept] if aim == "preset" else [*kept, word]
        return replace(self, words=tuple(words))

    def put_line(self, line: str, edited: str = "") -> Draft:
        """Add every override that stands on a line.

        Args:
            line: The overrides, apart by blanks.
            edited: The override in whose place they come; they go to the end if it is not there.
        """
        draft = self
        if line.strip() and edited in self.words:
            at = self.words.index(edited)
            new = Draft().put_line(line).words
            aims = {target(word) for word in new}
            before = [word for word in self.words[:at] if target(word) not in aims]
            after = [word for word in self.words[at + 1 :] if target(word) not in aims]
            words = sorted([*before, *new, *after], key=lambda word: target(word) != "preset")
            return replace(self, words=tuple(words))
        for word in words_on(line):
            draft = draft.put(word)
        return draft

    def drop(self, index: int) -> Draft:
        """Take an override out."""
        return replace(self, words=self.words[:index] + self.words[index + 1 :])

    def without(self, aim: str) -> Draft:
        """Take out what sets a key or chooses an option of a group."""
        return replace(self, words=tuple(word for word in self.words if target(word) != aim))

    def choose(self, group: str, option: str | None) -> Draft:
        """Choose an option of a group; none at all if None."""
        if option is None:
            return self.put(f"~{group}")
        from trainer.config.values import override

        word = override(group, option)
        # What must be quoted cannot stand alone.
        return self.put(option if word == f"preset={option}" else word)

    def set(self, key: str, value: Any) -> Draft:
        """Set a key to a value."""
        from trainer.config.values import override

        return self.put(override(key, value))


def target(word: str) -> str:
    """Name what an override is about: a canonical key, or a group; a bare word is a preset."""
    from trainer.config.aliases import canonical_key

    bare = word.strip().lstrip("+~")
    if "=" not in bare and not word.strip().startswith(("~", "+")):
        return "preset"
    name = re.sub(r"\[([\w-]+)\]", r".\1", bare.partition("=")[0].strip())
    if name == "dataset":
        return "data"  # it chooses an option; what is none names the data, as an option would
    key = canonical_key(name)
    return key if "." in key else name


def words_on(line: str) -> list[str]:
    """Give the overrides on a line, apart by blanks outside quotes and brackets.

    A whole override in quotes is what a shell would make of it, so that a command can be pasted;
    quotes and brackets within a value are Hydra's, and stay.
    """
    pieces = [line[start:end] for start, end in _pieces(line)]
    if pieces[:2] == ["traindeck", "train"]:
        pieces = pieces[2:]
    return [_unquoted(piece) for piece in pieces]


def last_on(line: str) -> tuple[str, str]:
    """Split a line before the override that is being typed at its end."""
    pieces = _pieces(line)
    start = pieces[-1][0] if pieces and pieces[-1][1] == len(line) else len(line)
    return line[:start], line[start:]


def on_line(word: str) -> str:
    """Write an override so that it is one on a line."""
    # Another one behind it tells whether brackets, quotes and backslashes of it are closed.
    if words_on(f"{word} x") == [word, "x"]:
        return word
    if "\\" in word:
        # Within single quotes a shell reads a backslash as itself, Hydra as an escape; within
        # double quotes both agree.
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return shlex.quote(word)


def _pieces(line: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start: int | None = None
    quote, depth, escaped = "", 0, False
    for at, sign in enumerate(line):
        if sign.isspace() and not quote and depth == 0 and not escaped:
            if start is not None:
                found.append((start, at))
            start = None
            continue
        start = at if start is None else start
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        else:
            depth = max(0, depth + (sign in "([{") - (sign in ")]}"))
    return [*found, (start, len(line))] if start is not None else found


def _unquoted(piece: str) -> str:
    if piece[0] not in "\"'":
        return piece
    try:
        return " ".join(shlex.split(piece))
    except ValueError:  # the quote is still open
        return piece


def is_whole(word: str, presets: Container[str]) -> bool:
    """Say whether an override can be meant as it is, or is still being typed."""
    text = word.strip()
    if text.startswith("~"):
        return len(text) > 1
    name, equals, value = text.partition("=")
    return bool(name.lstrip("+") and value.strip()) if equals else text in presets


def tags_of(text: str) -> tuple[str, ...]:
    """Read tags that are apart by blanks or commas."""
    return tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))
