"""An interrupted and resumed run equals an uninterrupted one, bit for bit."""

from __future__ import annotations

import pytest
import torch
import yaml

from trainer.engine.fit import fit

MIXED = {"type": "MixupDataLoader", "batch_size": 4, "mixup_alpha": 0.4, "mixup_prob": 0.8}

# 44 samples in batches of 4: 11 batches an epoch; an accumulation window of 3 is cut at its end.
SCENES = {
    "plain": {},
    "accumulation": {"trainer.accumulate_grad_batches": 3},
    "validation in the middle": {"trainer.val_check_interval": 4},
    "validation in a window": {
        "trainer.val_check_interval": 4,
        "trainer.accumulate_grad_batches": 3,
    },
    "cosine by steps after warmup": {
        "scheduler": {
            "type": "CosineAnnealingLR",
            "config": {"T_max": 30},
            "warmup": {"steps": 5, "interval": "step"},
        },
    },
    "plateau by epochs": {
        # At the end of epoch 3 it asks for what epoch 2 has measured.
        "scheduler": {
            "type": "ReduceLROnPlateau",
            "frequency": 3,
            "config": {"patience": 0, "factor": 0.5, "threshold": 0.9},
        },
        "trainer.check_val_every_n_epoch": 2,
        "trainer.max_epochs": 6,
    },
    "plateau by steps": {
        "scheduler": {
            "type": "ReduceLROnPlateau",
            "interval": "step",
            "frequency": 4,
            "monitor": "val/loss",
            "config": {"patience": 0},
        },
        "trainer.val_check_interval": 4,
    },
    "by steps, over epochs": {
        "trainer.max_epochs": -1,
        "trainer.max_steps": 28,
        "trainer.check_val_every_n_epoch": None,
        "trainer.val_check_interval": 5,
    },
    "early stopping, clipped": {
        "trainer.early_stopping": {"patience": 1, "monitor": "train/loss_epoch"}
        | {"check_on_train_epoch_end": True},
        "trainer.monitor": "train/loss_epoch",
        "trainer.gradient_clip_val": 0.1,
        "trainer.max_epochs": 4,
    },
    "no validation": {"data": {"_target_": "enginelab.tiny.Data", "val_count": 0}},
    "inverse decay": {"scheduler": {"type": "InverseLR", "config": {"inv_gamma": 5.0}}},
    "sgd": {"optimizer": {"type": "SGD", "config": {"lr": 0.01, "momentum": 0.9}}},
    "muon": {"optimizer": {"type": "Muon", "config": {"lr": 0.01}}},
    "limited": {"trainer.limit_train_batches": 7, "trainer.val_check_interval": 3},
    "a loader of its own": {"data": {"_target_": "enginelab.tiny.Module", "kind": "weighted"}},
    "a stream": {"data": {"_target_": "enginelab.tiny.Module", "kind": "iterable"}},
    "a stateful loader": {"data": {"_target_": "enginelab.tiny.Module", "kind": "stateful"}},
    "a stateful stream": {
        "data": {"_target_": "enginelab.tiny.Module", "kind": "stateful stream"},
    },
    "a data module": {"data": {"_target_": "enginelab.tiny.Module", "kind": "stock"}},
    "mixed": {"dataloader": MIXED},
    "mixed and quantised": {
        "data": {"_target_": "enginelab.loaders.Signals"},
        "model": {"_target_": "enginelab.loaders.Classifier", "tokens": 32},
        "loss": {"_target_": "enginelab.loaders.CrossEntropy"},
        "dataloader": MIXED | {"num_classes": 3, "quantize": True, "mu": 31, "max_val": 3.0},
    },
    "a stream, mixed": {
        "data": {"_target_": "enginelab.tiny.Module", "kind": "iterable"},
        "dataloader": MIXED,
    },
    "a stateful loader, mixed": {
        "data": {"_target_": "enginelab.tiny.Module", "kind": "stateful"},
        "dataloader": MIXED,
    },
}


def diary(folder, **more):
    return {"_target_": "enginelab.tiny.Diary", "path": str(folder / "diary")} | more


def run_through(lab, name, scene, stops=()):
    """Train with the given stops, each a (batch, how); give the folder."""
    folder = lab(name)
    for stop_after, how in (*stops, (0, "request")):
        told = diary(folder, stop_after=stop_after, how=how)
        resume = "never" if not (folder / "checkpoints").exists() else "auto"
        lab(name, **scene, **{"callbacks.diary": told, "run.resume": resume})
        assert fit(folder) == 0
    return folder


def same(one, other, path=""):
    """Tell where two nested states differ; an empty list if nowhere."""
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [path]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{path}: {one.keys() ^ other.keys()}"]
        return [d for k in one for d in same(one[k], other[k], f"{path}.{k}")]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f"{path}: length"]
        return [
            d
            for i, (a, b) in enumerate(zip(one, other, strict=True))
            for d in same(a, b, f"{path}.{i}")
        ]
    return [] if one == other or (one != one and other != other) else [f"{path}: {one} {other}"]


