"""A training is killed at every point of a save; what is left is whole, and it goes on exactly."""

from __future__ import annotations

import json
import subprocess
import sys

import torch

STRANGERS = {"notes.txt": "mine", ".hidden": "mine", "last-epoch00001.ckpt.mine": "mine"}
POINTS = {
    "before the snapshot",
    "after the snapshot",
    "open .last-epoch00002.ckpt.PID.tmp",
    "half of write 1",
    "fsync",
    "os.link .best-epoch00002.ckpt.PID.tmp",
    "open .save-under-way.json",
    "os.rename .last-epoch00002.ckpt.PID.tmp",
    "os.rename .best-epoch00002.ckpt.PID.tmp",
    "os.symlink .last.ckpt.PID.tmp",
    "os.rename .last.ckpt.PID.tmp",
    "os.symlink .best.ckpt.PID.tmp",
    "os.rename .best.ckpt.PID.tmp",
    "os.remove last-epoch00001.ckpt",
    "os.remove best-epoch00001.ckpt",
    "os.remove .save-under-way.json",
    "before the event",
    "after the event",
}


def curve(events, run):
    """The loss of each step, as a reader of the run sees it: later lines replace earlier ones."""
    lines = [e for e in events(run, "metrics") if "train/loss" in e["metrics"]]
    return {e["step"]: e["metrics"]["train/loss"] for e in lines}


def same(one, other):
    """Compare nested state, tensors to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_killed_at_any_point_of_a_save(lab, events, tmp_path):
    template = lab(
        **{
            "data": {"_target_": "enginelab.tiny.Data", "count": 8, "val_count": 4},
            "loss": {"_target_": "enginelab.tiny.Scored", "scores": [3.0, 2.0]},
            "callbacks": {"tell": {"_target_": "enginelab.tiny.TellEpoch"}},
            "trainer.monitor": "val/score",
            "trainer.max_epochs": 2,
            "run.resume": "auto",
        }
    )
    (template / "checkpoints").mkdir()
    for name, text in STRANGERS.items():
        (template / "checkpoints" / name).write_text(text)
    trials = tmp_path / "trials"
    trials.mkdir()

    command = [sys.executable, "-m", "enginelab.crashes", str(template), str(trials)]
    done = subprocess.run(command, check=True, timeout=600, stdout=subprocess.PIPE, text=True)

    count = int(done.stdout.split()[-1])
    whole = trials / str(count)
    passed = (whole / "points").read_text().splitlines()
    assert set(passed) >= POINTS
    assert len(passed) == count
    names = {path.name for path in (whole / "checkpoints").iterdir()}
    assert names == {
        *("best.ckpt", "last.ckpt", "best-epoch00002.ckpt", "last-epoch00002.ckpt"),
        *STRANGERS,
    }
    expected = torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)
    for number, point in enumerate(passed):
        run = trials / str(number)
        assert (run / "points").read_text().splitlines()[-1] == point
        assert (run / "resumed").read_text() == "0", point
        found = json.loads((run / "found.json").read_text())
        assert found["last.ckpt"] in (2, 4), point
        assert found["best.ckpt"] in (2, 4), point
        assert {path.name for path in (run / "checkpoints").iterdir()} == names, point
        assert curve(events, run) == curve(events, whole), point
        state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
        for key in ("state_dict", "optimizer_states", "loops", "global_step"):
            assert same(state[key], expected[key]), (point, key)
