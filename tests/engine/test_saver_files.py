"""Checkpoint files are whole at every instant."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter, OrderedDict
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from trainer.engine.files import CheckpointWriter, Job
from trainer.engine.snapshot import take, to_host


def load(path):
    return torch.load(path, weights_only=True)


def whole(folder):
    """Load everything a person could find; hidden names are nobody's."""
    return {p.name: load(p)["n"] for p in folder.glob("*.ckpt")}


def last(number, before=()):
    name = f"last-epoch{number:05d}.ckpt"
    return Job((name,), {"last.ckpt": name}, tuple(before), {})


def test_the_link_moves_and_the_old_file_goes(tmp_path):
    reports = []
    writer = CheckpointWriter(tmp_path / "deep" / "er", lambda *r: reports.append(r))

    writer.write({"n": 1}, last(1))
    writer.write({"n": 2}, last(2, ["last-epoch00001.ckpt"]))
    writer.join()

    assert whole(writer.folder) == {"last-epoch00002.ckpt": 2, "last.ckpt": 2}
    assert str((writer.folder / "last.ckpt").readlink()) == "last-epoch00002.ckpt"
    assert [(size > 0, error) for _, size, error in reports] == [(True, None)] * 2


def test_one_snapshot_may_have_several_names(tmp_path):
    writer = CheckpointWriter(tmp_path, lambda *_: None)
    links = {"best.ckpt": "best-epoch00001.ckpt", "last.ckpt": "last-epoch00001.ckpt"}

    writer.write({"n": 1}, Job(tuple(links.values()), links), background=False)

    assert set(whole(tmp_path).values()) == {1}
    one, other = (tmp_path / name for name in links.values())
    assert one.samefile(other)


def test_where_links_do_not_exist_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    writer = CheckpointWriter(tmp_path, lambda *_: None)
    links = {"best.ckpt": "best-epoch00001.ckpt", "last.ckpt": "last-epoch00001.ckpt"}

    writer.write({"n": 1}, Job(tuple(links.values()), links), background=False)

    assert len(whole(tmp_path)) == 4
    assert not any(p.is_symlink() for p in tmp_path.iterdir())


@pytest.mark.parametrize("where", ["file", "fsync"])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, monkeypatch, where):
    reports = []
    writer = CheckpointWriter(tmp_path, lambda *r: reports.append(r))
    writer.write({"n": 1}, last(1), background=False)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if where == "fsync" else (torch, "save")), full)
    writer.write({"n": 2}, last(2, ["last-epoch00001.ckpt"]))
    writer.join()

    assert whole(tmp_path) == {"last-epoch00001.ckpt": 1, "last.ckpt": 1}
    assert not list(tmp_path.glob(".*"))
    _, size, error = reports[-1]
    assert size == 0
    assert error.errno == errno.ENOSPC


def test_a_file_that_may_not_grow_is_a_failure_that_training_survives(tmp_path):
    """The kernel itself refuses in the middle of a file, as a full disk does."""
    program = textwrap.dedent(
        f"""
        import pathlib, resource, signal, torch
        from trainer.engine.files import CheckpointWriter, Job
        folder = pathlib.Path({str(tmp_path)!r})
        job = lambda n: Job((f"last-epoch0000{{n}}.ckpt",), {{"last.ckpt": f"last-epoch0000{{n}}.ckpt"}})
        said = []
        writer = CheckpointWriter(folder, lambda job, size, error: said.append(error))
        writer.write({{"n": 1}}, job(1), background=False)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        writer.write({{"n": 2, "w": torch.zeros(1_000_000)}}, job(2))
        writer.join()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert said[1] is not None, said
        assert not list(folder.glob(".*"))
        writer.write({{"n": 3}}, job(3))
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)

    assert whole(tmp_path)["last.ckpt"] == 3
    assert "last-epoch00002.ckpt" not in whole(tmp_path)


def test_the_process_waits_for_a_checkpoint_under_way(tmp_path):
    program = textwrap.dedent(
        f"""
        import pathlib, time, torch
        from trainer.engine.files import CheckpointWriter, Job
        save = torch.save
        def slow(*a):
            time.sleep(0.5)
            save(*a)
        torch.save = slow
        writer = CheckpointWriter(pathlib.Path({str(tmp_path)!r}), lambda *_: None)
        writer.write({{"n": 1}}, Job(("last-epoch00001.ckpt",), {{}}))
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)

    assert whole(tmp_path) == {"last-epoch00001.ckpt": 1}


def test_writing_does_not_hold_up_the_caller(tmp_path, monkeypatch):
    go = threading.Event()
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda *a: (go.wait(60), save(*a)))
    writer = CheckpointWriter(tmp_path, lambda *_: None)

    writer.write({"n": 1}, last(1))
    assert whole(tmp_path) == {}
    go.set()
    writer.join()

    assert whole(tmp_path) == {"last-epoch00001.ckpt": 1, "last.ckpt": 1}


class Colour(Enum):
    RED = "red"


class Words(str):
    __slots__ = ()


def test_a_snapshot_is_plain_and_stands_still(tmp_path):
    live = torch.arange(6.0).reshape(2, 3)
    tied = live
    state = {
        "w": live,
        "tied": tied,
        "view": live[0],
        "turned": live.T,
        "parameter": torch.nn.Parameter(live.clone()),
        "ordered": OrderedDict(a=live),
        "counter": Counter({3: 2}),
        "tuple": (1, 2.5, None, True, b"x"),
        "numpy": np.float32(1.5),
        "array": np.arange(3),
        "enum": Colour.RED,
        "words": Words("text"),
        "path": tmp_path,
        "dtype": torch.float16,
        "object": SimpleNamespace(),
        "deep": [{"function": len}],
    }

    snapshot = take(state)
    copy, dropped = snapshot.data, snapshot.dropped
    live.add_(100)
    torch.save(copy, tmp_path / "x.ckpt")
    back = load(tmp_path / "x.ckpt")

    assert torch.equal(back["w"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(back["turned"], back["w"].T)
    assert torch.equal(back["view"], back["w"][0])
    assert back["w"].data_ptr() == back["tied"].data_ptr()
    assert back["counter"] == Counter({3: 2})
    assert back["tuple"] == (1, 2.5, None, True, b"x")
    assert (back["numpy"], back["enum"], back["words"]) == (1.5, "red", "text")
    assert back["array"].tolist() == [0, 1, 2]
    assert back["dtype"] is torch.float16
    assert back["path"] == str(tmp_path)
    assert dropped == ["object (SimpleNamespace)", "deep.0.function (builtin_function_or_method)"]


def test_a_small_view_does_not_drag_its_storage_along(tmp_path):
    big = torch.zeros(1_000_000)

    torch.save(to_host({"part": big[:2]}), tmp_path / "x.ckpt")

    assert (tmp_path / "x.ckpt").stat().st_size < 10_000


@pytest.mark.slow
def test_killed_at_any_moment_every_checkpoint_loads(lab):
    """Kill -9 at random moments of a training that saves after each step; resume each time."""
    more = {"trainer.save_every_n_steps": 1, "trainer.max_epochs": 10_000, "run.resume": "auto"}
    command = [sys.executable, "-m", "enginelab.crashes", str(lab(**more))]

    done = subprocess.run(command, check=True, timeout=300, stdout=subprocess.PIPE, text=True)

    assert int(done.stdout.split()[-1]) > 0
