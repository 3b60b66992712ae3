"""Override strings, parsed with Hydra's own grammar.

`k=v`, `+k=v`, `++k=v`, `~k`, `~k=v`, `group=option`, `group@package=option`, quoting and escapes are
Hydra's. Ours on top: a bare word is a preset, and `rules[0]` may be written for `rules.0`. The most
common simple overrides are read without loading Hydra at all; a test holds both readings together.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from trainer.config.text import clean
from trainer.errors import Problem

Kind = Literal["change", "add", "force", "delete"]

_BARE = re.compile(r"[\w][\w./-]*\Z")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_INDEX = re.compile(r"\[([\w-]+)\]")
# What Hydra reads as one plain token: an exact subset of its grammar, see the test.
_SIMPLE = re.compile(
    r"(?P<plus>\+{0,2})"
    r"(?P<key>[A-Za-z_][A-Za-z0-9_]*(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|0|[1-9][0-9]*))*)="
    r"(?:(?P<int>[+-]?(?:0|[1-9][0-9]*))"
    r"|(?P<float>[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_-]*)"
    r"|(?P<path>(?:[A-Za-z_/]|\.\.?/|[1-9][0-9]*-[a-z]{2})[A-Za-z0-9_/.-]*)"
    r"|(?P<quoted>'[^'\\$]*'|\"[^\"\\$]*\"))\Z",
    re.ASCII,
)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
# What presets call the group `data`.
_DATASET = "dataset"
_NUMBER_WORDS = frozenset({"inf", "nan"})
_KINDS: dict[str, Kind] = {"": "change", "+": "add", "++": "force"}

# The parser's tables are shared by all its instances and filled while it parses.
_parser_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Override:
    """One override, parsed.

    Attributes:
        text: As the person typed it.
        kind: Whether it changes, adds (`+`), forces (`++`) or deletes (`~`).
        key: The dotted key, or the group with `/`.
        package: What stands after `@` in the key.
        value: The value; shared, never changed. `None` for a deletion without a value.
    """

    text: str
    kind: Kind
    key: str
    package: str | None
    value: Any

    @property
    def element(self) -> str:
        """The key with its package, as Hydra compares group choices."""
        return self.key if self.package is None else f"{self.key}@{self.package}"


def parse_all(overrides: Sequence[str]) -> tuple[list[Override], list[Problem]]:
    """Parse a list of overrides; the problems of all of them come back together."""
    parsed: list[Override] = []
    problems: list[Problem] = []
    presets: list[str] = []
    valued = _keys_before_values(overrides)
    for at, text in enumerate(overrides):
        if at in valued:
            problems.append(valued[at])
            continue
        if at - 1 in valued and "=" not in text:
            continue
        result = parse(text)
        if isinstance(result, Problem):
            problems.append(result)
            continue
        if result.key == "preset" and "=" not in text:
            presets.append(text)
        if result.key == _DATASET and isinstance(result.value, str):
            result = replace(result, key="data")
        parsed.append(result)
    if len(set(presets)) > 1:
        words = " ".join(presets)
        problems.append(
            Problem(
                f"Only one preset can be given as a bare word, not {len(set(presets))}.",
                f"override {clean(words)}",
                f"To apply several, write preset=[{','.join(presets)}].",
                "preset",
            )
        )
    return parsed, problems


def _keys_before_values(overrides: Sequence[str]) -> dict[int, Problem]:
    """Find bare words that are keys: a blank stands where `=` belongs."""
    found: dict[int, Problem] = {}
    for at, text in enumerate(overrides):
        after = overrides[at + 1] if at + 1 < len(overrides) else "="
        # A preset may be called as it likes; only what cannot be meant so is looked up.
        if "=" in text or not _BARE.match(text) or ("." not in text and "=" in after):
            continue
        from trainer.config.aliases import canonical_key
        from trainer.config.values import about

        known = about(canonical_key(text))
        if known is not None and not known.section and at - 1 not in found:
            value = "VALUE" if "=" in after else clean(after)
            found[at] = Problem(
                f"'{clean(text)}' is a key, and there is no '=' behind it.",
                f"override {clean(text)}",
                f"Write {clean(text)}={value}.",
                known.key,
            )
    return found


@lru_cache(maxsize=8192)
def parse(text: str) -> Override | Problem:
    """Parse one override, or say what is wrong with it and at which column."""
    where = f"override {clean(text)}"
    if not text.isascii() and _SURROGATES.search(text):
        # Bytes of the command line that are no UTF-8 arrive so; no file could hold them.
        return Problem("The override is not valid UTF-8.", where)
    simple = _SIMPLE.match(text)
    if simple:
        override = _simple(text, simple)
        if override is not None:
            return override
    if not text.strip():
        return Problem("An override cannot be empty.", where, "Write key=value.")
    if "=" not in text and not text.startswith(("~", "+")):
        if _BARE.match(text):
            return Override(text, "change", "preset", None, text)
        return Problem(
            f"'{clean(text)}' is neither an override (key=value) nor a preset's name.", where
        )
    return _by_hydra(text, where)


def _simple(text: str, match: re.Match[str]) -> Override | None:
    value: Any
    word = match["word"]
    if match["int"] is not None:
        # Hydra's reading is int(); Python refuses thousands of digits there, and so must we.
        if len(match["int"]) > 400:
            return None
        value = int(match["int"])
    elif match["float"] is not None:
        value = float(match["float"])
    elif match["path"] is not None:
        value = match["path"]
    elif match["quoted"] is not None:
        value = match["quoted"][1:-1]
    else:
        lower = word.lower()
        if lower in _NUMBER_WORDS:
            return None
        value = _WORDS.get(lower, word)
    return _refused(Override(text, _KINDS[match["plus"]], match["key"], None, value))


def _refused(override: Override) -> Override | None:
    # hydra.* needs its own answer.
    return None if override.key.split(".", 1)[0] == "hydra" else override


def parse_sweep(text: str) -> Any:
    """Read an override that may have several values, as a sweep does.

    Returns:
        Hydra's own override if it has several values; a problem if it has and may not be swept;
        None for everything that `parse` reads or refuses.
    """
    where = f"override {clean(text)}"
    if "=" not in text or _SIMPLE.match(text) or _SURROGATES.search(text):
        return None
    found = _read(_line(text), where)
    if isinstance(found, Problem) or not found.is_sweep_override():
        return None
    return _hydras(found.key_or_group, where) or found


def _line(text: str) -> str:
    key, equals, value = text.partition("=")
    return _INDEX.sub(r".\1", key) + equals + value


def _read(line: str, where: str) -> Any:
    """Let Hydra read an override; a problem if it cannot."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        with _parser_lock:
            return OverridesParser.create().parse_rule(line, "override")
    except HydraException as error:
        return _grammar_problem(line, error, where)
    except (RecursionError, ValueError, ArithmeticError) as error:
        return Problem(f"The override cannot be read: {clean(str(error))}.", where)


