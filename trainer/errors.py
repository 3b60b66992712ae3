"""The errors a person can cause, each with a title, a place and a remedy.

The command line prints them on stderr without a traceback; anything else that escapes is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_TIMEOUT = 3
EXIT_OUT_OF_MEMORY = 4
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what a person wrote.

    Attributes:
        what: One sentence: what is wrong, with the value as written.
        where: The file and line, or the override, that it came from; empty if unknown.
        remedy: How to mend it, with the nearest right name if there is one; may be empty.
        key: The canonical config key concerned; empty if none is.
    """

    what: str
    where: str = ""
    remedy: str = ""
    key: str = ""

    def __str__(self) -> str:
        """Give the problem as one line of text."""
        place = f"{self.where}: " if self.where else ""
        if not self.remedy:
            return f"{place}{self.what}"
        stop = "" if self.what.endswith((".", "!", "?", ":", "…")) else "."
        return f"{place}{self.what}{stop} {self.remedy}"


class TraindeckError(Exception):
    """A person's mistake, or a state of the machine that a person can mend.

    Args:
        *problems: What is wrong; a string stands for a problem without place and remedy.
    """

    title = "error"
    exit_code = EXIT_WRONG_INPUT

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class ConfigError(TraindeckError):
    """The profiles or overrides do not make a valid config; holds every problem found."""

    title = "config"


class RunError(TraindeckError):
    """A run cannot be found, started or controlled."""

    title = "run"


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name nearest to `name`, as a sentence, or give an empty string.

    A name that begins so is nearer than any other: completion offers it as well.
    """
    names = list(known)
    begun = [each for each in names if len(name) > 2 and each.startswith(name)]
    matches = get_close_matches(name, begun or names, n=1, cutoff=0.0 if begun else 0.6)
    return f"Did you mean '{matches[0]}'?" if matches else ""