def assert_equal_runs(whole, parts):
    assert (whole / "diary").read_text().splitlines() == (parts / "diary").read_text().splitlines()
    one, other = (
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (whole, parts)
    )
    for state in (one, other):
        # Where files lie and which metrics a folder holds is no part of the training.
        state["callbacks"] = {
            k: v for k, v in state["callbacks"].items() if "Saver" not in k and "Deck" not in k
        }
    assert same(one, other) == []


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("stop", [4, 11, 16])
def test_a_resumed_run_is_the_same(lab, scene, stop):
    whole = run_through(lab, "whole", SCENES[scene])
    parts = run_through(lab, "parts", SCENES[scene], [(stop, "request")])

    assert_equal_runs(whole, parts)


def test_a_metric_measured_before_the_checkpoint_is_still_known(lab):
    scene = SCENES["plateau by epochs"]
    whole = run_through(lab, "whole", scene)
    parts = run_through(lab, "parts", scene, [(25, "request")])

    assert_equal_runs(whole, parts)


@pytest.mark.parametrize("kind", ["stock", "weighted", "iterable"])
def test_workers_of_ones_own_loader_begin_anew_and_give_the_same(lab, kind):
    data = {"_target_": "enginelab.tiny.Module", "kind": kind, "workers": 2}
    scene = {"data": data, "trainer.max_epochs": 2}
    whole = run_through(lab, "whole", scene)
    parts = run_through(lab, "parts", scene, [(6, "request")])

    assert_equal_runs(whole, parts)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_fetch_ahead_do_not_move_the_position(lab, workers):
    scene = {"dataloader.num_workers": workers, "trainer.max_epochs": 2}
    whole = run_through(lab, "whole", {"trainer.max_epochs": 2})
    parts = run_through(lab, "parts", scene, [(3, "request"), (14, "request")])

    assert_equal_runs(whole, parts)


def test_mixing_depends_neither_on_workers_nor_on_interruptions(lab):
    scene = SCENES["mixed and quantised"] | {"trainer.max_epochs": 2}
    whole = run_through(lab, "whole", scene)
    stops = [(3, "request"), (14, "SIGTERM")]
    parts = run_through(lab, "parts", scene | {"dataloader.num_workers": 2}, stops)

    assert_equal_runs(whole, parts)
    plain = run_through(lab, "plain", scene | {"dataloader.mixup_alpha": 0.0})
    assert (plain / "diary").read_text() != (whole / "diary").read_text()


def test_many_interruptions_add_up_to_nothing(lab):
    scene = SCENES["validation in a window"]
    whole = run_through(lab, "whole", scene)
    stops = [(2, "SIGTERM"), (7, "SIGUSR1"), (8, "request"), (20, "epoch"), (25, "request")]
    parts = run_through(lab, "parts", scene, stops)

    assert_equal_runs(whole, parts)


@pytest.mark.parametrize("stop", [4, 11])
def test_a_stop_inside_a_validation_repeats_it(lab, events, stop):
    scene = {"trainer.val_check_interval": 4} if stop == 4 else {}
    scene |= {"trainer.early_stopping": 5}
    whole = run_through(lab, "whole", scene)
    parts = run_through(lab, "parts", scene, [(stop, "validation")])

    assert_equal_runs(whole, parts)


def test_more_steps_later_are_the_same_as_at_once(lab):
    scene = {"trainer.max_epochs": -1}
    whole = run_through(lab, "whole", scene | {"trainer.max_steps": 26})
    parts = run_through(lab, "parts", scene | {"trainer.max_steps": 15})
    config = yaml.safe_load((parts / "config.yaml").read_text())
    config["trainer"]["max_steps"] = 26
    config["run"]["resume"] = "auto"
    (parts / "config.yaml").write_text(yaml.safe_dump(config))
    assert fit(parts) == 0

    assert_equal_runs(whole, parts)


@pytest.mark.parametrize("scene", ["plain", "validation in the middle", "validation in a window"])
@pytest.mark.parametrize(
    ("stop", "how"), [(4, "request"), (9, "request"), (11, "request"), (12, "validation")]
)
def test_metrics_of_before_are_not_told_again(lab, events, scene, stop, how):
    def told(folder):
        return [
            (event["step"], name, value)
            for event in events(folder, "metrics")
            for name, value in event["metrics"].items()
            # grad_clip_pct and the like are of a step; these are of a validation or an epoch.
            if name.startswith("val/") or name.endswith("_epoch")
        ]

    whole = run_through(lab, "whole", SCENES[scene])
    parts = run_through(lab, "parts", SCENES[scene], [(stop, how)])

    assert any(name == "val/loss" for _, name, _ in told(whole))
    assert told(parts) == told(whole)


def test_a_validation_before_going_on_tells_nothing_of_before(lab, events):
    scene = {"trainer.validate_before_resume": True}
    folder = run_through(lab, "run", scene, [(14, "request")])

    found = [(e["step"], n) for e in events(folder, "metrics") for n in e["metrics"]]
    assert [step for step, name in found if name == "val/loss"] == [11, 14, 22, 33]
    assert [step for step, name in found if name == "train/loss_epoch"] == [11, 22, 33]
