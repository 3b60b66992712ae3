"""Real trainings that fall ill: alerts, stops, the good checkpoint kept, the person's command."""

from __future__ import annotations

import json

import torch

from trainer.engine.fit import fit
from trainer.runs.status import State, read_status

SICK = {
    "trainer.max_epochs": 8,
    "trainer.save_every_n_steps": 4,
    "loss": {"_target_": "enginelab.sick.BreaksAt", "step": 19},
}


def alerts(events, folder, state="begins"):
    return [e for e in events(folder, "alert") if e.get("state") == state]


def reason(folder):
    return events_end(folder)["reason"]


def events_end(folder):
    lines = (folder / "logs" / "events.jsonl").read_text().splitlines()
    return json.loads(lines[-1])


def test_a_healthy_run_raises_nothing(lab, events):
    folder = lab()
    assert fit(folder) == 0
    assert events(folder, "alert") == []
    assert events_end(folder)["reason"] == "max_epochs reached"


def test_a_loss_that_is_nan_is_told_and_the_good_checkpoint_stays(lab, events):
    folder = lab(**SICK)
    assert fit(folder) == 0
    (alert,) = alerts(events, folder)
    assert (alert["level"], alert["kind"], alert["step"]) == ("error", "non_finite_loss", 19)
    assert alert["value"] == "NaN"
    assert "learning rate" in alert["advice"]
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 16
    assert all(bool(torch.isfinite(v).all()) for v in last["state_dict"].values())
    told = [e["message"] for e in events(folder, "log") if "no checkpoint at step" in e["message"]]
    assert told[0].startswith("no checkpoint at step 20: its weights are no finite numbers (")
    assert events_end(folder)["reason"].endswith("; train/loss is NaN since step 19")


def test_a_good_state_that_a_full_disk_refused_is_still_tried_after_a_spoilt_one(
    lab, events, monkeypatch
):
    real, saves = torch.save, []

    def save(*arguments):
        saves.append(arguments)
        if len(saves) == 4:  # of step 16; the next one would hold NaN
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(torch, "save", save)
    more = {"trainer.save_top_k": 0, "trainer.save_every_n_epochs": None}
    folder = lab(**SICK, **more)
    assert fit(folder) == 0
    kinds = [alert["kind"] for alert in alerts(events, folder)]
    assert kinds == ["non_finite_loss"]
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 16
    assert all(bool(torch.isfinite(v).all()) for v in last["state_dict"].values())


def test_stop_ends_it_as_failed_with_the_good_checkpoint(lab, events):
    folder = lab(**SICK, **{"health.on_alert": "stop"})
    assert fit(folder) == 1
    end = events_end(folder)
    assert (end["status"], end["exit_code"]) == ("failed", 1)
    assert end["reason"] == "train/loss is NaN at step 19"
    assert read_status(folder).state is State.FAILED
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 16
