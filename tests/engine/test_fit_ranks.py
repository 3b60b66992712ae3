"""Two processes on the CPU: the first alone writes, and a stop is resumed exactly."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch
import yaml

TWO = {
    "trainer.devices": 2,
    "trainer.strategy": "ddp",
    "trainer.max_epochs": 2,
    "trainer.val_check_interval": 3,
    "data": {"_target_": "enginelab.tiny.Data", "count": 45, "val_count": 13},
}


def train(folder, tmp_path):
    return subprocess.run(
        [sys.executable, "-m", "trainer.engine", str(folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["request", "SIGTERM"])
def test_two_ranks_train_stop_and_resume_as_one(lab, events, tmp_path, how):
    def prepare(name, resume, **told):
        folder = lab(name)
        told |= {"_target_": "enginelab.tiny.Diary", "path": str(folder / "diary")}
        lab(name, **TWO, **{"callbacks.diary": told, "run.resume": resume})
        return folder

    whole = prepare("whole", "never")
    done = train(whole, tmp_path)
    assert done.returncode == 0, done.stderr
    parts = prepare("parts", "never", stop_after=8, how=how)
    done = train(parts, tmp_path)
    assert done.returncode == 0, done.stderr
    prepare("parts", "auto")
    done = train(parts, tmp_path)
    assert done.returncode == 0, done.stderr

    # 45 samples, padded to 23 a rank: 6 batches of 4 an epoch.
    diary = (whole / "diary").read_text().splitlines()
    assert [line.split()[0] for line in diary] == [str(n) for n in range(1, 13)]
    assert (parts / "diary").read_text().splitlines() == diary
    one, other = (
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (whole, parts)
    )
    assert all(torch.equal(one["state_dict"][k], other["state_dict"][k]) for k in one["state_dict"])
    assert len(one["traindeck"]["ranks"]) == 2
    for folder, ends in ((whole, ["completed"]), (parts, ["stopped", "completed"])):
        assert [e["status"] for e in events(folder, "run_finished")] == ends
        assert len({e["pid"] for e in events(folder, "run_started")}) == len(ends)
        steps = [e["step"] for e in events(folder, "metrics") if "train/loss" in e["metrics"]]
        assert steps == list(range(1, 13))
        batches = [e["batch"] for e in events(folder, "run_started")]
        assert [(b["per_device"], b["devices"], b["effective"]) for b in batches] == [
            (4, 2, 8) for _ in ends
        ]
    assert yaml.safe_load((parts / "status.trainer.json").read_text())["state"] == "completed"


def test_ranks_share_an_epoch_evenly():
    from trainer.engine.sampler import ResumableBatches

    def batches(rank, **more):
        settings = {"shuffle": True, "seed": 3, "rank": rank, "world_size": 3} | more
        return list(ResumableBatches(32, 4, **settings))

    shares = [batches(rank) for rank in range(3)]

    assert {len(share) for share in shares} == {3}
    assert [[len(b) for b in share] for share in shares] == [[4, 4, 3]] * 3
    seen = [i for share in shares for batch in share for i in batch]
    assert len(seen) == 33
    assert set(seen) == set(range(32))


@pytest.mark.parametrize(("size", "ranks"), [(13, 2), (8, 3), (33, 4), (1, 2), (9, 8)])
def test_evaluation_repeats_nothing_where_it_can(size, ranks):
    from trainer.engine.sampler import ResumableBatches

    shares = [
        list(ResumableBatches(size, 4, shuffle=False, rank=rank, world_size=ranks, even=False))
        for rank in range(ranks)
    ]

    assert len({len(share) for share in shares}) == 1
    seen = sorted(i for share in shares for batch in share for i in batch)
    assert set(seen) == set(range(size))
    assert all(0 < len(batch) <= 4 for share in shares for batch in share)
    if size >= ranks * len(shares[0]):
        assert seen == list(range(size))


@pytest.mark.parametrize("start", [0, 1, 5, 11])
def test_a_position_is_where_the_epoch_would_be(start):
    from trainer.engine.sampler import ResumableBatches

    whole, part = (ResumableBatches(44, 4, shuffle=True, seed=5) for _ in range(2))
    for sampler, position in ((whole, 0), (part, start)):
        sampler.seek(3, position)

    assert list(whole)[start:] == list(part)
    assert len(part) == 11
    part.set_epoch(4)
    assert len(list(part)) == 11


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code", "said"),
    [("memory", 4, r"CUDA out of memory.* \(rank 1\)"), ("SIGKILL", 1, "another rank ended")],
)
def test_what_ends_one_rank_ends_the_run_and_is_told(lab, events, tmp_path, how, code, said):
    trouble = {"_target_": "enginelab.trouble.Trouble", "how": how, "rank": 1}
    folder = lab("run", **TWO, **{"callbacks.trouble": trouble})

    done = train(folder, tmp_path)

    assert done.returncode == code, done.stderr
    (end,) = events(folder, "run_finished")
    assert end["status"] == ("out_of_memory" if code == 4 else "failed")
    assert re.search(said, end["reason"]), end["reason"]
    assert "sync_dist" not in done.stderr
    status = yaml.safe_load((folder / "status.trainer.json").read_text())
    assert status["state"] == end["status"]
