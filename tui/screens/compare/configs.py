"""Just the keys in which the configs of runs differ, with who has which value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.style import Style

from tui.text import clean, left
from tui.widgets.linelist import LineList, Pieces


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that is not the same in all runs.

    Attributes:
        key: The dotted key.
        values: (letters of the runs, their value as text), in order of the letters; runs that
            lack the key come last.
    """

    key: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """What comparing configs gave.

    Attributes:
        keys: The keys that differ, those of the run itself (its name, its tags) last.
        same: How many keys are the same in all.
        problems: Why configs could not be read, a line each.
    """

    keys: tuple[Difference, ...] = ()
    same: int = 0
    problems: tuple[str, ...] = ()


def differences(runs: Sequence[tuple[str, Path]]) -> Differences:
    """Compare the configs of runs; reads files, so this belongs in a thread.

    Args:
        runs: (letter, folder) of each run.
    """
    from trainer.config.compose import load_run
    from trainer.config.provenance import leaves
    from trainer.errors import TraindeckError

    configs: dict[str, Mapping[str, Any]] = {}
    problems: list[str] = []
    for letter, path in runs:
        try:
            configs[letter] = dict(leaves(load_run(path).config))
        except TraindeckError as error:
            problems.append(f"{letter}: {clean(str(error))}")
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{letter}: its config cannot be read: {clean(str(error))}")
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    found = [each for key in keys if (each := _difference(key, configs)) is not None]
    found.sort(key=lambda each: each.key.startswith("run."))
    return Differences(tuple(found), len(keys) - len(found), tuple(problems))


def _difference(key: str, configs: Mapping[str, Mapping[str, Any]]) -> Difference | None:
    from trainer.config.diff import same

    groups: list[tuple[str, Any]] = []
    lacking = ""
    for letter, config in configs.items():
        if key not in config:
            lacking += letter
            continue
        for at, (letters, value) in enumerate(groups):
            if same(value, config[key]):
                groups[at] = (letters + letter, value)
                break
        else:
            groups.append((letter, config[key]))
    if len(groups) + bool(lacking) < 2:
        return None
    shown = [(letters, _text(value)) for letters, value in groups]
    return Difference(key, (*shown, *([(lacking, "not set")] if lacking else [])))


def _text(value: Any) -> str:
    import json

    if isinstance(value, str):
        return clean(value) or '""'
    try:
        return clean(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError):
        return clean(str(value))


class Configs(LineList):
    """The keys that differ: each with its values, and the letters of the runs that have them."""

    KEYS_TITLE: ClassVar[str] = "In the differences"
    DEFAULT_CSS = "Configs { padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id="configs")
        self._lines: list[tuple[str, str, str]] = [("", "", "reading the configs")]

    @property
    def text(self) -> str:
        """What stands there."""
        return "\n".join("  ".join(part for part in line if part) for line in self._lines)

    def on_mount(self) -> None:
        """Begin with a word on what is going on."""
        self.show_rows(1)

    def show(self, found: Differences) -> None:
        """Show what differs."""
        lines: list[tuple[str, str, str]] = []
        for key in found.keys:
            lines.append((clean(key.key), "", ""))
            lines += [("", letters, value) for letters, value in key.values]
        if found.problems:
            lines += [("", "", text) for text in found.problems]
        said = f"{found.same} keys are the same" if found.keys else "no key differs"
        self._lines = [*lines, ("", "", said)]
        self.show_rows(len(self._lines), 0)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        key, letters, value = self._lines[index]
        if key:
            return [(key, Style(bold=True))]
        if not letters:
            return [(value, self.part("linelist--dim"))]
        return [(f"  {left(letters, 9)}", self.part("linelist--dim")), (value, Style.null())]
