"""Built-in profiles in a training: what they say is what happens."""

from __future__ import annotations

import pytest
import torch
import yaml

import profiles
from trainer.config.compose import compose
from trainer.engine.fit import fit

SHORT = {"trainer.max_epochs": 2}


def callbacks(name):
    section = yaml.safe_load((profiles.FOLDER / "callbacks" / f"{name}.yaml").read_text())
    return {f"callbacks.{key}": value for key, value in section.items()}


def diary(folder, stop_after=0):
    return {
        "_target_": "enginelab.tiny.Diary",
        "path": str(folder / "diary"),
        "stop_after": stop_after,
    }


def last(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_early_stopping_stops(lab, events):
    scene = callbacks("early_stopping")
    scene["callbacks.early_stopping"] |= {"patience": 1, "min_delta": 100.0}
    folder = lab(**scene | {"trainer.max_epochs": 20})
    assert fit(folder) == 0
    assert [e["epoch"] for e in events(folder, "epoch_finished")] == [0, 1]


def test_the_learning_rate_goes_to_the_loggers(lab):
    more = {"logger.csv": {"enabled": True}, "trainer.log_every_n_steps": 1}
    folder = lab(**callbacks("lr_monitor") | SHORT | more)
    assert fit(folder) == 0
    (table,) = (folder / "logs").rglob("metrics.csv")
    assert "lr-AdamW" in table.read_text().splitlines()[0]


def test_without_a_logger_it_says_so_in_a_sentence(lab, capsys):
    assert fit(lab(**callbacks("lr_monitor") | SHORT)) == 2
    told = capsys.readouterr().err
    assert "LearningRateMonitor" in told
    assert "Traceback" not in told


def test_the_model_is_summed_up(lab, capsys):
    assert fit(lab(**callbacks("model_summary") | SHORT)) == 0
    assert "layers" in capsys.readouterr().out


def test_averaged_weights_are_kept_and_training_goes_on_without_them(lab):
    average = {"callbacks.ema": callbacks("ema")["callbacks.ema"] | {"decay": 0.9}}

    def run(name, stops, **scene):
        folder = lab(name)
        for stop in stops:
            more = {"callbacks.diary": diary(folder, stop), "run.resume": "auto"}
            assert fit(lab(name, **scene | more)) == 0
        return folder

    plain = run("plain", [0])
    whole = run("whole", [0], **average)
    parts = run("parts", [7, 0], **average)

    assert (plain / "diary").read_text() == (whole / "diary").read_text()
    assert (parts / "diary").read_text() == (whole / "diary").read_text()
    for name, weight in last(whole)["state_dict"].items():
        assert torch.equal(weight, last(parts)["state_dict"][name])
    name = "model.layers.0.weight"
    assert torch.equal(last(whole)["current_model_state"][name], last(plain)["state_dict"][name])
    assert not torch.equal(last(whole)["state_dict"][name], last(plain)["state_dict"][name])


def test_the_ablation_trains_as_an_ordinary_run(lab):
    composed = compose(["trainer=ablation", "callbacks=none", "logger=none"])
    assert composed.config["ablation"]["parallel_runs"] == 1
    assert len(composed.config["ablation"]["sweep"]) == 6
    section = composed.config["trainer"]
    assert section["max_epochs"] == 30
    folder = lab(
        # What is best is told by the data, here others.
        trainer=section | {"max_epochs": 1, "monitor": "val/loss", "monitor_mode": "min"},
        ablation=composed.config["ablation"],
        dataloader=composed.config["dataloader"],
    )
    assert fit(folder) == 0
    # 44 samples are one batch of 64.
    assert last(folder)["global_step"] == 1


def test_barebones_trains_and_writes_no_checkpoint(lab, events):
    folder = lab(**SHORT | {"trainer.barebones": True, "trainer.num_sanity_val_steps": None})
    assert fit(folder) == 0
    (end,) = events(folder, "run_finished")
    assert (end["status"], events(folder, "checkpoint")) == ("completed", [])
    assert len([e for e in events(folder, "metrics") if "train/loss" in e["metrics"]]) == 22


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainer.barebones": True, "trainer.profiler": "simple"}, "profiler"),
        ({"trainer.overfit_batches": 2, "trainer.limit_val_batches": 2.5}, "limit_val_batches"),
    ],
)
def test_what_lightning_refuses_is_told_in_a_sentence(lab, capsys, changes, said):
    assert fit(lab(**changes)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_a_device_that_is_not_there_is_told_with_a_way_out(lab, events, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for number, accelerator in enumerate(("gpu", "cuda", "mps")):
        folder = lab(f"run{number}", **{"trainer.accelerator": accelerator})
        assert fit(folder) == 2
        told = capsys.readouterr().err
        assert f"'trainer.accelerator' is {accelerator}, and torch finds no such device" in told
        assert "hardware=cpu" in told
        assert "Traceback" not in told


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"patience": 1, "min_delta": 100.0}, "val/loss did not improve in the last 1 records"),
        ({"stopping_threshold": 1e9}, "early stopping: stopping threshold reached: val/loss ="),
        ({"divergence_threshold": -1e9}, "early stopping: divergence threshold reached:"),
    ],
)
def test_the_reason_says_what_early_stopping_saw(lab, events, written, said):
    folder = lab(**{"trainer.early_stopping": written, "trainer.max_epochs": 20})
    assert fit(folder) == 0
    (end,) = events(folder, "run_finished")
    assert end["status"] == "completed"
    assert said in end["reason"]
    assert end["reason"].startswith("early stopping: ")
