"""What the training process writes down about its environment."""

from __future__ import annotations

import json
import os

import pytest
import torch

from trainer.engine.fit import fit
from trainer.runs import environment, installed
from trainer.runs.layout import write_json_atomic


def seen(folder):
    return json.loads((folder / "environment.trainer.json").read_text())["seen"]


def test_the_first_attempt_tells_what_computes(lab):
    folder = lab(**{"trainer.max_epochs": 1})
    write_json_atomic(folder / "environment.json", environment.lock(1))
    assert fit(folder) == 0
    (entry,) = seen(folder)
    assert entry["attempts"] == [1]
    assert entry["differs"] == []
    assert entry["torch"] == torch.__version__
    assert (entry["device"], entry["threads"], entry["deterministic"]) == ("cpu", 1, False)
    assert entry["cpu_capability"] == torch.backends.cpu.get_cpu_capability()


def test_attempts_in_one_environment_share_an_entry_and_another_one_is_told(lab, monkeypatch):
    folder = lab(**{"trainer.max_epochs": 1})
    found = environment.lock(1)
    write_json_atomic(folder / "environment.json", found)
    assert fit(folder) == 0
    assert fit(folder) == 0
    other = {**found["packages"], "torch": {"version": "0.1", "record": None, "source": None}}
    monkeypatch.setattr(installed, "packages", lambda: other)
    assert fit(folder) == 0

    first, last = seen(folder)
    assert len(first["attempts"]) == 2
    (told,) = last["differs"]
    assert told.startswith("torch ")
    assert told.endswith("→ 0.1")


def test_what_determinism_itself_sets_is_no_difference(lab, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    folder = lab(**{"trainer.max_epochs": 1, "trainer.strict_deterministic": True})
    write_json_atomic(folder / "environment.json", environment.lock(1))
    try:
        assert fit(folder) == 0
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    (entry,) = seen(folder)
    assert entry["deterministic"]
    assert entry["differs"] == []


@pytest.mark.parametrize("content", ["", "[]", '{"seen": 3}', '{"seen": [3, {"attempts": 1}]}'])
def test_a_damaged_record_does_no_harm(lab, content):
    folder = lab(**{"trainer.max_epochs": 1})
    (folder / "environment.trainer.json").write_text(content)
    assert fit(folder) == 0
    assert seen(folder)[-1]["threads"] == 1


def test_the_config_lies_beside_checkpoints_that_lie_elsewhere(lab, tmp_path):
    folder = lab(**{"trainer.max_epochs": 1, "trainer.ckpt_dir": str(tmp_path / "store")})
    assert fit(folder) == 0
    (beside,) = (tmp_path / "store").iterdir()
    assert (beside / "last.ckpt").exists()
    assert (beside / "config.yaml").read_bytes() == (folder / "config.yaml").read_bytes()
    plain = lab("plain", **{"trainer.max_epochs": 1})
    assert fit(plain) == 0
    assert not (plain / "checkpoints" / "config.yaml").exists()
