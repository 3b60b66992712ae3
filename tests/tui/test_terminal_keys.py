"""Keys that reach an app in every terminal, each with one meaning at one place."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import tui
from tui.app import Deck

#: What tmux, or a terminal without a protocol of keys, does not hand on.
DROPPED = ("ctrl+enter", "shift+enter", "alt+enter", "ctrl+shift+", "super+", "ctrl+tab", "ctrl+i")


def places() -> Iterator[type[DOMNode]]:
    """Every class of ours that has keys of its own."""
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        found = vars(importlib.import_module(module.name))
        for each in found.values():
            is_node = isinstance(each, type) and issubclass(each, DOMNode)
            if is_node and each.__module__ == module.name and each.__dict__.get("BINDINGS"):
                yield each


def bindings(place: type[DOMNode]) -> list[Binding]:
    return list(Binding.make_bindings(place.BINDINGS))


ALL = sorted(set(places()), key=lambda each: each.__qualname__)


def test_all_were_found() -> None:
    assert Deck in ALL
    assert len(ALL) > 15


@pytest.mark.parametrize("place", ALL, ids=lambda each: each.__qualname__)
def test_keys_reach_the_app_and_do_not_clash(place: type[DOMNode]) -> None:
    keys = Counter(each.key for each in bindings(place))
    assert not [key for key in keys if key.startswith(DROPPED)]
    assert not [key for key, count in keys.items() if count > 1]
