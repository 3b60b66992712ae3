"""Which checkpoints are written and which are kept."""

from __future__ import annotations

import errno
import json
import math

import pytest
import torch

from trainer.engine.fit import fit


def names(run):
    return sorted(p.name for p in (run / "checkpoints").iterdir() if not p.is_symlink())


def scored(*scores):
    """Let the validation after epoch n give the n-th value."""
    return {
        "loss": {"_target_": "enginelab.tiny.Scored", "scores": list(scores)},
        "callbacks": {"tell": {"_target_": "enginelab.tiny.TellEpoch"}},
        "trainer.monitor": "val/score",
    }


@pytest.mark.proves("trainer.save_top_k", "trainer.monitor", "trainer.monitor_mode")
@pytest.mark.parametrize(
    ("mode", "top_k", "kept", "best"),
    [
        ("min", 1, [4], 4),
        ("min", 2, [2, 4], 4),
        ("max", 1, [3], 3),
        ("max", 2, [1, 3], 3),
        ("min", 0, [], None),
        ("min", -1, [1, 2, 3, 4], 4),
    ],
)
def test_the_best_by_the_monitor_are_kept(lab, mode, top_k, kept, best):
    run = lab(
        **{
            "trainer.max_epochs": 5,
            "trainer.monitor_mode": mode,
            "trainer.save_top_k": top_k,
        },
        **scored(2.0, 1.5, 3.0, 1.0, math.nan),
    )

    assert fit(run) == 0

    found = [name for name in names(run) if name.startswith("best")]
    assert found == [f"best-epoch{n:05d}.ckpt" for n in kept]
    link = run / "checkpoints" / "best.ckpt"
    assert (link.resolve().name if link.exists() else None) == (
        best and f"best-epoch{best:05d}.ckpt"
    )


def test_an_epoch_that_is_neither_best_nor_due_writes_nothing(lab, events):
    run = lab(
        **{"trainer.max_epochs": 4, "trainer.save_every_n_epochs": 4},
        **scored(0.0, 1.0, -1.0, 2.0),
    )

    assert fit(run) == 0

    saved = [(e["kind"], e["epoch"]) for e in events(run, "checkpoint")]
    assert saved == [("best", 1), ("best", 3), ("last", 4)]
    assert events(run, "alert") == []


def test_the_best_survive_a_resume(lab):
    more = {"trainer.save_top_k": 2, "run.resume": "auto"} | scored(1.0, 3.0, 2.0, 0.5)
    run = lab(**more, **{"trainer.max_epochs": 2})
    assert fit(run) == 0
    lab(**more, **{"trainer.max_epochs": 4})
    assert fit(run) == 0

    assert names(run) == [
        "best-epoch00001.ckpt",
        "best-epoch00004.ckpt",
        "last-epoch00004.ckpt",
    ]


@pytest.mark.proves("trainer.save_every_n_epochs", "trainer.save_every_n_steps")
def test_epochs_and_steps_set_the_pace_of_the_last(lab, events):
    run = lab(
        **{
            "trainer.save_every_n_epochs": 2,
            "trainer.save_every_n_steps": 10,
            "trainer.save_top_k": 0,
        }
    )
    assert fit(run) == 0

    assert [e["step"] for e in events(run, "checkpoint")] == [10, 20, 22, 30, 33]


@pytest.mark.proves("trainer.checkpoint_cadence_epochs")
def test_the_cadence_of_document_003_goes_before(lab, events):
    more = {"trainer.checkpoint_cadence_epochs": 3, "trainer.save_every_n_epochs": 1}
    run = lab(**more, **{"trainer.save_top_k": 0})
    assert fit(run) == 0

    assert [e["epoch"] for e in events(run, "checkpoint")] == [3]


@pytest.mark.proves("trainer.ckpt_dir")
def test_checkpoints_may_lie_elsewhere_and_leave_strangers_alone(lab, tmp_path, events):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "last-epoch00001.ckpt.mine").write_text("not yours")
    (elsewhere / ".last.ckpt.1.tmp").write_text("another run is writing this")
    run = lab(**{"trainer.ckpt_dir": str(elsewhere), "trainer.max_epochs": 1})

    assert fit(run) == 0

    assert (elsewhere / "run" / "last.ckpt").exists()
    assert (elsewhere / ".last.ckpt.1.tmp").exists()
    assert not (run / "checkpoints").exists()
    assert events(run, "checkpoint")[0]["path"].startswith(str(elsewhere))


def test_runs_that_share_a_folder_keep_their_own_checkpoints(lab, tmp_path):
    shared = {"trainer.ckpt_dir": str(tmp_path / "shared"), "trainer.save_top_k": 0}
    more = {**shared, "run.resume": "auto"}
    for name in ("first", "second"):
        assert fit(lab(name, **more, **{"trainer.max_epochs": 1})) == 0
    first, second = (tmp_path / "shared" / name / "last.ckpt" for name in ("first", "second"))
    assert first.resolve().parent.name == "first"
    before = first.read_bytes()

    assert fit(lab("second", **more, **{"trainer.max_epochs": 3})) == 0

    assert first.read_bytes() == before
    assert torch.load(first, weights_only=True)["global_step"] == 11
    assert torch.load(second, weights_only=True)["global_step"] == 33


