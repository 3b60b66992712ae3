"""The `limits` section: what the engine itself receives of it."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from trainer.engine.callbacks import limits as limits_module
from trainer.engine.callbacks.limits import EpochMustFit, GpuMemoryCap, limits_of
from trainer.engine.fit import fit
from trainer.engine.requests import Requests, Stop
from trainer.engine.session import NoEvents, Session
from trainer.runs.beat import TrainerBeat


def trainer_on(device: str, **more):
    return SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device)), **more)


@pytest.fixture
def caps(monkeypatch):
    """Stand in for two GPUs of 8 and 16 GiB, and note what torch is told."""
    told = []
    sizes = {0: 8, 1: 16}
    monkeypatch.setattr(
        torch.cuda,
        "get_device_properties",
        lambda device: SimpleNamespace(total_memory=sizes[device.index] * 2**30),
    )
    monkeypatch.setattr(
        torch.cuda,
        "set_per_process_memory_fraction",
        lambda share, device: told.append((str(device), share)),
    )
    return told


@pytest.mark.proves("limits.gpu_memory_gb")
def test_torch_receives_the_share_of_each_process_s_gpu(caps):
    cap = GpuMemoryCap(4.0)
    for device in ("cuda:0", "cuda:1", "cpu"):  # each rank has a process and a GPU of its own
        cap.setup(trainer_on(device), None, "fit")
    assert caps == [("cuda:0", 0.5), ("cuda:1", 0.25)]


def test_a_cap_larger_than_the_gpu_is_the_whole_gpu(caps):
    GpuMemoryCap(100.0).setup(trainer_on("cuda:0"), None, "fit")
    assert caps == [("cuda:0", 1.0)]


def session_of(tmp_path, **section):
    written = {"wall_clock": None, "grace": 60.0, "gpu_memory_gb": None, "epoch_must_fit": False}
    config = {"limits": written | section, "trainer": {"check_val_every_n_epoch": 3}}
    beat = SimpleNamespace(began=time.monotonic() - 10.0)
    return Session(folder=tmp_path, config=config, events=NoEvents(), beat=beat)


def test_only_what_is_asked_for_is_in_the_loop(tmp_path):
    assert limits_of(session_of(tmp_path)) == []
    assert limits_of(session_of(tmp_path, wall_clock=100.0)) == []
    assert limits_of(session_of(tmp_path, epoch_must_fit=True)) == []
    (cap,) = limits_of(session_of(tmp_path, gpu_memory_gb=2.0))
    assert isinstance(cap, GpuMemoryCap)
    (fits,) = limits_of(session_of(tmp_path, wall_clock=300.0, epoch_must_fit=True))
    assert isinstance(fits, EpochMustFit)
    # 10 seconds of this attempt are over, and 60 are for the stop itself.
    assert fits._left() == pytest.approx(230, abs=5)
    assert fits._took.maxlen == 3, "an epoch with validation is among those that count"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_more_than_the_cap_is_out_of_memory(lab, events):
    run = lab(
        **{
            "limits.gpu_memory_gb": 0.05,
            "trainer.accelerator": "cuda",
            "model": {"_target_": "enginelab.tiny.Net", "width": 50_000_000},
        }
    )
    try:
        assert fit(run) == 4
        finished = events(run, "run_finished")[-1]
        assert finished["status"] == "out_of_memory"
        assert any(event["advice"] for event in events(run, "alert"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


# ── time for another epoch ───────────────────────────────────────────────────────────────────


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(limits_module, "time", made)
    return made


def loop(*, mid_epoch=False, first=True):
    trainer = SimpleNamespace(
        fit_loop=SimpleNamespace(restarted_mid_epoch=mid_epoch), is_global_zero=first
    )
    trainer.traindeck_requests = Requests()
    return trainer


def asked(fits, clock, trainer, seconds, *, over=False):
    clock.now += seconds
    fits.between_epochs(trainer, over=over)
    return trainer.traindeck_requests.stop_asked


def test_an_epoch_begins_as_long_as_it_fits(clock):
    end = clock.now + 100
    fits, trainer = EpochMustFit(lambda: end - clock.now), loop()
    fits.on_train_start(trainer, None)
    assert asked(fits, clock, trainer, 30) is None  # 70 left
    assert asked(fits, clock, trainer, 20) is None  # 50 left, the longest is 30
    assert asked(fits, clock, trainer, 20) is None  # 30 left, the longest of the last two is 20
    stop = asked(fits, clock, trainer, 21)  # 9 left
    assert stop == Stop(
        "epoch",
        "timeout: the next epoch would take 0:21, as the last ones did, and 0:09 are left "
        "of the wall clock",
    )
    assert stop.for_time.startswith("the next epoch would take 0:21")


def test_what_is_no_measure_does_not_count(clock):
    fits = EpochMustFit(lambda: 10.0)
    resumed = loop(mid_epoch=True)
    fits.on_train_start(resumed, None)
    assert asked(fits, clock, resumed, 50) is None, "the rest of an epoch is no epoch"
    assert asked(fits, clock, resumed, 50, over=True) is None, "no other epoch follows"
    other = loop(first=False)
    assert asked(fits, clock, other, 50) is None, "rank 0 decides"
    assert asked(fits, clock, resumed, 50) is not None


def test_earlier_attempts_measured_for_later_ones(clock):
    old = EpochMustFit(lambda: 1000.0)
    trainer = loop()
    old.on_train_start(trainer, None)
    asked(old, clock, trainer, 50)
    new, trainer = EpochMustFit(lambda: 40.0), loop(mid_epoch=True)
    new.load_state_dict(old.state_dict())
    new.on_train_start(trainer, None)
    assert asked(new, clock, trainer, 1) is not None


@pytest.mark.proves("limits.epoch_must_fit", "limits.wall_clock", "limits.grace")
def test_a_run_stops_in_front_of_an_epoch_that_does_not_fit_and_goes_on_later(
    lab, events, monkeypatch
):
    more = {"limits.wall_clock": 3600, "limits.grace": 60, "run.resume": "auto"}
    run = lab(**more)
    # As if the attempt had begun so long ago that no time is left.
    began = TrainerBeat.__init__

    def long_ago(beat, *args, **keywords):
        began(beat, *args, **keywords)
        beat.began = time.monotonic() - 3540

    with monkeypatch.context() as patch:
        patch.setattr(TrainerBeat, "__init__", long_ago)
        lab(**more, **{"limits.epoch_must_fit": True})
        assert fit(run) == 3
    finished = events(run, "run_finished")[-1]
    assert finished["status"] == "timeout"
    assert "the next epoch would take 0:0" in finished["reason"]
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert (state["epoch"], state["global_step"]) == (1, 11)
    assert "EpochMustFit" in str(list(state["callbacks"]))

    lab(**more, **{"limits.epoch_must_fit": True})
    assert fit(run) == 0
    assert events(run, "run_finished")[-1]["reason"] == "max_epochs reached"
    steps = [e["step"] for e in events(run, "metrics") if "train/loss" in e["metrics"]]
    assert max(steps) == 33


@pytest.mark.proves("limits.memory_gb")
def test_a_stop_for_memory_has_a_checkpoint_and_says_what_it_was(lab, events):
    run = lab()
    diary = {"_target_": "enginelab.tiny.Diary", "path": str(run / "diary"), "stop_after": 5}
    lab(**{"callbacks.diary": diary | {"how": "memory limit"}})
    assert fit(run) == 4
    finished = events(run, "run_finished")[-1]
    assert (finished["status"], finished["reason"]) == ("out_of_memory", "memory limit reached")
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 5


@pytest.mark.slow
def test_all_ranks_stop_in_front_of_the_same_epoch(lab, events, tmp_path):
    run = lab(
        **{
            "trainer.devices": 2,
            "trainer.strategy": "ddp",
            "trainer.max_epochs": 50,
            # The imports alone take longer.
            "limits": {"wall_clock": 0.2, "grace": 0.1, "epoch_must_fit": True},
        }
    )
    done = subprocess.run(
        [sys.executable, "-m", "trainer.engine", str(run)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert events(run, "run_finished")[-1]["status"] == "timeout"
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["epoch"] == 1
    assert len(state["traindeck"]["ranks"]) == 2
