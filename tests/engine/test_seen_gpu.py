"""What is written down of a GPU."""

from __future__ import annotations

import json

import pytest
import torch

from trainer.engine.fit import fit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
GPU = {"trainer.accelerator": "gpu", "trainer.deterministic": True, "trainer.max_epochs": 2}


@pytest.fixture(autouse=True)
def _as_before():
    """Lightning sets this for the whole process."""
    yield
    torch.use_deterministic_algorithms(False)


def test_gpu_driver_and_libraries_are_named(lab):
    folder = lab(**GPU)
    assert fit(folder) == 0
    (entry,) = json.loads((folder / "environment.trainer.json").read_text())["seen"]
    assert entry["device"] == "cuda"
    assert entry["gpus"][0]["name"] == torch.cuda.get_device_name(0)
    assert entry["driver"][0].isdigit()
    assert entry["cuda"] == torch.version.cuda
    assert entry["cudnn"] == torch.backends.cudnn.version()
    assert entry["deterministic"]


def test_two_runs_give_the_same_bits_on_a_gpu(lab, events):
    def losses(name):
        folder = lab(name, **GPU)
        assert fit(folder) == 0
        return [
            (event["step"], event["metrics"]["train/loss"])
            for event in events(folder, "metrics")
            if "train/loss" in event["metrics"]
        ]

    first = losses("one")
    assert len(first) == 22
    assert losses("two") == first
