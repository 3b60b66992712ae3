"""Composes a draft away from the screen, and hands back everything that the screen shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainer.errors import Problem, TraindeckError, nearest
from trainer.events.text import clean
from tui.screens.launch.draft import Draft, is_whole, target, words_on

if TYPE_CHECKING:
    from trainer.config.compose import Composed
    from trainer.config.diff import Change
    from trainer.config.schema_base import Key
    from trainer.config.sources import Option
    from tui.context import Context

#: The groups that people choose from most, in this order; the others follow by name.
FIRST_GROUPS = (
    "preset",
    "trainer",
    "hardware",
    "data",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "dataloader",
    "limits",
    "health",
    "logger",
    "callbacks",
)


@dataclass(frozen=True)
class Outcome:
    """A draft, composed.

    Attributes:
        draft: What was composed.
        line: What stood on the override line; empty if it was left out.
        edited: The override that the line takes the place of; empty if it adds to them.
        composed: The config; None if nothing could be composed.
        changes: How it differs from the defaults.
        problems: What is wrong with it.
        lacking: Why it could not be launched here: packages, data, the device; empty if it could.
        misfits: Why a hardware profile does not fit this machine, by its option; empty if it does.
        groups: The options of every group.
        keys: Every key that may be set.
        command: The command that launches it.
    """

    draft: Draft
    line: str = ""
    edited: str = ""
    composed: Composed | None = None
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    lacking: tuple[Problem, ...] = ()
    groups: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    command: tuple[str, ...] = ()
    misfits: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """The overrides that were composed, the line's included."""
        return self.draft.put_line(self.line, self.edited).words

    @property
    def config(self) -> Mapping[str, Any]:
        """The composed config; empty if there is none."""
        return self.composed.config if self.composed is not None else {}

    @property
    def choices(self) -> Mapping[str, str]:
        """The option chosen for each group."""
        return self.composed.choices if self.composed is not None else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the config."""
        return self.composed.notes if self.composed is not None else ()

    @property
    def blocked(self) -> tuple[Problem, ...]:
        """Why it cannot be launched; empty if it can."""
        return (*self.problems, *self.lacking)

    @cached_property
    def yaml(self) -> tuple[str, ...]:
        """The composed config as lines of YAML, harmless."""
        if self.composed is None:
            return ()
        return tuple(clean(self.composed.yaml().rstrip(), keep_newlines=True).split("\n"))

    def problem_of_word(self, word: str) -> str:
        """Say what is wrong with an override; empty if nothing is."""
        from trainer.config.text import clean as cleaned

        place = f"override {cleaned(word)}"
        return next((told(problem) for problem in self.problems if problem.where == place), "")

    def problem_of_key(self, key: str) -> str:
        """Say what is wrong with a key or a group; empty if nothing is."""
        return next((told(problem) for problem in self.problems if problem.key == key), "")


def told(problem: Problem) -> str:
    """Write a problem without its place."""
    return clean(" ".join(part for part in (problem.what, problem.remedy) if part))


def work_out(draft: Draft, line: str, context: Context, edited: str = "") -> Outcome:
    """Compose a draft; takes milliseconds, a quarter of a second the first time. For a thread.

    Args:
        draft: The overrides.
        line: What stands on the override line; unfinished, it is left out.
        context: Where the profiles are.
        edited: The override that is being edited on the line; empty if none is.
    """
    from trainer.config.compose import compose, defaults_of
    from trainer.config.diff import diff
    from trainer.config.hardware_detect import machine
    from trainer.config.hardware_fit import verdicts
    from trainer.config.sources import list_groups, list_options
    from trainer.config.values import known_keys
    from trainer.runs.again import need_training_packages
    from trainer.runs.plan import train_command

    cwd, profiles = context.cwd, context.profiles_dir
    groups: dict[str, tuple[Option, ...]] = {}
    try:
        found = list_groups(profiles, cwd, context.config_file)
        for group in in_order(found):
            groups[group] = tuple(list_options(group, profiles, cwd, context.config_file))
        presets = [option.name for option in groups.get("preset", ())]
        line = line if all(is_whole(word, presets) for word in words_on(line)) else ""
        whole = draft.put_line(line, edited)
        composed = compose(
            whole.words,
            config_file=context.config_file,
            profiles_dir=profiles,
            cwd=cwd,
            check=False,
        )
        changes = diff(defaults_of(composed), composed)
    except TraindeckError as error:
        return Outcome(draft, problems=error.problems, groups=groups, keys=tuple(known_keys()))
    lacking: tuple[Problem, ...] = ()
    try:
        need_training_packages(composed.config)
    except TraindeckError as error:
        lacking = error.problems
    runs_dir = context.runs_dirs[0]
    command = train_command(
        whole.words,
        context.config_file,
        profiles,
        # The usual folder goes without saying.
        runs_dir=None if runs_dir == cwd / "runs" else runs_dir,
        name=draft.name or None,
        tags=draft.tags,
        queue=draft.queue,
    )
    return Outcome(
        draft,
        line,
        edited,
        composed,
        tuple(changes),
        composed.problems,
        lacking,
        groups,
        tuple(known_keys(composed.config)),
        tuple(command),
        {
            each.name: "; ".join(each.reasons)
            for each in verdicts(machine(), profiles, context.config_file)
        },
    )


def put_value(outcome: Outcome, key: str, value: Any) -> Draft:
    """Set a key in a draft; what says the same as the profiles is no override.

    Args:
        outcome: The draft as composed, which knows what the profiles say.
        key: The canonical key.
        value: Its new value.
    """
    from trainer.config.diff import same

    draft, composed = outcome.draft, outcome.composed
    if composed is None:
        return draft.set(key, value)
    below = [said for origin, said in composed.history(key) if origin.kind != "override"]
    overridden = any(target(word) == key for word in outcome.draft.words)
    # What was resolved after all layers (`finalize`) would be resolved again.
    if below and same(below[-1], value) and (overridden or same(_value(composed, key), value)):
        return draft.without(key)
    return draft.set(key, value)


def _value(composed: Composed, key: str) -> Any:
    node: Any = composed.config
    for part in key.split("."):
        if isinstance(node, Mapping):
            node = node.get(part)
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def in_order(groups: Iterable[str]) -> list[str]:
    """Sort groups: those that people choose from most come first."""
    return sorted(groups, key=_order)


def _order(group: str) -> tuple[int, str]:
    place = FIRST_GROUPS.index(group) if group in FIRST_GROUPS else len(FIRST_GROUPS)
    return place, group


def not_understood(outcome: Outcome, words: Sequence[str], wrong: str) -> str:
    """Say why a word on the line cannot be an override.

    Args:
        outcome: What was composed last, which knows what there is.
        words: All words on the line.
        wrong: The one in question.
    """
    from trainer.config.aliases import canonical_key
    from trainer.config.validate import key_of_name

    name, equals, _ = wrong.partition("=")
    if equals:
        return f"'{clean(name)}' wants a value"
    presets = (option.name for option in outcome.groups.get("preset", ()))
    known = [*presets, *outcome.groups, *(key.key for key in outcome.keys)]
    key = wrong if wrong in known or canonical_key(wrong) in known else ""
    key = key or key_of_name(wrong, config=outcome.config)
    if key:
        after = words[words.index(wrong) + 1 :]
        value = after[0] if after and "=" not in after[0] else "VALUE"
        return f"'{clean(wrong)}' wants a value behind '=': write {clean(key)}={clean(value)}"
    if wrong.startswith("-"):
        return f"'{clean(wrong)}' is an option of the command; n, t and Q set name, tags, queue."
    hint = nearest(wrong, known) or "Write key=value; a value with blanks wants quotes."
    return f"There is no preset '{clean(wrong)}'. {hint}"
