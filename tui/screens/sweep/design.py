"""A sweep that is being put together: overrides, how they combine, seeds, and what is compared."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainer.sweeps.axes import is_seed
from trainer.sweeps.plan import Goal, Mode
from tui.screens.launch.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.context import Context

#: What the option on the command line says of a mode.
_MODE_OPTIONS = {"one_at_a_time": "--one-at-a-time", "paired": "--paired"}


@dataclass(frozen=True)
class Design:
    """A sweep as far as it is put together; never changed, only replaced.

    Attributes:
        draft: The overrides, the sweep's name and the tags of its runs. Overrides with several
            values vary, the others are the baseline.
        mode: How what varies is combined.
        seeds: Seeds to repeat every trial with.
        parallel: Trials at the same time; as the config says if None.
        metric: What they are compared by; as the config says if empty.
        goal: Whether less or more of it is better; as the config says if None.
        clamp: Whether each trial is lowered to what its hardware allows, in place of being refused.
    """

    draft: Draft = field(default_factory=Draft)
    mode: Mode = "product"
    seeds: tuple[int, ...] = ()
    parallel: int | None = None
    metric: str = ""
    goal: Goal | None = None
    clamp: bool = False


def command(design: Design, words: Sequence[str], context: Context) -> list[str]:
    """Give the command that sweeps so, as a list of words.

    Args:
        design: How.
        words: The overrides, the line's included.
        context: Where runs go and profiles lie.
    """
    found = ["traindeck", "ablate", "-m", *words]
    if option := _MODE_OPTIONS.get(design.mode):
        found.append(option)
    if design.seeds:
        found += ["--seeds", seeds_text(design.seeds)]
    if design.parallel is not None:
        found += ["--parallel", str(design.parallel)]
    if design.metric:
        found += ["--metric", design.metric]
    if design.goal is not None:
        found += ["--goal", design.goal]
    found += ["--clamp"] if design.clamp else []
    if design.draft.name:
        found += ["--name", design.draft.name]
    for tag in design.draft.tags:
        found += ["--tag", tag]
    return [*found, *context.places, "--detach"]


def seeds_text(seeds: Sequence[int]) -> str:
    """Write seeds as on the command line."""
    return ",".join(map(str, seeds))


def read_seeds(text: str) -> tuple[tuple[int, ...], str]:
    """Read seeds as the command line does, and say what is wrong with them.

    Returns:
        The seeds, each once, and a sentence, which is empty if nothing is wrong.
    """
    words = [word for word in re.split(r"[\s,]+", text.strip()) if word]
    for word in words:
        if not re.fullmatch(r"\d{1,10}", word) or not is_seed(int(word)):
            return (), f"'{word}' is no seed. Seeds are whole numbers from 0 to 4294967295."
    return tuple(dict.fromkeys(map(int, words))), ""
