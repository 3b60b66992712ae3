"""A profile while it is edited: its text, the file that it came from, and what it composes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.config import edit_toml_files
from trainer.config.compose import Composed, compose, defaults_of, side
from trainer.config.diff import Change, diff
from trainer.config.edit import ProfileText
from trainer.config.edit_files import Opened, home_of, open_file
from trainer.config.edit_toml import TableText
from trainer.config.sources import search_path
from trainer.config.values import override
from trainer.errors import ConfigError, Problem
from tui.sources.profiles import Entry

if TYPE_CHECKING:
    from tui.context import Context

BUILT_IN = "built-in"
#: Profiles are some hundred characters long; from here on typing would be felt to lag.
_LARGE = 50_000


@dataclass
class Editing:
    """One profile in hand.

    Attributes:
        entry: Which one.
        opened: The file as it was read or saved last.
        profile: The text as it is now.
        shown: The file as shown to a person.
        home: Where saving writes to.
        unread: Why the file could not be read; nothing can be edited then.
        outdated: Whether somebody else changed the file meanwhile.
        past: The texts before each change; with the file as it was known, where that changed too.
    """

    entry: Entry
    opened: Opened
    profile: ProfileText
    shown: str
    home: str = ""
    unread: str = ""
    outdated: bool = False
    past: list[tuple[str, Opened | None]] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        """Whether there is something to save."""
        return not self.unread and self.profile.text != self.opened.text

    @property
    def is_built_in(self) -> bool:
        """Whether saving makes a copy."""
        return self.entry.kind == BUILT_IN

    def put(self, text: str, *, remember: bool = True) -> bool:
        """Take a new text; false if it is the old one.

        Args:
            text: The text.
            remember: Whether undo comes back to the old one.
        """
        if text == self.profile.text:
            return False
        if remember:
            self.past.append((self.profile.text, None))
        self.profile = text_in(self.entry, text, self.shown)
        return True

    def adopt(self, opened: Opened, text: str | None = None) -> None:
        """Go on from a file that somebody else wrote.

        Undo comes back to the text in hand and to the file as it was known then: what the other
        one wrote still counts as unseen, and is not overwritten by a save that follows.

        Args:
            opened: The file as it is now.
            text: The text to go on with; the file's if None.
        """
        self.past.append((self.profile.text, self.opened))
        self.opened, self.outdated = opened, False
        self.put(opened.text if text is None else text, remember=False)

    def name(self, shown: str) -> None:
        """Take another name to be shown by."""
        self.shown = shown
        self.profile = text_in(self.entry, self.profile.text, shown)

    def undo(self) -> None:
        """Take back the last change."""
        text, opened = self.past.pop()
        if opened is not None:
            self.opened = opened
        self.put(text, remember=False)


def text_in(entry: Entry, text: str, shown: str) -> ProfileText:
    """Give a profile's text; of a table, that of its file with the table in hand."""
    if entry.table:
        return TableText(text, entry.group, entry.name, shown)
    return ProfileText(text, entry.group, shown)


def open_profile(entry: Entry, context: Context) -> Editing:
    """Read a profile to edit it; one that cannot be read says why."""
    sources = search_path(context.profiles_dir, context.cwd, context.config_file)
    if entry.table:
        files = [source.shown for source in sources.tomls if source.path == str(entry.path)]
        shown = files[0] if files else entry.path.name
    else:
        found = sources.find(entry.full)
        shown = found.shown if found is not None else f"{entry.full}.yaml"
    try:
        opened = open_file(entry.path)
    except ConfigError as error:
        unread = str(error.problems[0])
        empty = text_in(entry, "", shown)
        return Editing(entry, Opened.new(entry.path), empty, shown, shown, unread)
    if len(opened.text) > _LARGE:
        unread = f"{shown} is too large to be edited here."
        return Editing(entry, opened, text_in(entry, "", shown), shown, shown, unread)
    target = _home(entry, context) if entry.kind == BUILT_IN else shown
    return Editing(entry, opened, text_in(entry, opened.text, shown), shown, target)


def _home(entry: Entry, context: Context) -> str:
    """Say where a copy of a built-in profile goes."""
    if entry.table:
        return edit_toml_files.home_of(context.cwd)[1]
    try:
        return home_of(entry.group, entry.name, context.profiles_dir, context.cwd)[1]
    except ConfigError:
        return ""


