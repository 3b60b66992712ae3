"""Which keywords PEFT's `LoraConfig` takes, read from the source of the PEFT that is installed.

Nothing is imported, so that a slip in `lora` is told before anything is launched.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainer.config.torch_rules import is_number

# Where the class and what it inherits from stand below the package, the class itself last.
_CLASSES = (
    ("config.py", "PeftConfigMixin"),
    ("config.py", "PeftConfig"),
    ("tuners/lora/config.py", "LoraConfig"),
)
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": "a list",
    "dict": "a section of keys",
}


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword.

    Attributes:
        kinds: The plain types that it takes, of `bool`, `int`, `float`, `str`, `list` and `dict`.
        choices: The texts that it takes by name; one with `[…]` in it stands for any that begins so.
    """

    kinds: tuple[str, ...]
    choices: tuple[str, ...]

    def takes(self, value: Any) -> bool:
        """Say whether a value is of a kind that the keyword takes; null leaves PEFT's default."""
        if value is None:
            return True
        if isinstance(value, bool):
            return "bool" in self.kinds
        if isinstance(value, str):
            begun = (each.partition("[") for each in self.choices)
            named = (
                value == head or (bool(sign) and value.startswith(head)) for head, sign, _ in begun
            )
            return "str" in self.kinds or any(named)
        if isinstance(value, int):
            return "int" in self.kinds or "float" in self.kinds
        if is_number(value):
            return "float" in self.kinds
        return type(value).__name__ in self.kinds

    def words(self) -> str:
        """Say what it takes: `true or false or "gaussian"`."""
        named = [f'"{each}"' for each in self.choices]
        return " or ".join([*(_WORDS[kind] for kind in self.kinds), *named]) or "a section of keys"


@cache
def keywords() -> dict[str, Keyword]:
    """Give what `LoraConfig` takes, by name; nothing where PEFT is not installed or not understood."""
    found: dict[str, Keyword] = {}
    for file, name in _CLASSES:
        place = _package()
        body = _body(place / file, name) if place is not None else None
        if body is None:
            return {}
        for item in body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                if _is_made_by_itself(item.value):
                    found.pop(item.target.id, None)
                else:
                    found[item.target.id] = _keyword(item)
    return found


def _package() -> Path | None:
    try:
        spec = find_spec("peft")
    except (ImportError, ValueError):
        return None
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


def _body(file: Path, name: str) -> list[ast.stmt] | None:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node.body
    return None


def _is_made_by_itself(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and any(
        each.arg == "init" and isinstance(each.value, ast.Constant) and each.value.value is False
        for each in value.keywords
    )


def _keyword(item: ast.AnnAssign) -> Keyword:
    kinds: dict[str, None] = {}
    choices: dict[str, None] = {}
    _read(item.annotation, kinds, choices)
    return Keyword(tuple(kinds), tuple(choices))


def _read(node: ast.expr, kinds: dict[str, None], choices: dict[str, None]) -> None:
    """Collect the members of a union; a class of PEFT's own is a section of keys in a config."""
    if isinstance(node, ast.BinOp):
        _read(node.left, kinds, choices)
        _read(node.right, kinds, choices)
    elif isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).rpartition(".")[2].lower()
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in ("optional", "union"):
            for part in parts:
                _read(part, kinds, choices)
        elif name == "literal":
            choices |= dict.fromkeys(
                part.value
                for part in parts
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
        else:
            kinds["list" if name in ("list", "tuple", "sequence") else "dict"] = None
    elif isinstance(node, ast.Name):
        kinds[node.id if node.id in _WORDS else "dict"] = None
