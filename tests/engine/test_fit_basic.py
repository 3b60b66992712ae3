"""One training from its folder to its end."""

from __future__ import annotations

import json

from trainer.engine.fit import fit


def test_a_folder_with_a_config_trains_to_its_end(lab, events):
    run = lab()

    assert fit(run) == 0

    (finished,) = events(run, "run_finished")
    assert (finished["status"], finished["exit_code"]) == ("completed", 0)
    assert finished["reason"] == "max_epochs reached"
    assert json.loads((run / "status.trainer.json").read_text())["state"] == "completed"
    names = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert "last-epoch00003.ckpt" in names
    assert (run / "checkpoints" / "last.ckpt").resolve().name == "last-epoch00003.ckpt"
    assert {"best.ckpt", "last.ckpt"} <= set(names)
    assert len(names) == 4
