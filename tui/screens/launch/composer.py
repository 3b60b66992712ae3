"""Composes a draft away from the screen, and hands back everything that the screen shows of it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainer.errors import Problem, TraindeckError, nearest
from trainer.events.text import clean
from tui.screens.launch.card import Card, card_of
from tui.screens.launch.clamping import (
    Clamping,
    by_key,
    exceeded,
    limit_of_key,
    propose,
    value_at,
)
from tui.screens.launch.draft import Draft, is_whole, target, words_on

if TYPE_CHECKING:
    from trainer.config.compose import Composed
    from trainer.config.diff import Change
    from trainer.config.listing import Listed
    from trainer.config.schema_base import Key
    from trainer.config.sources import Option
    from tui.context import Context
    from tui.sources.sweepcost import Costs

#: The groups that people choose from most, in this order; the others follow by name.
FIRST_GROUPS = (
    "preset",
    "hardware",
    "expert",
    "lora",
    "hyperparameters",
    "trainer",
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
#: Of these, what only some presets use: where they do not, it comes last.
_SOME = frozenset({"expert", "lora", "hyperparameters"})
#: Groups whose option may be told to be another class by a value from elsewhere.
_TYPED = frozenset({"optimizer", "scheduler", "dataloader"})


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
        misfits: Why a hardware profile does not fit this machine, by its option, if it does not.
        groups: The options of every group.
        keys: Every key that may be set.
        command: The command that launches it.
        facts: What tells the options apart, of the groups that have such facts.
        clamping: What would bring it to the limits of its hardware; nothing if it keeps to them.
        card: What the hardware has, and what is used of it.
        stamp: What tells whether the files of the profiles are still those that were read.
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
    facts: Mapping[str, tuple[Listed, ...]] = field(default_factory=dict)
    clamping: Clamping = field(default_factory=Clamping)
    card: Card = field(default_factory=Card)
    stamp: int = 0

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
        found = next((told(problem) for problem in self.problems if problem.key == key), "")
        if found:
            return limit_of_key(self.config, key) or found
        return self._problem_of_hardware() if key == "hardware" else ""

    def _problem_of_hardware(self) -> str:
        """Say in short that the hardware is asked for too much, or is not to be had."""
        if over := exceeded(self.config):
            return over
        fit = self.card.fit
        if fit.unsupported:
            return f"unsupported: {fit.unsupported}"
        if self.absent:
            return f"not this machine: {fit.reasons[0]}" if fit.reasons else told(self.absent[0])
        return next((told(each) for each in self.problems if each.key.startswith("hardware.")), "")

    @property
    def absent(self) -> tuple[Problem, ...]:
        """Why the device is not to be had here; empty if it is."""
        return tuple(problem for problem in self.lacking if problem.key == "trainer.accelerator")

    def about(self, group: str) -> str:
        """Say what the chosen option of a group is, or what a value from elsewhere makes of it."""
        option = self.choices.get(group, "")
        doc = next((each.doc for each in self.groups.get(group, ()) if each.name == option), "")
        if group in _TYPED and self.composed is not None:
            origin = self.composed.provenance.get(f"{group}.type")
            kind = value_at(self.config, f"{group}.type")
            own = origin is None or origin.where.startswith((f"{group}/", "override"))
            if origin is not None and not own and origin.kind != "schema":
                return clean(f"{kind}, by {origin}")
        return clean(doc)


def told(problem: Problem) -> str:
    """Write a problem without its place."""
    return clean(by_key(" ".join(part for part in (problem.what, problem.remedy) if part)))


def work_out(
    draft: Draft, line: str, context: Context, edited: str = "", costs: Costs | None = None
) -> Outcome:
    """Compose a draft; takes milliseconds, a quarter of a second the first time. For a thread.

    Args:
        draft: The overrides.
        line: What stands on the override line; unfinished, it is left out.
        context: Where the profiles are.
        edited: The override that is being edited on the line; empty if none is.
        costs: Knows what earlier runs took; None leaves that out.
    """
    from trainer.config.compose import compose, defaults_of
    from trainer.config.diff import diff
    from trainer.config.hardware_detect import machine
    from trainer.config.hardware_fit import verdicts
    from trainer.config.listing import FITS, is_compared, listed
    from trainer.config.sources import options_of, search_path
    from trainer.config.values import known_keys
    from trainer.runs.again import need_training_packages
    from trainer.runs.plan import train_command

    cwd, profiles = context.cwd, context.profiles_dir
    groups: dict[str, tuple[Option, ...]] = {}
    facts: dict[str, tuple[Listed, ...]] = {}
    try:
        sources = search_path(profiles, cwd, context.config_file)
        for group in in_order(sources.groups()):
            if is_compared(group):
                facts[group] = listed(sources, group, machine())
                groups[group] = tuple(row.option for row in facts[group])
            else:
                groups[group] = tuple(options_of(sources, group))
        presets = [option.name for option in groups.get("preset", ())]
        line = line if all(is_whole(word, presets) for word in words_on(line)) else ""
        whole = draft.put_line(line, edited)
        where: dict[str, Any] = {
            "config_file": context.config_file,
            "profiles_dir": profiles,
            "cwd": cwd,
        }
        composed = compose(whole.words, check=False, **where)
        changes = diff(defaults_of(composed), composed)
        clamping = propose(whole.words, composed.config, **where)
    except TraindeckError as error:
        keys = tuple(known_keys())
        return Outcome(draft, problems=error.problems, groups=groups, keys=keys, facts=facts)
    lacking: tuple[Problem, ...] = ()
    try:
        need_training_packages(composed.config)
    except TraindeckError as error:
        lacking = error.problems
    command = train_command(
        whole.words,
        context.config_file,
        profiles,
        runs_dir=context.runs_dirs[0],
        cwd=cwd,
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
        {group: groups[group] for group in in_order(groups, composed.choices)},
        tuple(known_keys(composed.config)),
        tuple(command),
        {
            row.option.name: row.cells["here"]
            for row in facts.get("hardware", ())
            if row.cells.get("here", FITS) != FITS
        },
        facts,
        clamping,
        card_of(
            composed.config,
            machine(),
            verdicts(machine(), profiles, context.config_file),
            costs.of(composed.config, ()) if costs is not None else None,
            context.glyphs.dash,
        ),
    )


def clamped(outcome: Outcome) -> Draft:
    """Give the draft with what clamping changes as overrides; what stands on the line is in it.

    Args:
        outcome: What was composed, with something beyond the limits of its hardware.
    """
    before = outcome.draft.put_line(outcome.line, outcome.edited)
    draft = before
    for change in outcome.clamping.changes:
        draft = put_value(replace(outcome, draft=draft), change.key, change.new)
    # What was clamped before and still holds is told on.
    keys = {change.key for change in outcome.clamping.changes}
    kept = [each for each in before.clamped.in_force(outcome.config) if each.key not in keys]
    told_ = replace(outcome.clamping, changes=(*kept, *outcome.clamping.changes))
    return replace(draft, clamped=told_)


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
    if (
        below
        and same(below[-1], value)
        and (overridden or same(value_at(composed.config, key), value))
    ):
        return draft.without(key)
    return draft.set(key, value)


def in_order(groups: Iterable[str], choices: Container[str] | None = None) -> list[str]:
    """Sort groups: those that people choose from most come first.

    Args:
        groups: Their names.
        choices: The groups of which something is chosen; of what only some presets use, the rest
            comes last. None where nothing is chosen yet.
    """

    def order(group: str) -> tuple[int, str]:
        used = group not in _SOME or (choices is not None and group in choices)
        known = used and group in FIRST_GROUPS
        return FIRST_GROUPS.index(group) if known else len(FIRST_GROUPS) + (not used), group

    return sorted(groups, key=order)


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
