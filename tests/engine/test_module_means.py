"""Sample-weighted means, on devices with doubles and without."""

from __future__ import annotations

import pytest
import torch

from trainer.engine import module
from trainer.engine.module import Means, accumulator_dtype


@pytest.mark.parametrize(
    ("device", "dtype"),
    [("cpu", torch.float64), ("cuda", torch.float64), ("mps", torch.float32)],
)
def test_doubles_where_the_device_has_them(device, dtype):
    assert accumulator_dtype(torch.device(device)) is dtype


def mean(means):
    ((name, (total, count)),) = means.sums(torch.device("cpu")).items()
    return name, total.dtype, count.dtype, float(total / count)


def test_a_mean_weighs_by_samples():
    means = Means("val/", "")
    means.add({"loss": torch.tensor(1.0)}, 3)
    means.add({"loss": torch.tensor(5.0)}, 1)
    assert mean(means) == ("val/loss", torch.float64, torch.float64, 2.0)


def test_a_device_without_doubles_goes_on_from_one_with_them(monkeypatch):
    before = Means("train/", "_epoch")
    before.add({"loss": torch.tensor(1.0)}, 3)
    # From here on the CPU stands in for a GPU that has no doubles.
    monkeypatch.setattr(module, "accumulator_dtype", lambda device: torch.float32)
    after = Means("train/", "_epoch")
    after.load(before.state())
    assert mean(after) == ("train/loss_epoch", torch.float32, torch.float32, 1.0)
    after.add({"loss": torch.tensor(5.0)}, 1)
    assert after.state()["sums"]["loss"].dtype is torch.float32
    assert mean(after) == ("train/loss_epoch", torch.float32, torch.float32, 2.0)
