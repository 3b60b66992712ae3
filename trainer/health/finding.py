"""What detectors say, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Unix seconds, step, epoch, metrics.
Row = tuple[float, int, int, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One look of a detector that came to a conclusion.

    Attributes:
        kind: What it looked for.
        sick: Whether it is there. False: it is not, or no longer.
        message: One sentence; empty if it is not there.
        level: How urgent it is.
        evidence: The numbers that led to it: values, window, threshold.
        about: Which of several things of one kind; empty if there is only one.
    """

    kind: str
    sick: bool
    message: str = ""
    level: str = "warning"
    evidence: dict[str, Any] = field(default_factory=dict)
    about: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to tell: an illness that begins, goes on for long, or is over.

    Attributes:
        level: `info`, `warning` or `error`.
        kind: One of `trainer.config.schema_health.KINDS`.
        message: One or two sentences.
        step: The step that showed it; None outside of training.
        advice: What to do about it; empty when it is over.
        evidence: The numbers that led to it; `state` is `begins`, `goes on` or `over`.
    """

    level: str
    kind: str
    message: str
    step: int | None
    advice: str
    evidence: dict[str, Any]

    @property
    def over(self) -> bool:
        """Whether it tells that something is over."""
        return self.evidence.get("state") == "over"
