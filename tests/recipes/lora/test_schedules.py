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
    [
        "linear",
        "cosine",
        "constant",
        "constant_with_warmup",
        "polynomial",
        "cosine_with_restarts",
        "inverse_sqrt",
    ],
)
@pytest.mark.parametrize("warmup", [0, 6])
def test_a_schedule_falls_as_in_transformers(name: str, warmup: int) -> None:
    row = next(row for row in ALIASES if row.old == "hyperparameters.lr_scheduler")
    assert row.convert is not None
    section = {key.partition(".")[2]: value for key, value in row.convert(name).items()}
    section["warmup"] = warmup
    rates: list[list[float]] = []
    for ours in (True, False):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.1)
        if ours:
            made = make_scheduler(optimizer, section, lambda _: STEPS)
            schedule = made["scheduler"] if made is not None else None
        else:
            schedule = transformers.get_scheduler(name, optimizer, warmup, STEPS)
        found = []
        for _ in range(STEPS):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if schedule is not None:
                schedule.step()
        rates.append(found)
    if name == "constant":  # which transformers never warms up
        warmup = 0
        rates = [rates[0][6:], rates[1][6:]]
    # Transformers' polynomial ends at 1e-7 and not at 0; its warmup begins with nothing.
    assert rates[0][warmup:] == pytest.approx(rates[1][warmup:], abs=1e-6)
    assert rates[0][:warmup] == pytest.approx([*rates[1][1:warmup], 0.1][:warmup])


@pytest.mark.parametrize("name", ["cosine_with_min_lr", "warmup_stable_decay"])
def test_a_schedule_that_needs_more_than_its_name_is_refused_with_what(name: str) -> None:
    row = next(row for row in ALIASES if row.old == "hyperparameters.lr_scheduler")
    assert row.convert is not None
    with pytest.raises(ValueError, match="needs to be told"):
        row.convert(name)
