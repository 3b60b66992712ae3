"""A model that cannot fit into the profile's memory is refused before the first step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.engine.fit import fit
from trainer.engine.fits import GIB, Need, need_of

WEIGHTS = 1_000_000


class Wide(nn.Module):
    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(1000, 1000, bias=False)
        self.register_buffer("mask", torch.zeros(10, dtype=torch.bool))
        self.layer.weight.requires_grad_(not frozen)


def config(precision: str | None = "32-true", optimizer: str = "AdamW", **keywords):
    return {
        "trainer": {"precision": precision, "strategy": "auto", "accelerator": "cpu"},
        "optimizer": {"type": optimizer, "config": keywords},
    }


@pytest.mark.parametrize(
    ("made", "width", "kept"),
    [
        (config(), 4, 2),
        (config(amsgrad=True), 4, 3),
        (config(optimizer="SGD"), 4, 0),
        (config(optimizer="SGD", momentum=0.9), 4, 1),
        (config(optimizer="RMSprop", centered=True), 4, 2),
        (config(optimizer="Muon"), 4, 1),
        (config(optimizer="ASGD"), 4, 1),
        (config(optimizer="LBFGS"), 4, 0),
        (config("16-mixed"), 4, 2),
        (config("bf16-true"), 2, 2),
        (config("64-true"), 8, 2),
    ],
)
def test_what_a_model_needs(made, width, kept):
    need = need_of(Wide(), made)
    assert need == Need(WEIGHTS * width + 10, WEIGHTS * width, WEIGHTS * width * kept)
    frozen = need_of(Wide(frozen=True), made)
    assert (frozen.gradients, frozen.state) == (0, 0)


def test_what_torch_holds_after_a_step_is_what_was_foretold():
    for optimizer, kept in (("AdamW", 2), ("NAdam", 2), ("Adadelta", 2), ("Rprop", 2), ("ASGD", 1)):
        model = Wide()
        made = getattr(torch.optim, optimizer)(model.parameters())
        model.layer(torch.ones(1, 1000)).sum().backward()
        made.step()
        held = sum(
            value.numel() * value.element_size()
            for state in made.state.values()
            for value in state.values()
            if torch.is_tensor(value) and value.numel() > 1
        )
        assert held == need_of(model, config(optimizer=optimizer)).state == WEIGHTS * 4 * kept


@pytest.mark.proves("hardware.available_memory_gb")
def test_too_little_memory_is_refused_with_the_numbers(lab, events, capsys):
    small = {"hardware.device": "cpu", "hardware.name": "Toaster"}
    folder = lab("small", **small, **{"hardware.available_memory_gb": 1e-6})

    assert fit(folder) == 2

    (end,) = events(folder, "run_finished")
    assert end["status"] == "failed"
    assert "and hardware 'Toaster' has 1e-06 GB" in end["reason"]
    assert "optimiser state" in capsys.readouterr().err
    assert not events(folder, "metrics")
    # Of another kind of device the profile says nothing, and enough is enough.
    other = lab("other", **{"hardware.device": "cuda", "hardware.available_memory_gb": 1e-6})
    assert fit(other) == 0
    enough = lab("enough", **small, **{"hardware.available_memory_gb": 1 / GIB * 10_000})
    assert fit(enough) == 0
