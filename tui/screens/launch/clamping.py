"""Lowering what was put together to what its hardware profile allows: proposed, then taken by a key.

What is taken are overrides like any other: they stand in the list and in the command, so what is
launched is what is shown, and one step back undoes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.config.torch_rules import text_of
from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.config.diff import Change
    from trainer.config.hardware_rules import Excess

#: How the words of the command line say it, and how this screen does; letters are typed on its line.
_BY_OPTION, _BY_KEY, _BY_KEY_TYPING = "`--clamp`", "C (clamp)", "ctrl+g (clamp)"
_ADVICE = re.compile(r"\bSet (.+?), or let `--clamp` do so")


@dataclass(frozen=True)
class Clamping:
    """What clamping changes.

    Attributes:
        hardware: The profile, as a sentence has it.
        changes: The keys that it sets, in the config's order.
        notes: What does not stay the same, in words.
    """

    hardware: str = ""
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether it changes anything."""
        return bool(self.changes)

    def in_force(self, config: Mapping[str, Any]) -> tuple[Change, ...]:
        """Give the changes that still hold in a config."""
        from trainer.config.diff import same

        return tuple(each for each in self.changes if same(value_at(config, each.key), each.new))


def propose(words: Sequence[str], config: Mapping[str, Any], **where: Any) -> Clamping:
    """Find out what clamping would change; composes only where a limit is exceeded. For a thread.

    Args:
        words: The overrides.
        config: What they compose to.
        where: Where the profiles are, as `compose` takes it.
    """
    from trainer.config.compose import compose
    from trainer.config.hardware_clamp import unlike
    from trainer.config.hardware_rules import excesses, hardware_name

    if next(excesses(config), None) is None:
        return Clamping()
    lowered = compose(words, check=False, clamp=True, **where)
    notes = (clean(text.removeprefix("--clamp: ")) for text in unlike(config, lowered.config))
    return Clamping(hardware_name(config), lowered.clamped, tuple(notes))


def by_key(text: str) -> str:
    """Name the key in place of the option of the command line, and before the values that it sets."""
    return _ADVICE.sub(rf"{_BY_KEY} sets \1", text).replace(_BY_OPTION, _BY_KEY)


def while_typing(text: str) -> str:
    """Name the key that works while letters are typed."""
    return text.replace(_BY_KEY, _BY_KEY_TYPING)


def beyond(config: Mapping[str, Any], key: str, value: Any) -> str:
    """Say which limit of the hardware a value would exceed, or bring about; empty if none.

    Args:
        config: The composed config.
        key: The key that is being typed.
        value: Its value so far.
    """
    from trainer.config.hardware_rules import excesses

    section, _, name = key.partition(".")
    if not name or "." in name or not isinstance(config.get(section), Mapping):
        return ""
    typed = {**config, section: {**config[section], name: value}}
    before = {(each.key, each.limit) for each in excesses(config)}
    for each in excesses(typed):
        if each.key == key or (each.key, each.limit) not in before:
            return clean(f"{each.what} ({each.limit}). Enter takes it; {_sets(each)}.")
    return ""


def exceeded(config: Mapping[str, Any]) -> str:
    """Say in a few words what is beyond the limits of the hardware; empty if nothing is."""
    from trainer.config.hardware_rules import excesses

    found = []
    for each in excesses(config):
        limit, value = value_at(config, each.limit), value_at(config, each.key)
        name = each.key.rpartition(".")[2]
        found.append(f"{name} {value}" + ("" if isinstance(limit, bool) else f" > {limit}"))
    return clean(f"{', '.join(found)}: {_BY_KEY}") if found else ""


def limit_of_key(config: Mapping[str, Any], key: str) -> str:
    """Say which limit of the hardware a key exceeds, what it is first; empty if none."""
    from trainer.config.hardware_rules import excesses, hardware_name

    for each in excesses(config):
        if each.key == key:
            limit = value_at(config, each.limit)
            what = "not supported" if isinstance(limit, bool) else f"at most {limit}"
            return clean(f"{what} by {hardware_name(config)} ({each.limit}); {_sets(each)}.")
    return ""


def _sets(excess: Excess) -> str:
    words = " ".join(f"{key}={text_of(value)}" for key, value in excess.settings.items())
    return f"{_BY_KEY} sets {words}"


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """Read a key of a config; None where there is none."""
    node: Any = config
    for part in key.split("."):
        if isinstance(node, Mapping):
            node = node.get(part)
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node
