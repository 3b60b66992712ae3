"""Which values torch's optimisers and schedulers take: what their signatures do not say.

Held against the installed torch by a test that builds every class with values at the bounds.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Bounds(NamedTuple):
    """An interval of numbers; `open_low` and `open_high` leave the ends out."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Say whether a number lies inside; what is not finite never does."""
        if not is_finite(value):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'>' if self.open_low else '≥'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'<' if self.open_high else '≤'} {self.high:g}")
        return ", ".join(parts) or "finite"


_NOT_NEGATIVE = Bounds(0)
_POSITIVE = Bounds(0, open_low=True)
_AT_LEAST_ONE = Bounds(1)
_SHARE = Bounds(0, 1)
_BELOW_ONE = Bounds(0, 1, open_high=True)

# What holds for every class that has the keyword. Torch itself takes some of these below their
# bound, such as a T_max of 0, and fails later or does nothing of use.
_EVERYWHERE: dict[str, Bounds] = {
    **dict.fromkeys(
        [
            "lr",
            "eps",
            "weight_decay",
            "momentum",
            "lr_decay",
            "initial_accumulator_value",
            "momentum_decay",
            "alpha",
            "tolerance_grad",
            "tolerance_change",
            "min_lr",
            "eta_min",
            "max_lr",
            "base_lr",
            "patience",
            "cooldown",
            "threshold",
            "power",
            # Below 0 the lr would change its sign at every step.
            "gamma",
        ],
        _NOT_NEGATIVE,
    ),
    **dict.fromkeys(
        [
            "T_max",
            "T_0",
            "T_mult",
            "total_iters",
            "step_size",
            "step_size_up",
            "step_size_down",
            "total_steps",
            "epochs",
            "steps_per_epoch",
            "max_iter",
            "max_eval",
            "history_size",
        ],
        _AT_LEAST_ONE,
    ),
    # There is no step before the first, and no checkpoint's state to begin from behind it.
    "last_epoch": Bounds(-1, -1),
}
_OF_CLASS: dict[tuple[str, str], Bounds] = {
    ("Adadelta", "rho"): _SHARE,
    ("Adafactor", "beta2_decay"): Bounds(high=0),
    ("Adafactor", "d"): _AT_LEAST_ONE,
    ("SparseAdam", "lr"): _POSITIVE,
    ("SparseAdam", "eps"): _POSITIVE,
    # A hundred is refused in the first step.
    ("Muon", "ns_steps"): Bounds(1, 100, open_high=True),
    ("ConstantLR", "factor"): _SHARE,
    ("CyclicLR", "base_momentum"): _BELOW_ONE,
    ("CyclicLR", "max_momentum"): _BELOW_ONE,
    ("InverseLR", "inv_gamma"): _POSITIVE,
    ("InverseLR", "warmup"): _BELOW_ONE,
    ("InverseLR", "power"): Bounds(),
    ("LinearLR", "start_factor"): Bounds(0, 1, open_low=True),
    ("LinearLR", "end_factor"): _SHARE,
    ("OneCycleLR", "base_momentum"): _BELOW_ONE,
    ("OneCycleLR", "div_factor"): _POSITIVE,
    ("OneCycleLR", "final_div_factor"): _POSITIVE,
    ("OneCycleLR", "max_momentum"): _BELOW_ONE,
    # All of it would leave no step to fall in, which torch divides by.
    ("OneCycleLR", "pct_start"): _BELOW_ONE,
    ("ReduceLROnPlateau", "factor"): Bounds(0, 1, open_high=True),
}
_PARTS: dict[tuple[str, str], tuple[Bounds, ...]] = {
    ("Adafactor", "eps"): (_NOT_NEGATIVE, _NOT_NEGATIVE),
    ("Rprop", "etas"): (
        Bounds(0, 1, open_low=True, open_high=True),
        Bounds(1, open_low=True),
    ),
}
_CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("LBFGS", "line_search_fn"): ("strong_wolfe",),
    ("Muon", "adjust_lr_fn"): ("original", "match_rms_adamw"),
    ("CyclicLR", "mode"): ("triangular", "triangular2", "exp_range"),
    ("CyclicLR", "scale_mode"): ("cycle", "iterations"),
    ("OneCycleLR", "anneal_strategy"): ("cos", "linear"),
    ("ReduceLROnPlateau", "mode"): ("min", "max"),
    ("ReduceLROnPlateau", "threshold_mode"): ("rel", "abs"),
}


def bounds_of(cls: str, keyword: str, part: int | None = None) -> Bounds | None:
    """Give the bounds of a keyword; None if any number will do.

    Args:
        cls: Name of the class.
        keyword: Name of the keyword.
        part: Which of several numbers, from 0; None if the keyword takes one.
    """
    if part is not None:
        if keyword == "betas":
            return _BELOW_ONE
        parts = _PARTS.get((cls, keyword))
        return parts[part] if parts is not None and part < len(parts) else None
    return _OF_CLASS.get((cls, keyword), _EVERYWHERE.get(keyword))


def choices_of(cls: str, keyword: str) -> tuple[str, ...]:
    """Give the texts that a keyword takes; empty if any will do."""
    return _CHOICES.get((cls, keyword), ())


def is_finite(value: float) -> bool:
    """Say whether a number is one that a float can hold, whole ones of any length included."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_count(keyword: str) -> bool:
    """Say whether a keyword counts something, so that less than one makes no sense."""
    return _EVERYWHERE.get(keyword) is _AT_LEAST_ONE
