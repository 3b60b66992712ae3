"""Schedules by transformers' names are those of transformers."""

from __future__ import annotations

import pytest
import torch
import transformers

from trainer.config.aliases import ALIASES
from trainer.engine.schedule import make_scheduler

STEPS = 20


@pytest.mark.parametrize(
    "name",
    ["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "cosine_with_restarts"],
)
def test_a_schedule_falls_as_in_transformers(name: str) -> None:
    row = next(row for row in ALIASES if row.old == "hyperparameters.lr_scheduler")
    assert row.convert is not None
    section = {key.partition(".")[2]: value for key, value in row.convert(name).items()}
    rates: list[list[float]] = []
    for ours in (True, False):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.1)
        if ours:
            made = make_scheduler(optimizer, section, lambda _: STEPS)
            schedule = made["scheduler"] if made is not None else None
        else:
            schedule = transformers.get_scheduler(name, optimizer, 0, STEPS)
        found = []
        for _ in range(STEPS):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if schedule is not None:
                schedule.step()
        rates.append(found)
    # Transformers' polynomial ends at 1e-7 and not at 0.
    assert rates[0] == pytest.approx(rates[1], abs=1e-6)