@dataclass(frozen=True)
class Look:
    """What a text composes to.

    Attributes:
        full: The profile.
        text: The text that was composed.
        composed: The config; None if nothing can be composed.
        problems: What is wrong, the profile's own first.
        own: How many of them are the profile's own.
        changes: What differs from what it is compared with.
        against: What it is compared with; empty for the defaults.
        notes: What a person should know.
    """

    full: str
    text: str
    composed: Composed | None = None
    problems: tuple[Problem, ...] = ()
    own: int = 0
    changes: tuple[Change, ...] = ()
    against: str = ""
    notes: tuple[str, ...] = ()


def words_of(entry: Entry, context: Context) -> list[str]:
    """Give the words that choose a profile, as on the command line."""
    from trainer.config.primary import primary

    word = override(entry.group, entry.name)
    try:
        sources = search_path(context.profiles_dir, context.cwd, context.config_file)
        first = primary(sources, context.config_file, context.cwd)
    except ConfigError:
        return [word]
    listed = {
        each.group.removeprefix("/")
        for profile in first.extra.values()
        for each in profile.defaults or ()
        if each.group is not None
    }
    return [word if entry.group in listed else f"+{word}"]


def look(entry: Entry, text: ProfileText, context: Context, against: Sequence[str] = ()) -> Look:
    """Compose a profile as it stands in an editor; blocks for some milliseconds.

    Args:
        entry: Which profile.
        text: Its text.
        context: Where profiles lie.
        against: What to compare with: words as on the command line, or a run's folder; the
            defaults if empty.
    """
    name = " ".join(against)
    try:
        composed = compose(
            words_of(entry, context),
            config_file=context.config_file,
            profiles_dir=context.profiles_dir,
            cwd=context.cwd,
            check=False,
            texts={str(entry.path) if entry.table else entry.full: text.text},
        )
        if against:
            other = side(against, profiles_dir=context.profiles_dir, cwd=context.cwd)
        else:
            other = defaults_of(composed)
    except ConfigError as error:
        problems = tuple(dict.fromkeys((*text.problems, *error.problems)))
        return Look(entry.full, text.text, None, problems, len(text.problems), against=name)
    beyond = _beyond(composed) if entry.group == "hardware" else frozenset()
    others = (problem for problem in composed.problems if problem.key not in beyond)
    problems = tuple(dict.fromkeys((*text.problems, *others)))
    mine = [problem for problem in problems if is_own(problem, text)]
    rest = [problem for problem in problems if problem not in mine]
    return Look(
        entry.full,
        text.text,
        composed,
        (*mine, *rest),
        len(mine),
        _own_first(diff(other, composed), text),
        name,
        composed.notes,
    )


def _beyond(composed: Composed) -> frozenset[str]:
    """Name the keys of a config that its hardware does not allow.

    A hardware profile in hand is composed with the default preset, for which nobody asked: what goes
    beyond its limits there is no fault of the profile. Which presets do is told on its card.
    """
    from trainer.config.hardware_rules import excesses

    return frozenset({"hardware.status", *(excess.key for excess in excesses(composed.config))})


def _own_first(changes: Sequence[Change], text: ProfileText) -> tuple[Change, ...]:
    def is_others(change: Change) -> bool:
        return change.origin is None or change.origin.where != text.shown

    return tuple(sorted(changes, key=is_others))


def is_own(problem: Problem, text: ProfileText) -> bool:
    """Say whether a problem stands in this file."""
    return problem.where == text.shown or problem.where.startswith(f"{text.shown}:")


def line_of(problem: Problem, text: ProfileText) -> int | None:
    """Give the line, from 1, that a problem stands at in this file; None if it is elsewhere."""
    if not is_own(problem, text):
        return None
    number = problem.where.removeprefix(f"{text.shown}:").split(":")[0].split(" ")[0]
    return int(number) if number.isdigit() else None


def effective(composed: Composed | None, key: str) -> Any:
    """Give the value that a key has in the end; None if it has none."""
    node: Any = composed.config if composed is not None else None
    for part in key.split("."):
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node
