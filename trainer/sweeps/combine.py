"""From axes to trials: what each of them sets, and what it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from trainer.sweeps.axes import SEED, Axis, Parsed, Value, element
from trainer.sweeps.kinds import Mode
from trainer.sweeps.trial import Trial, numbered

Setting = tuple[tuple[Axis, Value], ...]
"""The values that a trial has of the axes."""


def settings(axes: Sequence[Axis], mode: Mode, plain: Callable[[Setting], str]) -> list[Setting]:
    """Combine the axes.

    Args:
        axes: What varies.
        mode: All combinations, each value against the baseline, or all axes in step.
        plain: Gives the config of a setting as a text to compare it by; asked with one at a time.
    """
    if mode == "one_at_a_time":
        # The baseline comes first, and what a value leaves as it is there is the baseline.
        each: list[Setting] = [(), *(((axis, value),) for axis in axes for value in axis.values)]
        seen: dict[str, Setting] = {}
        for setting in each:
            seen.setdefault(plain(setting), setting)
        return list(seen.values())
    if mode == "paired":
        length = len(axes[0].values) if axes else 1
        return [tuple((axis, axis.values[at]) for axis in axes) for at in range(length)]
    rows = product(*(axis.values for axis in axes))
    return [tuple(zip(axes, row, strict=True)) for row in rows]


def overrides(base: Sequence[str], setting: Setting, seed: int | None) -> tuple[str, ...]:
    """Write a trial's overrides: what varies stands in place of what the baseline says of it."""
    varied = {axis.canonical for axis, _ in setting}
    if seed is not None:
        varied.add(SEED)
    kept = [text for text in base if element(text) not in varied]
    kept += [axis.override(value) for axis, value in setting]
    if seed is not None:
        kept.append(f"{SEED}={seed}")
    return tuple(kept)


def trials(
    title: str,
    base: Sequence[str],
    parsed: Parsed,
    combined: Sequence[Setting],
    mode: Mode,
) -> list[Trial]:
    """Make the trials of all settings, each with every seed.

    Args:
        title: The sweep's name.
        base: The overrides of the baseline.
        parsed: What varies, and the seeds.
        combined: From `settings`.
        mode: How the axes are combined.
    """
    found = [
        Trial(
            number=0,
            name="",
            overrides=overrides(base, setting, seed),
            factors={axis.key: value.plain for axis, value in setting},
            seed=seed,
        )
        for setting in combined
        for seed in (parsed.seeds or (None,))
    ]
    return numbered(title, found, [axis.key for axis in parsed.axes], mode)
