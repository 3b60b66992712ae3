"""Tells when a term of the loss is not finite: which one, when, how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from trainer.config.loss_rules import waiting_notes
from trainer.engine.losses.weighted import WeightedSum
from trainer.engine.session import Row, Session

KIND = "non_finite_term"
_ADVICE = (
    "It contributed nothing to that step. Look at what it divides by or takes the logarithm of, "
    "lower its weight or the learning rate, or give it a cap (loss.max_component_penalty)."
)


class TermWatch(pl.Callback):
    """Raises an alert when a term of the loss is not finite.

    It looks at numbers that have been read back for the events anyway, so that no step waits for
    them. An alert comes at a term's first such step, its 10th, 100th and so on. Values of other ranks
    are seen in the epoch's mean.

    Args:
        session: Where alerts go.
        terms: Names of the terms.
    """

    def __init__(self, session: Session, terms: Sequence[str]) -> None:
        self._events = session.events
        self._names = {
            f"{stage}/loss/{term}": (stage, term) for stage in ("train", "val") for term in terms
        }
        self.counts: dict[str, int] = {}
        self._told: set[str] = set()

    def __call__(self, rows: Sequence[Row]) -> None:
        """Look at rows of metrics."""
        for _, step, _, metrics in rows:
            for name, (stage, term) in self._names.items():
                value = metrics.get(name)
                if value is not None and not math.isfinite(value):
                    self._told.add(term)
                    self._count(name, stage, term, step, value)
                mean = metrics.get(f"{name}_epoch")
                if mean is None:
                    continue
                if not math.isfinite(mean) and term not in self._told:
                    self._alert(term, step, mean, "in this epoch on another rank")
                self._told.discard(term)

    def state_dict(self) -> dict[str, Any]:
        """Keep the counts in the checkpoint, and what this epoch's mean will still show."""
        return {"counts": dict(self.counts), "told": sorted(self._told)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint was."""
        self.counts = {str(k): int(v) for k, v in state_dict.get("counts", {}).items()}
        self._told = set(state_dict.get("told", ()))

    def _count(self, name: str, stage: str, term: str, step: int, value: float) -> None:
        count = self.counts[name] = self.counts.get(name, 0) + 1
        if count == 10 ** (len(str(count)) - 1):
            times = "" if count == 1 else f", {count} times so far"
            where = "in validation" if stage == "val" else "in training"
            self._alert(term, step, value, f"{where}{times}", count=count)

    def _alert(self, term: str, step: int, value: float, when: str, count: int = 1) -> None:
        self._events.alert(
            "warning",
            KIND,
            f"The loss term '{term}' is {value} {when}.",
            step=step,
            advice=_ADVICE,
            term=term,
            count=count,
        )


def term_watch(session: Session, module: pl.LightningModule) -> list[pl.Callback]:
    """Make the callback if the module's loss is a sum of terms; say which terms are left out."""
    loss = getattr(module, "loss", None)
    for note in waiting_notes(session.config):
        session.events.log("warning", note)
    if not isinstance(loss, WeightedSum):
        return []
    watch = TermWatch(session, loss.term_names)
    session.watchers.append(watch)
    return [watch]