def test_the_place_that_the_launcher_wrote_down_counts(lab, tmp_path):
    run = lab(**{"trainer.ckpt_dir": "x", "trainer.max_epochs": 1})
    (run / "run.json").write_text(json.dumps({"checkpoint_dir": str(tmp_path / "told")}))
    assert fit(run) == 0
    assert (tmp_path / "told" / "last.ckpt").exists()


def test_a_full_disk_is_told_and_training_goes_on(lab, events, monkeypatch):
    save = torch.save
    calls = []

    def sometimes(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments)

    monkeypatch.setattr(torch, "save", sometimes)
    run = lab(**{"trainer.save_top_k": 0})

    assert fit(run) == 0

    (alert,) = events(run, "alert")
    assert alert["kind"] == "checkpoint_failed"
    assert "No space left" in alert["message"]
    assert names(run) == ["last-epoch00003.ckpt"]
    assert [e["epoch"] for e in events(run, "checkpoint")] == [1, 3]


def test_nothing_in_a_checkpoint_but_plain_data(lab):
    run = lab(
        **{"trainer.early_stopping": 3, "scheduler": {"type": "StepLR", "config": {"step_size": 1}}}
    )
    assert fit(run) == 0

    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)

    assert state["traindeck"]["format"] == 1
    assert any("EarlyStopping" in key for key in state["callbacks"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-500]), "is not a whole checkpoint"),
        (lambda p: p.write_bytes(b""), "is not a whole checkpoint"),
        (lambda p: p.write_text("hello"), "is not a whole checkpoint"),
        (lambda p: torch.save([1], p), "is no training checkpoint"),
        (lambda p: torch.save({"state_dict": {}}, p), "holds weights only"),
        (lambda p: torch.save({"x": print}, p), "holds more than plain data"),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused(lab, capsys, spoil, words):
    run = lab(**{"trainer.max_epochs": 1})
    assert fit(run) == 0
    spoil((run / "checkpoints" / "last.ckpt").resolve())
    before = names(run)
    lab(**{"run.resume": "auto"})

    assert fit(run) == 2

    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors
    assert names(run) == before


def test_a_checkpoint_of_another_model_is_refused(lab, capsys):
    run = lab(**{"trainer.max_epochs": 1})
    assert fit(run) == 0
    lab(**{"run.resume": "auto", "model": {"_target_": "enginelab.tiny.Net", "width": 9}})

    assert fit(run) == 2

    errors = capsys.readouterr().err
    assert "does not fit the model" in errors
    assert "model.layers.0.weight is (8, 4) there and (9, 4) here" in errors


def test_a_new_run_may_go_on_from_another_ones_checkpoint(lab, events):
    first = lab("first", **{"trainer.max_epochs": 1})
    assert fit(first) == 0
    second = lab(
        "second",
        **{
            "run.resume": str(first / "checkpoints" / "last.ckpt"),
            "trainer.max_epochs": 2,
            "dataloader.batch_size": 11,
        },
    )

    assert fit(second) == 0

    assert max(e["step"] for e in events(second, "metrics")) == 15
    assert names(second) == ["best-epoch00002.ckpt", "last-epoch00002.ckpt"]


def test_another_batch_size_goes_on_at_the_same_share_of_the_epoch(lab, events):
    first = lab("first")
    told = {"_target_": "enginelab.tiny.Diary", "path": str(first / "diary"), "stop_after": 5}
    lab("first", **{"callbacks.diary": told})
    assert fit(first) == 0
    second = lab(
        "second",
        **{
            "run.resume": str(first / "checkpoints" / "last.ckpt"),
            "trainer.max_epochs": 1,
            "dataloader.batch_size": 2,
        },
    )

    assert fit(second) == 0

    # 20 of 44 samples lie behind; 12 batches of 2 are left.
    assert max(e["step"] for e in events(second, "metrics")) == 5 + 12


@pytest.mark.proves("trainer.enable_checkpointing")
def test_no_checkpoints_when_told_so_but_for_a_stop(lab):
    run = lab(**{"trainer.enable_checkpointing": False})
    assert fit(run) == 0
    assert not (run / "checkpoints").exists()

    told = {"_target_": "enginelab.tiny.Diary", "path": str(run / "diary"), "stop_after": 5}
    lab(**{"trainer.enable_checkpointing": False, "callbacks.diary": told})
    assert fit(run) == 0
    assert names(run) == ["last-epoch00001.ckpt"]


@pytest.mark.proves("trainer.validate_before_resume")
def test_a_resume_may_validate_first_and_change_the_rate(lab, events):
    run = lab(**{"trainer.max_epochs": 1})
    assert fit(run) == 0
    more = {"trainer.validate_before_resume": True, "trainer.resume_lr": 0.5}
    lab(**more, **{"run.resume": "auto", "trainer.max_epochs": 2})
    assert fit(run) == 0

    rates = {e["step"]: e["metrics"]["lr"] for e in events(run, "metrics") if "lr" in e["metrics"]}
    assert rates[11] == pytest.approx(0.01)
    assert rates[12] == pytest.approx(0.5)
    validated = [e["step"] for e in events(run, "metrics") if "val/loss" in e["metrics"]]
    assert validated.count(11) >= 2
