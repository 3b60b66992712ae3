"""A disk that is full: in the middle of training, and at its end."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from trainer.engine import archive, files
from trainer.engine.files import CheckpointWriter, Job
from trainer.engine.fit import fit
from trainer.engine.keep import SavePlan
from trainer.engine.ranks import Ranks
from trainer.engine.saver import Saver
from trainer.engine.session import Session

FULL = "No space left on device"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    monkeypatch.setattr(archive, "LAST_PATIENCE", (0.0, 0.0))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 KB, full but for what a test frees."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"mount is not there: {error}")
    if done.returncode:
        pytest.skip(f"mount is refused: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def refuse_from(monkeypatch, first, until=10_000):
    """Let the disk be full from the given write of a checkpoint on."""
    real, calls = files._Noting.write, [0]
    save = torch.save

    def counting(*arguments):
        calls[0] += 1
        return save(*arguments)

    def write(self, data):
        if first <= calls[0] < until:
            self._file = FullFile()
        return real(self, data)

    monkeypatch.setattr(torch, "save", counting)
    monkeypatch.setattr(files._Noting, "write", write)


class FullFile:
    def write(self, data):
        raise OSError(errno.ENOSPC, FULL)


def test_the_real_cause_is_named_and_not_what_torch_makes_of_it(tmp_path, monkeypatch):
    said = []
    writer = CheckpointWriter(tmp_path, lambda job, size, error: said.append(error))
    refuse_from(monkeypatch, 1, 2)
    job = Job(("last-epoch00001.ckpt",), {"last.ckpt": "last-epoch00001.ckpt"})

    writer.write({"w": torch.zeros(1000)}, job)
    writer.join()

    assert (type(said[0]), said[0].errno) == (OSError, errno.ENOSPC)
    assert not list(tmp_path.iterdir())
    (tmp_path / ".last.ckpt.1.tmp").write_text("left by a killed one")
    assert writer.retry()
    assert said[1] is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last-epoch00001.ckpt", "last.ckpt"]


def test_training_whose_last_checkpoint_is_lost_has_failed(lab, events, monkeypatch):
    refuse_from(monkeypatch, 3)
    run = lab(**{"trainer.save_top_k": 0})

    assert fit(run) == 1

    end = events(run, "run_finished")[-1]
    why = f"training completed, but its last checkpoint could not be written: {FULL}"
    assert (end["status"], end["reason"]) == ("failed", why)
    last = run / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 22
    assert len(events(run, "alert")) == 1
    assert not list((run / "checkpoints").glob(".*"))


def test_the_last_checkpoint_is_tried_again(lab, events, monkeypatch):
    refuse_from(monkeypatch, 3, 4)
    run = lab()

    assert fit(run) == 0

    assert events(run, "run_finished")[-1]["status"] == "completed"
    names = {p.name for p in (run / "checkpoints").iterdir() if p.name.startswith("last")}
    assert names == {"last.ckpt", "last-epoch00003.ckpt"}
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 33


def test_a_stop_whose_checkpoint_is_lost_says_so(lab, events, monkeypatch):
    refuse_from(monkeypatch, 1)
    run = lab()
    told = {"_target_": "enginelab.tiny.Diary", "path": str(run / "diary"), "stop_after": 5}
    lab(**{"callbacks.diary": told})

    assert fit(run) == 0

    end = events(run, "run_finished")[-1]
    assert end["status"] == "stopped"
    assert FULL in end["reason"]


def test_a_disk_that_is_really_full(lab, events, small_disk: Path):
    run = lab(
        **{
            "trainer.ckpt_dir": str(small_disk),
            "trainer.save_every_n_epochs": 1,
            "trainer.save_top_k": 0,
            "trainer.max_epochs": 1,
            "run.resume": "auto",
        }
    )
    assert fit(run) == 0
    place = small_disk / "run"
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    left = small_disk / "somebody_elses"
    with pytest.raises(OSError, match=FULL):
        left.write_bytes(bytes(400_000))
    lab(**{"trainer.ckpt_dir": str(small_disk), "trainer.max_epochs": 3, "run.resume": "auto",
           "trainer.save_top_k": 0})  # fmt: skip

    assert fit(run) == 1

    assert {p.name: p.read_bytes() for p in place.iterdir()} == before
    assert torch.load(place / "last.ckpt", weights_only=True)["global_step"] == 11
    assert max(e["step"] for e in events(run, "metrics")) == 33
    assert FULL in events(run, "run_finished")[-1]["reason"]

    left.unlink()
    assert fit(run) == 0
    assert torch.load(place / "last.ckpt", weights_only=True)["global_step"] == 33


class Rank(Ranks):
    """One of two processes that ask in turns, the first before the other."""

    size = 2

    def __init__(self, number, said):
        self.number, self.said = number, said

    def agree(self, values):
        if self.number == 0:
            self.said.append(values)
        return self.said[-1]


@pytest.mark.parametrize("lost", [True, False])
def test_ranks_agree_on_the_best_after_a_write_that_only_the_first_knows_of(
    tmp_path, monkeypatch, lost
):
    """All of them gather the state for a save: one that thought otherwise would wait forever."""
    told = SimpleNamespace(alert=lambda *_, **__: None, emit=lambda *_, **__: None)
    told.flush = lambda: None
    said, savers = [], []
    for number in range(2):
        session = Session(tmp_path, {"trainer": {}}, told, rank=number)
        saver = Saver(session, SavePlan(tmp_path / "checkpoints"), data=None)
        saver._ranks = Rank(number, said)
        monkeypatch.setattr(saver, "_epoch_number", lambda: 2)
        savers.append(saver)
    facts = {"step": 1, "epoch": 1, "reason": ""}
    jobs = [s._archive.job(epoch=1, best=1.0, last=False, facts=facts) for s in savers]
    if lost:
        refuse_from(monkeypatch, 1, 2)
    savers[0]._archive.write({"w": torch.zeros(1)}, jobs[0], 0.0)  # the other one writes nothing
    savers[0]._archive.join()
    assert [len(saver._archive.kept.best) for saver in savers] == [0 if lost else 1, 1]

    chosen = []
    for saver in savers:
        saver._candidate = 2.0
        chosen.append(saver._take_best(agreed=True))

    assert chosen == ([2.0, 2.0] if lost else [None, None])
