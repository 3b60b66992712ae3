"""What the expansion of a defaults list needs to know about files."""

from __future__ import annotations

from collections.abc import Callable

from trainer.config.loader import Profile
from trainer.errors import ConfigError, Problem


class Repository:
    """What the expansion needs to know about files; made once per composition.

    Args:
        load: Gives the profile at a path; `None` if there is none. May raise `ConfigError`.
        is_group: Says whether a folder of this name exists.
        options: Names a group's options.
        groups: Names all groups.
    """

    def __init__(
        self,
        load: Callable[[str], Profile | None],
        is_group: Callable[[str], bool],
        options: Callable[[str], list[str]],
        groups: Callable[[], list[str]] = list,
    ) -> None:
        self._load = load
        self._loaded: dict[str, Profile | None] = {}
        self._groups: dict[str, bool] = {}
        self._is_group = is_group
        self.options = options
        self.groups = groups
        self.problems: list[Problem] = []

    def load(self, path: str) -> Profile | None:
        """Give the profile at a path; a file that cannot be read counts as empty, with its problems."""
        if path not in self._loaded:
            try:
                self._loaded[path] = self._load(path)
            except ConfigError as error:
                self.problems += error.problems
                place = error.problems[0].where
                self._loaded[path] = Profile({}, {}, None, "_global_", place, "", "")
        return self._loaded[path]

    def is_group(self, name: str) -> bool:
        """Say whether a group exists."""
        known = self._groups.get(name)
        if known is None:
            known = self._groups[name] = bool(name) and self._is_group(name)
        return known
