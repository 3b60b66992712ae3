"""Plans a design away from the screen, by the same code and with the same words as the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trainer.config.text import clean as cleaned
from trainer.errors import Problem, TraindeckError
from tui.screens.launch.composer import told
from tui.screens.launch.draft import is_whole, on_line, target, words_on
from tui.screens.sweep.design import Design, command
from tui.sources.sweepcost import Cost, Costs

if TYPE_CHECKING:
    from trainer.config.schema_base import Key
    from trainer.config.sources import Option
    from trainer.sweeps.plan import Plan
    from tui.context import Context

#: While trials are composed, it is told after so many how far that has come.
_TOLD_EVERY = 200


@dataclass(frozen=True)
class Planned:
    """A design, planned.

    Attributes:
        design: What was planned.
        line: What stood on the override line; empty if it was left out.
        edited: The override that the line takes the place of; empty if it adds to them.
        plan: The plan; None if there can be none.
        sizes: How many values each override has that varies, by its target.
        problems: What is wrong.
        lacking: Why nothing could be launched here, whatever the plan; None if it could.
        checked: How many trials have been composed and found right.
        config: The config of the baseline; empty if there is none.
        groups: The options of every group.
        keys: Every key that may be set.
        notes: What a person should know.
        cost: What earlier runs tell of the time; None if nothing.
        command: The command that launches it.
    """

    design: Design
    line: str = ""
    edited: str = ""
    plan: Plan | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    lacking: Problem | None = None
    checked: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    cost: Cost | None = None
    command: tuple[str, ...] = ()

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return 0 if self.plan is None else len(self.plan.trials)

    @property
    def blocked(self) -> tuple[Problem, ...]:
        """All that keeps it from being launched."""
        return (*self.problems, *((self.lacking,) if self.lacking is not None else ()))

    @property
    def beyond(self) -> bool:
        """Whether something is beyond the limits of its hardware that clamping lowers."""
        return any("`--clamp`" in problem.remedy for problem in self.problems)

    @property
    def ready(self) -> bool:
        """Whether every trial is known to be right."""
        return self.plan is not None and not self.blocked and self.checked == self.trials

    def problem_of_word(self, word: str) -> str:
        """Say what is wrong with an override; empty if nothing is."""
        place, aim = f"override {cleaned(word)}", target(word)
        for problem in self.problems:
            # One value of several has a place of its own: `trial x-1: override k=1`.
            _, found, text = problem.where.rpartition("override ")
            if problem.where == place or (found and target(text) == aim):
                return told(problem)
        return ""


class _Overtaken(Exception):
    pass


def plan_out(
    asked: Planned,
    context: Context,
    costs: Costs,
    tell: Callable[[Planned], bool],
) -> None:
    """Plan a design, tell of the plan, then check every trial; for a thread.

    Args:
        asked: The design, what stands on the override line (unfinished, it is left out), and the
            override that is being edited there.
        context: Where the profiles are.
        costs: What earlier runs took.
        tell: Takes what is known so far; false once nobody waits for it any more.
    """
    try:
        first = _plan(asked, context, costs)
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        tell(replace(asked, line="", problems=(Problem(f"This cannot be planned: {error}."),)))
        return
    if tell(first) and first.plan is not None and not first.problems:
        _check(first, first.plan, tell)


def _plan(asked: Planned, context: Context, costs: Costs) -> Planned:
    from trainer.config.compose import compose
    from trainer.config.sources import list_groups, list_options
    from trainer.config.values import known_keys
    from trainer.runs.again import need_training_packages
    from trainer.sweeps import plan as planning
    from trainer.sweeps.axes import parse_axes
    from tui.screens.launch.composer import in_order

    design, line, edited = asked.design, asked.line, asked.edited
    cwd, profiles = context.cwd, context.profiles_dir
    where: dict[str, Any] = {
        "config_file": context.config_file,
        "profiles_dir": profiles,
        "cwd": cwd,
    }
    groups: dict[str, tuple[Option, ...]] = {}
    keys = tuple(known_keys())
    try:
        file = context.config_file
        for group in in_order(list_groups(profiles, cwd, file)):
            groups[group] = tuple(list_options(group, profiles, cwd, file))
        presets = [option.name for option in groups.get("preset", ())]
        # What is still being typed is left out, and the rest of the line counts already.
        typed = words_on(line)
        whole = [word for word in typed if is_whole(word, presets)]
        line = line if whole == typed else " ".join(map(on_line, whole))
        words = design.draft.put_line(line, edited).words
        parsed, problems = parse_axes(words, **where)
        sizes = {target(axis.text): len(axis.values) for axis in parsed.axes}
        sizes |= {"seed": len(parsed.seeds)} if parsed.seeds else {}
        found = Planned(
            design,
            line,
            edited,
            sizes=sizes,
            groups=groups,
            keys=keys,
            command=tuple(command(design, words, context)),
        )
        base, plan = parsed.base, None
        try:
            plan = planning.make(
                words,
                mode=design.mode,
                seeds=design.seeds,
                name=design.draft.name,
                metric=design.metric or None,
                goal=design.goal,
                parallel=design.parallel,
                clamp=design.clamp,
                **where,
            )
            base = plan.base
        except TraindeckError as error:
            problems = list(error.problems)
        baseline = compose(base, check=False, **where)
    except TraindeckError as error:
        return Planned(design, problems=error.problems, groups=groups, keys=keys)
    if plan is None:
        # What is wrong with the baseline may be why nothing varies: `k=1,` is no list yet.
        problems = [*baseline.problems, *problems]
    else:
        sizes = {target(axis.text): len(axis.values) for axis in plan.axes}
        sizes |= {"seed": len(plan.seeds)} if plan.seeds and not design.seeds else {}
    lacking = None
    try:
        need_training_packages(baseline.config)
    except TraindeckError as error:
        lacking = error.problems[0]
    varied = {axis.canonical for axis in plan.axes} if plan is not None else set()
    return replace(
        found,
        plan=plan,
        sizes=sizes,
        problems=tuple(problems),
        lacking=lacking,
        config=baseline.config,
        keys=tuple(known_keys(baseline.config)),
        notes=(*(plan.notes if plan is not None else ()), *baseline.notes),
        cost=costs.of(baseline.config, varied) if plan is not None else None,
    )


def _check(found: Planned, plan: Plan, tell: Callable[[Planned], bool]) -> None:
    from trainer.sweeps import plan as planning

    def composed(done: int) -> None:
        if done % _TOLD_EVERY == 0 and not tell(
            replace(found, checked=min(done, found.trials - 1))
        ):
            raise _Overtaken

    try:
        checked, _ = planning.check(plan, composed)
    except _Overtaken:
        return
    except TraindeckError as error:
        tell(replace(found, problems=error.problems))
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        tell(replace(found, problems=(Problem(f"This cannot be composed: {error}."),)))
    else:
        # Clamped, some trials may have become the same, which is told.
        notes = tuple(dict.fromkeys((*checked.notes, *found.notes)))
        tell(replace(found, plan=checked, checked=len(checked.trials), notes=notes))


def texts(problems: Sequence[Problem]) -> list[str]:
    """Write problems as the command line prints them."""
    return [cleaned(str(problem)) for problem in problems]
