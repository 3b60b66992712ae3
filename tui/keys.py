"""The keys of a screen as people read them: for the help, the command palette and the documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import Screen

_WORDS = {"escape": "esc", "pageup": "page up", "pagedown": "page down", "delete": "del"}

#: Textual's own, which every screen has: what they are called here, and what they do.
_EVERYWHERE = {
    "app.focus_next": ("next part", "To the next part of the screen"),
    "app.focus_previous": ("previous part", "To the previous part of the screen"),
    "screen.copy_text": ("copy", "Copy what is selected with the mouse"),
    "command_palette": ("palette", "Search everything that can be done, and every run"),
}

#: Every list has these from Textual, and none scrolls sideways by them.
_SIDEWAYS = ("scroll_left", "scroll_right", "page_left", "page_right")


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that keys do.

    Attributes:
        keys: The keys, readable.
        name: What it does, in a word or two.
        tip: The same in a sentence.
        action: The action, as bindings name it.
        node: What it acts on.
        told: Whether the sentence says more than the name.
    """

    keys: tuple[str, ...]
    name: str
    tip: str
    action: str
    node: DOMNode
    told: bool

    @property
    def shown(self) -> str:
        """The keys on one line."""
        return " ".join(self.keys)


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that come from one place.

    Attributes:
        title: The place: the screen, a part of it, or everywhere.
        keys: What its keys do.
    """

    title: str
    keys: tuple[Key, ...]


def readable(key: str) -> str:
    """Write a key as it stands on a keyboard: `shift+tab`, `?`, `page down`."""
    *held, last = key.split("+") if key != "+" else ["+"]
    if last.startswith("upper_"):
        last = last.removeprefix("upper_").upper()
    sign = format_key(last)
    # Arrows and the like are written as words: not every font has their signs.
    named = _WORDS.get(last, last if not sign.isascii() or len(sign) > 1 else sign)
    return "+".join([*held, named])


def groups(screen: Screen[Any]) -> list[Group]:
    """Give all keys that work on a screen now: its own first, then parts of it, then the app's.

    A thing that several keys do stands once. Keys that are switched off now are left out.
    """
    found: dict[DOMNode, dict[str, tuple[list[str], Binding]]] = {}
    for node, binding, enabled, _tooltip in screen.active_bindings.values():
        if not binding.tooltip and binding.action in _SIDEWAYS:
            continue
        if enabled and (binding.tooltip or binding.description):
            place = screen.app if binding.action in _EVERYWHERE else node
            known = found.setdefault(place, {})
            keys, _ = known.setdefault(binding.action, ([], binding))
            keys.append(readable(binding.key))
    ranked = sorted(found, key=lambda node: _rank(node, screen))
    return [
        Group(
            _title(node, screen),
            tuple(_key(node, binding, keys) for keys, binding in found[node].values()),
        )
        for node in ranked
    ]


def _key(node: DOMNode, binding: Binding, keys: list[str]) -> Key:
    name, tip = _EVERYWHERE.get(binding.action, (binding.description, binding.tooltip))
    return Key(tuple(keys), name, tip or name, binding.action, node, bool(tip))


def _rank(node: DOMNode, screen: Screen[Any]) -> int:
    return 0 if node is screen else 2 if node is screen.app else 1


def _title(node: DOMNode, screen: Screen[Any]) -> str:
    if node is screen.app:
        return "Everywhere"
    if node is screen:
        return title_of(screen)
    return getattr(node, "KEYS_TITLE", "") or _words(type(node).__name__)


def title_of(screen: Screen[Any]) -> str:
    """Name a screen for people."""
    return getattr(screen, "KEYS_TITLE", "") or _words(type(screen).__name__.removesuffix("Screen"))


def _words(name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.strip(" _").capitalize()
