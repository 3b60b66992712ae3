"""Whose hook changes a batch on its way to the device: as in plain Lightning."""

from __future__ import annotations

import sys

import pytest

from trainer.engine.fit import fit

HOOKS = """
from enginelab import tiny

class Hooks:
    # Notes its name in a file for each batch that passes.

    def note(self, name):
        with open(self.path, "a") as file:
            file.write(f"{type(self).__name__}.{name}\\n")

    def on_before_batch_transfer(self, batch, dataloader_idx):
        self.note("before")
        return batch

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        self.note("transfer")
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        self.note("after")
        return batch

class Model(Hooks, tiny.OwnModule):
    def __init__(self, path):
        super().__init__()
        self.path = path

class Data(Hooks, tiny.Module):
    def __init__(self, path):
        super().__init__()
        self.path = path
"""


@pytest.mark.parametrize(
    ("data", "owner"),
    [
        ("enginelab.tiny.Data", "Model"),  # data sets only
        ("enginelab.tiny.Module", "Model"),  # a data module without hooks
        ("hooked.Data", "Data"),  # one with hooks, which then count
    ],
)
def test_batches_pass_the_hooks_of_data_or_else_model(lab, tmp_path, monkeypatch, data, owner):
    (tmp_path / "hooked.py").write_text(HOOKS)
    (tmp_path / "home" / "traindeck" / "settings.yaml").write_text(
        "allowed_prefixes: [enginelab, hooked]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hooked", raising=False)
    notes = tmp_path / "notes"
    of_data = {"path": str(notes)} if owner == "Data" else {}
    run = lab(
        **{
            "data": {"_target_": data, **of_data},
            "model": {"_target_": "hooked.Model", "path": str(notes)},
            "loss": {},
            "trainer.max_epochs": 1,
            "trainer.limit_train_batches": 2,
            "trainer.limit_val_batches": 1,
        }
    )

    assert fit(run) == 0

    each = [f"{owner}.{name}" for name in ("before", "transfer", "after")]
    assert notes.read_text().split() == each * 3
