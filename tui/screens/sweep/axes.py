"""What varies and what does not: the overrides as rows, and what may be typed next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style

from trainer.display import plural
from trainer.sweeps.names import shown
from tui.screens.launch.draft import target
from tui.screens.launch.line import OverrideRows
from tui.screens.sweep.planner import Planned
from tui.screens.sweep.planrows import cut_words
from tui.text import clean, fit, left
from tui.widgets.linelist import Pieces

if TYPE_CHECKING:
    from trainer.config.complete import Suggestion
    from trainer.config.schema_base import Key
    from trainer.config.sources import Option

#: All choices of a key are offered at once where they are no more than this.
_MOST_CHOICES = 12
#: Cells of the column that says what a row does.
_COUNT = 10


class SweepWords(OverrideRows):
    """The overrides: those that vary first, with how many values they have."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"words--varies"}
    DEFAULT_CSS = "SweepWords > .words--varies { color: $text-accent; text-style: bold; }"

    def __init__(self, ellipsis: str = "…") -> None:
        super().__init__(ellipsis)
        #: For each row its place in the draft.
        self._places: list[int] = []
        self._sizes: list[str] = []

    def show_words(self, words: Sequence[str], planned: Planned) -> None:
        """Show a draft's overrides.

        Args:
            words: In the draft's order.
            planned: What came of them.
        """
        sizes = [planned.sizes.get(target(word), 0) for word in words]
        self._places = sorted(range(len(words)), key=lambda at: not sizes[at])
        counts = [_count(words[at], sizes[at]) for at in self._places]
        same = counts == self._sizes
        self._sizes = counts
        self.show([(words[at], planned.problem_of_word(words[at])) for at in self._places])
        if not same:
            self.refresh()

    def place(self, index: int) -> int:
        """Give the place of a row's override in the draft."""
        return self._places[index]

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw an override with what it does, or a line of what is wrong with it."""
        if not self.rows:
            text = " nothing yet: type a key with several values, such as seed=0,1,2"
            return [(fit(text, width, self._ellipsis), self.part("linelist--dim"))]
        at, text = self._lines[index]
        if text:
            return super().pieces(index, width)
        word, problem = self.rows[at]
        count = self._sizes[at] if at < len(self._sizes) else ""
        return [
            ("! " if problem else "  ", self.part("overrides--wrong")),
            (
                left(count or "fixed", _COUNT),
                self.part("words--varies" if count else "linelist--dim"),
            ),
            (
                cut_words([clean(word)], width - _COUNT - 3, self._ellipsis),
                Style.null() if count else self.part("linelist--dim"),
            ),
        ]


def _count(word: str, size: int) -> str:
    if not size:
        return ""
    return plural(size, "seed" if target(word) == "seed" else "value")


def suggest(
    text: str,
    groups: Mapping[str, Sequence[Option]],
    keys: Sequence[Key],
    config: Mapping[str, Any],
) -> list[Suggestion]:
    """Give what may be meant by an override that may have several values, best first.

    Args:
        text: One override, perhaps unfinished.
        groups: The options of every group.
        keys: Every key that may be set.
        config: The baseline, whose values are offered as well.
    """
    from trainer.config.complete import Suggestion, suggestions

    name, equals, value = text.lstrip().partition("=")
    if not equals:
        known = {key.key for key in keys}
        deeper = [
            Suggestion(f"{key}=", f"now {shown(value)}", False)
            for key, value in _leaves(config)
            if key not in known and name.lower() in key.lower()
        ]
        return [*suggestions(text, groups, keys, config), *deeper]
    head, tail = _last_value(value)
    found = suggestions(f"{name}={tail}", groups, keys, config)
    if not head:
        several = _several(name, groups, keys, config)
        offered = [each for each in several if each.text.startswith(f"{name}={value}")]
        exact = [each for each in found if each.text == f"{name}={value}"]
        # A whole value stays what Enter and Tab mean.
        return [*exact, *offered, *(each for each in found if each not in exact)]
    given = {part.strip() for part in head.split(",")}
    return [
        Suggestion(f"{name}={head}{rest}", each.what, each.whole)
        for each in found
        if (rest := each.text.partition("=")[2]) not in given
    ]


def _last_value(value: str) -> tuple[str, str]:
    """Split a list of values before the one being typed: at the last comma outside of brackets."""
    depth, quote, at = 0, "", 0
    for place, sign in enumerate(value):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth = max(0, depth - 1)
        elif sign == "," and depth == 0:
            at = place + 1
    return value[:at], value[at:]


def _several(
    name: str,
    groups: Mapping[str, Sequence[Option]],
    keys: Sequence[Key],
    config: Mapping[str, Any],
) -> list[Suggestion]:
    """Offer lists of values for a key or a group."""
    from trainer.config.complete import Suggestion

    if name in groups:
        names = [option.name for option in groups[name]]
        text = f"each of {len(names)}: {', '.join(names)}"
        return [Suggestion(f"{name}=glob(*)", text, True)] if len(names) > 1 else []
    if name == "seed":
        return [Suggestion("seed=0,1,2", "repeat every trial with three seeds", True)]
    key, now = next((key for key in keys if key.key == name), None), _value(name, config)
    kinds = key.type.split(" | ") if key is not None else []
    if "bool" in kinds or isinstance(now, bool):
        return [Suggestion(f"{name}=true,false", "with it and without", True)]
    if key is not None and 1 < len(key.choices) <= _MOST_CHOICES:
        listed = ",".join(str(choice) for choice in key.choices)
        return [Suggestion(f"{name}={listed}", f"each of {len(key.choices)}", True)]
    if not isinstance(now, int | float) or now <= 0:
        return []
    if isinstance(now, int):
        values = sorted({max(1, now // 2), now, now * 2})
        listed = ",".join(map(str, values))
        return [Suggestion(f"{name}={listed}", "half of it, as it is now, twice", True)]
    listed = ",".join(f"{now * by:.3g}" for by in (0.1, 1.0, 10.0))
    return [Suggestion(f"{name}={listed}", "a tenth of it, as it is now, ten times", True)]


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give what a config sets, however deep; members of lists by their names, where they have some.

    The schema knows not all of it: terms of a loss, rules, arguments of a class.
    """
    for name, node in config.items():
        key = f"{prefix}{clean(name)}"
        if isinstance(node, Mapping) and node:
            yield from _leaves(node, f"{key}.")
        elif isinstance(node, list) and any(isinstance(each, Mapping) for each in node):
            for member in node:
                if isinstance(member, Mapping) and isinstance(member.get("name"), str):
                    rest = {field: value for field, value in member.items() if field != "name"}
                    yield from _leaves(rest, f"{key}.{clean(member['name'])}.")
        elif name != "_target_":
            yield key, node


def _value(name: str, config: Mapping[str, Any]) -> object:
    """Read a key of a config; a member of a list may be called by its name."""
    node: Any = config
    for part in name.split("."):
        if isinstance(node, list):
            named = (
                each for each in node if isinstance(each, Mapping) and each.get("name") == part
            )
            node = next(named, None)
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
    return node
