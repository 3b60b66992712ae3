"""`trainer.tune_batch_size`: what is found, what it reaches, and that nothing of the search is left."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch

from trainer.engine import batch_size, rng
from trainer.engine.fit import fit, open_session
from trainer.engine.requests import Requests
from trainer.runs import control
from trainer.runs.layout import RunFolder

# The model gives out beyond this many samples, as a full GPU does.
ROOM = {"model": {"_target_": "enginelab.rooms.Room", "samples": 11}}
TUNED = {"trainer.tune_batch_size": True, "dataloader.batch_size": 3}


def diary(folder):
    return {"_target_": "enginelab.tiny.Diary", "path": str(folder / "diary")}


def run(lab, name="run", **changes):
    folder = lab(name)
    code = fit(lab(name, **changes | {"callbacks.diary": diary(folder)}))
    return folder, code


def told(events, folder):
    return [e["message"] for e in events(folder, "log") if e["message"].startswith("batch size")]


def last(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.mark.proves("trainer.tune_batch_size", "hardware.max_batch_size")
@pytest.mark.parametrize(
    ("changes", "found", "why"),
    [
        (ROOM, 8, "16 does not fit into memory"),
        (ROOM | {"hardware.max_batch_size": 7}, 7, "the limit of hardware.max_batch_size"),
        (ROOM | {"hardware.max_batch_size": 1}, 1, "the limit of hardware.max_batch_size"),
        ({}, 44, "the training data has 44 samples"),
        ({"model": {"_target_": "enginelab.rooms.Room", "samples": 1}}, 1, "2 does not fit"),
    ],
    ids=["memory", "cap", "cap of one", "data", "one"],
)
def test_the_largest_size_that_fits_is_found_and_used(lab, events, changes, found, why):
    folder, code = run(lab, **changes | TUNED | {"trainer.max_epochs": 1})

    assert code == 0
    (line,) = told(events, folder)
    assert line.startswith(f"batch size {found}: ")
    assert why in line
    assert len((folder / "diary").read_text().splitlines()) == -(-44 // found)
    assert last(folder)["traindeck"]["geometry"]["batch_size"] == found


def test_a_search_leaves_no_trace_in_what_follows(lab):
    short = {"trainer.max_epochs": 2}
    tuned, _ = run(lab, "tuned", **ROOM | TUNED | short)
    plain, _ = run(lab, "plain", **ROOM | {"dataloader.batch_size": 8} | short)

    assert (tuned / "diary").read_text() == (plain / "diary").read_text()
    one, other = last(tuned), last(plain)
    for name, weight in one["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name])
    states = [each["traindeck"]["ranks"][0]["random_state"]["torch"] for each in (one, other)]
    assert torch.equal(*states)
    assert [p.name for p in sorted(tuned.iterdir())] == [p.name for p in sorted(plain.iterdir())]


def test_an_unseeded_process_draws_as_if_nothing_had_been_searched(lab):
    folder = lab(**ROOM | TUNED | {"seed": None})
    requests = Requests()
    session, beat = open_session(RunFolder(folder), requests)
    before = rng.capture()
    assert batch_size.settle(session, {}) == 8
    after = rng.capture()
    beat.end("stopped", "", 0)
    session.events.close()
    assert torch.equal(before["torch"], after["torch"])
    assert torch.equal(before["python"]["words"], after["python"]["words"])
    assert torch.equal(before["numpy"]["key"], after["numpy"]["key"])
    assert before["numpy"]["pos"] == after["numpy"]["pos"]


def test_only_the_training_itself_is_told(lab, events):
    folder, _ = run(lab, **ROOM | TUNED | {"trainer.max_epochs": 1})

    assert len(events(folder, "run_started")) == 1
    steps = [e["step"] for e in events(folder, "metrics") if "train/loss" in e["metrics"]]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_resumed_run_keeps_the_size_and_searches_no_more(lab, events, monkeypatch):
    scene = ROOM | TUNED
    whole, _ = run(lab, "whole", **scene)
    parts = lab("parts")
    stopping = diary(parts) | {"stop_after": 9}
    assert fit(lab("parts", **scene | {"callbacks.diary": stopping})) == 0
    monkeypatch.setattr(batch_size.Search, "run", lambda self: pytest.fail("searched again"))
    run(lab, "parts", **scene | {"run.resume": "auto"})

    assert told(events, parts)[1] == "batch size 8: found when this training began"
    assert (parts / "diary").read_text() == (whole / "diary").read_text()


def test_a_smaller_cap_on_resuming_holds(lab, events):
    run(lab, **ROOM | TUNED | {"trainer.max_epochs": 1})
    more = {"run.resume": "auto", "trainer.max_epochs": 2, "hardware.max_batch_size": 5}
    folder, code = run(lab, **ROOM | TUNED | more)

    assert code == 0
    assert told(events, folder)[1].startswith("batch size 5: 8 was found")
    # What was found is what later checkpoints keep.
    assert last(folder)["EngineData"]["carried"] == {"batch_size": 5}


def test_a_size_that_is_written_counts_once_the_search_is_off(lab, events):
    run(lab, **ROOM | TUNED | {"trainer.max_epochs": 1})
    folder, code = run(
        lab, **ROOM | {"run.resume": "auto", "trainer.max_epochs": 2, "dataloader.batch_size": 4}
    )

    assert code == 0
    assert last(folder)["traindeck"]["geometry"]["batch_size"] == 4


def test_no_size_at_all_ends_as_out_of_memory(lab):
    _, code = run(lab, **TUNED | {"model": {"_target_": "enginelab.rooms.Room", "samples": 0}})

    assert code == 4


def test_an_error_that_is_not_about_memory_is_told_as_what_it_is(lab, capsys):
    folder = lab()
    model = {"_target_": "enginelab.rooms.Room", "samples": -1}
    assert fit(lab(**TUNED | {"model": model})) == 1
    assert "there is no room" in capsys.readouterr().err
    assert not (folder / "checkpoints").exists() or not any((folder / "checkpoints").iterdir())


def test_a_data_module_takes_the_size_by_its_attribute(lab, events):
    data = {"_target_": "enginelab.rooms.Sized"}
    folder, code = run(lab, **ROOM | TUNED | {"data": data, "trainer.max_epochs": 1})

    assert code == 0
    assert told(events, folder) == ["batch size 8: 16 does not fit into memory"]
    assert last(folder)["traindeck"]["geometry"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"_target_": "enginelab.tiny.Module"}, "has no `batch_size` that could be set"),
        ({"_target_": "enginelab.rooms.Sized", "deaf": True}, "batches of 4, not of its"),
    ],
)
def test_loaders_that_take_no_size_are_refused(lab, capsys, data, said):
    assert fit(lab(**TUNED | {"data": data})) == 2
    assert said in capsys.readouterr().err


def test_several_devices_are_refused(lab, capsys):
    assert fit(lab(**TUNED | {"trainer.devices": 2, "trainer.strategy": "ddp"})) == 2
    assert "on one device only" in capsys.readouterr().err


def test_a_run_for_finding_mistakes_searches_nothing(lab, events):
    folder, code = run(lab, **ROOM | TUNED | {"trainer.fast_dev_run": 2})

    assert code == 0
    assert told(events, folder) == []
    assert len((folder / "diary").read_text().splitlines()) == 2


def test_on_a_cpu_memory_is_not_filled_to_the_brim(lab, events, monkeypatch):
    now = [1 << 30]

    def peak():
        now[0] += 100 << 20
        return now[0]

    monkeypatch.setattr(batch_size, "_peak_memory", peak)
    folder, _ = run(lab, **TUNED | {"limits.memory_gb": 1.9, "trainer.max_epochs": 1})

    (line,) = told(events, folder)
    assert "would need more than 1.7 GB of memory" in line


def test_a_stop_during_the_search_ends_it(lab, events):
    folder = lab(**TUNED)
    control.request(RunFolder(folder), "stop", reason="changed my mind")
    assert fit(folder) == 0
    (end,) = events(folder, "run_finished")
    assert (end["status"], events(folder, "run_started")) == ("stopped", [])
    assert end["reason"].startswith("changed my mind")


def test_a_cap_on_the_gpus_memory_holds_in_the_trials_too(lab, monkeypatch):
    caps = []

    class Cap(pl.Callback):
        def __init__(self, gib):
            caps.append(gib)

    monkeypatch.setattr(batch_size, "GpuMemoryCap", Cap)
    more = {"limits.gpu_memory_gb": 3.0, "hardware.max_batch_size": 4}
    assert fit(lab(**TUNED | more | {"trainer.max_epochs": 1})) == 0
    assert caps == [3.0, 3.0]
