"""Which keywords the classes of traindeck's own recipes take, read from their source.

Nothing is imported, so that a slip in `data` or `model` is found before anything is launched. A
class of somebody's own is checked by the training process, against the class itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.config.targets_allowed import TARGET
from trainer.config.torch_rules import origin, text_of
from trainer.errors import Problem, nearest

NOT_KEYWORDS: dict[str, tuple[str, ...]] = {
    "data": ("name", "description", "notes"),
    "model": ("name",),
}
"""Keys of a section that say something about it and do not go to its class."""

_OURS = "trainer."
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a text"),
    "None": ((type(None),), "null"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """What a class takes.

    Attributes:
        name: The class's name.
        kinds: Its keywords, each with the names of plain types that it may be of; none if its
            annotation says something else.
        open: Whether it takes any other keyword as well.
    """

    name: str
    kinds: Mapping[str, tuple[str, ...]]
    open: bool


def argument_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find keywords that the classes of `data` and `model` do not take, and values of other types.

    Args:
        config: A canonical, resolved config.
        where: For each dotted key what set it.
    """
    for name, rest in NOT_KEYWORDS.items():
        section = config.get(name)
        target = section.get(TARGET) if isinstance(section, Mapping) else None
        taken = taken_by(target) if isinstance(target, str) else None
        if taken is None or not isinstance(section, Mapping):
            continue
        for keyword, value in section.items():
            if keyword == TARGET or keyword in rest:
                continue
            key = f"{name}.{keyword}"
            if keyword not in taken.kinds:
                if not taken.open:
                    known = list(taken.kinds)
                    remedy = nearest(str(keyword), known) or f"It takes {', '.join(known)}."
                    what = f"{taken.name} takes no '{keyword}'."
                    yield Problem(what, origin(key, where), remedy, key)
            elif not _fits(value, taken.kinds[keyword]):
                wanted = " or ".join(_KINDS[kind][1] for kind in taken.kinds[keyword])
                what = f"'{key}' cannot be {text_of(value)}: {taken.name} takes {wanted}."
                yield Problem(what, origin(key, where), "", key)


@lru_cache(maxsize=64)
def taken_by(target: str) -> Taken | None:
    """Read from its source what one of traindeck's own classes takes.

    Args:
        target: The dotted path of a class.

    Returns:
        None for any other class, or where the class has no `__init__` of its own.
    """
    if not target.startswith(_OURS):
        return None
    *module, name = target.split(".")
    place = Path(__file__).parents[2].joinpath(*module)
    source = place.with_suffix(".py") if not place.is_dir() else place / "__init__.py"
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _of_class(node)
    return None


def _of_class(node: ast.ClassDef) -> Taken | None:
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            given = [*member.args.args[1:], *member.args.kwonlyargs]
            kinds = {each.arg: _kinds(each.annotation) for each in given}
            return Taken(node.name, kinds, member.args.kwarg is not None)
    return None


def _kinds(annotation: ast.expr | None) -> tuple[str, ...]:
    """Give the plain types of `int | None` and the like; none if there is anything else in it."""
    words = ast.unparse(annotation).split(" | ") if annotation is not None else []
    return tuple(words) if all(word in _KINDS for word in words) else ()


def _fits(value: Any, kinds: tuple[str, ...]) -> bool:
    if not kinds:
        return True
    if isinstance(value, bool):
        return "bool" in kinds
    return any(isinstance(value, _KINDS[kind][0]) for kind in kinds)