def _hydras(name: str, where: str) -> Problem | None:
    """Refuse what belongs to Hydra's own application."""
    if name != "hydra" and not name.startswith(("hydra.", "hydra/")):
        return None
    return Problem(
        f"'{name}' belongs to Hydra's own application, which traindeck does not run.",
        where,
        "Folders, logging and sweeps have keys of their own: see docs/configuration.md.",
        name,
    )


def _by_hydra(text: str, where: str) -> Override | Problem:
    from hydra.core.override_parser.types import OverrideType, QuotedString

    found = _read(_line(text), where)
    if isinstance(found, Problem):
        return found
    if found.is_sweep_override():
        return _sweep_problem(found.key_or_group, text.partition("=")[2].strip(), where)
    name = found.key_or_group
    refused = _hydras(name, where)
    if refused is not None:
        return refused
    if not name:
        return Problem("An override needs a key.", where, "Write key=value.")
    kinds: dict[Any, Kind] = {
        OverrideType.CHANGE: "change",
        OverrideType.ADD: "add",
        OverrideType.FORCE_ADD: "force",
        OverrideType.DEL: "delete",
    }
    plain = found.value()
    odd = _odd(plain, QuotedString)
    if odd is not None:
        return Problem(odd, where, "", name)
    return Override(text, kinds[found.type], name, found.package, plain)


def _odd(value: Any, quoted: type) -> str | None:
    """Say why a parsed value cannot stand in a config; `None` if it can."""
    if isinstance(value, dict):
        for key, below in value.items():
            if isinstance(key, quoted) or not isinstance(key, str | int | float):
                return f"'{key}' cannot be a key."
            if (reason := _odd(below, quoted)) is not None:
                return reason
    elif isinstance(value, list):
        for item in value:
            if (reason := _odd(item, quoted)) is not None:
                return reason
    elif value is not None and not isinstance(value, str | int | float):
        return f"A {type(value).__name__} inside a value is part of a sweep, not of one run."
    return None


def _grammar_problem(line: str, error: Exception, where: str) -> Problem:
    cause = error.__cause__
    column: int | None = getattr(cause, "startIndex", None)
    token = getattr(cause, "offendingToken", None)
    if column is None and token is not None:
        column = token.column
    message = clean(str(error).splitlines()[0] if str(error) else type(cause).__name__)
    if column is None:
        return Problem(f"The override does not follow Hydra's grammar: {message}.", where)
    if column >= len(line):
        what = "The override ends too early"
    else:
        what = f"Column {column + 1}, at '{clean(line[column : column + 12])}'"
    return Problem(
        f"{what}: it does not follow Hydra's override grammar ({message}).",
        where,
        _grammar_remedy(line, column),
    )


def _grammar_remedy(line: str, column: int) -> str:
    key, _, value = line.partition("=")
    if column > len(key):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return (
            f"To give a text with special characters, quote it: \"{clean(key)}='{clean(quoted)}'\"."
        )
    return "Keys are dotted words, such as trainer.max_epochs."


def _sweep_problem(key: str, value: str, where: str) -> Problem:
    function = re.match(r"(choice|range|interval|glob|shuffle|sort|tag)\s*\(", value)
    if function:
        return Problem(
            f"'{function[1]}(…)' sweeps over several runs; this command starts one.",
            where,
            f"Give one value: {key}=VALUE, or sweep with `traindeck ablate -m`.",
            key,
        )
    return Problem(
        f"'{clean(value)}' lists several values, which is a sweep over several runs; "
        "this command starts one.",
        where,
        f"For a list write '{key}=[{clean(value)}]', for a text '{key}=\"{clean(value)}\"'; "
        "a sweep is `traindeck ablate -m`.",
        key,
    )
