"""Each detector on numbers made for it: it begins, it is told once, it is over, it goes on resumed."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config.schema_health import KINDS, Health
from trainer.health import ADVICE, HealthWatch
from trainer.health.stall import StallClock


def noisy(level, seed=0, share=0.05):
    rng = random.Random(seed)
    return lambda step: level(step) * (1 + rng.gauss(0, share))


def around(level, share=0.05):
    return noisy(lambda _: level, share=share)


def falling(step):
    return 0.2 + 2.3 * math.exp(-step / 60)


class Run:
    """A stream of rows, one a second, for a watch."""

    def __init__(self, clip=None, **settings):
        self.settings, self.clip = Health(**settings), clip
        self.watch = HealthWatch(self.settings, clip)
        self.step, self.alerts, self.pace = 0, [], 1.0

    def feed(self, count, **metrics):
        for _ in range(count):
            self.step += 1
            row = {
                name.replace("__", "/"): value(self.step) if callable(value) else value
                for name, value in metrics.items()
            }
            self.alerts += self.watch.feed([(self.pace * self.step, self.step, 0, row)])
        return self

    def val(self, *values):
        for value in values:
            self.alerts += self.watch.feed(
                [(self.pace * self.step, self.step, 0, {"val/loss": value})]
            )
            self.feed(10, train__loss=self.last)
        return self

    def resume(self):
        """Go on in another process, from a checkpoint."""
        state = json.loads(json.dumps(self.watch.state()))
        self.watch = HealthWatch(self.settings, self.clip)
        self.watch.load(state)
        return self

    @property
    def told(self):
        return [(a.kind, a.evidence["state"]) for a in self.alerts]


def nan_loss(run):
    run.feed(50, train__loss=noisy(falling)).feed(5, train__loss=math.nan)


def nan_loss_over(run):
    run.feed(30, train__loss=0.3)


def diverged(run):
    run.feed(300, train__loss=noisy(falling)).feed(60, train__loss=noisy(lambda _: 1.5))


def diverged_over(run):
    run.feed(60, train__loss=noisy(falling))


def blown_up(run):
    run.feed(100, train__loss=lambda step: 2.3 if step == 1 else noisy(lambda _: 80.0, step)(step))


def exploded(run):
    run.feed(100, grad_norm=noisy(lambda _: 1.0)).feed(60, grad_norm=noisy(lambda _: 40.0))


def exploded_over(run):
    run.feed(40, grad_norm=noisy(lambda _: 1.0))


def vanished(run):
    run.feed(40, train__loss=2.3, grad_norm=1.0).feed(260, train__loss=2.3, grad_norm=1e-9)


def vanished_over(run):
    run.feed(20, train__loss=2.3, grad_norm=1.0)


def weak_layers(run):
    run.feed(30, train__loss=2.3).feed(9, train__loss=2.3, grad_norm_ratio=1e-9)


def weak_layers_over(run):
    run.feed(1, train__loss=2.3, grad_norm_ratio=1e-2)


def no_rate(run):
    run.feed(150, train__loss=noisy(lambda _: 2.3), lr=0.0)


def stuck(run):
    run.feed(1600, train__loss=noisy(lambda _: 2.3))


def stuck_over(run):
    run.feed(300, train__loss=noisy(lambda step: 2.3 - (step - 1600) / 300))


def clipped(run):
    run.feed(550, grad_norm=noisy(lambda _: 30.0))


def clipped_over(run):
    run.feed(20, grad_norm=noisy(lambda _: 3.0))


def far_validation(run):
    run.feed(200, train__loss=noisy(falling))
    run.last = 0.3
    run.val(2.0, 2.1, 2.0, 2.2)


def far_validation_over(run):
    run.val(0.4)


def overfitted(run):
    run.feed(200, train__loss=noisy(falling))
    run.last = 0.19
    run.val(0.5).feed(100, train__loss=0.1)
    run.last = 0.1
    run.val(1.2, 1.21, 1.22, 1.22)


def overfitted_over(run):
    run.val(0.5)


def waited(run):
    run.feed(80, perf__data_wait_sec=0.3, perf__batch_time_sec=0.1)


def waited_over(run):
    run.feed(200, perf__data_wait_sec=0.01, perf__batch_time_sec=0.1)


def nan_gradients(run):
    run.feed(30, train__loss=1.0, grad_norm=1.0).feed(25, train__loss=1.0, grad_norm=math.inf)


def nan_gradients_over(run):
    run.feed(1, train__loss=1.0, grad_norm=1.0)


CASES = [
    ("non_finite_loss", "error", nan_loss, nan_loss_over),
    ("non_finite_gradients", "error", nan_gradients, nan_gradients_over),
    ("divergence", "error", diverged, diverged_over),
    ("divergence", "error", blown_up, None),
    ("exploding_gradients", "error", exploded, exploded_over),
    ("vanishing_gradients", "warning", vanished, vanished_over),
    ("vanishing_gradients", "warning", weak_layers, weak_layers_over),
    ("plateau", "warning", no_rate, None),
    ("plateau", "warning", stuck, stuck_over),
    ("heavy_clipping", "info", clipped, clipped_over),
    ("validation_gap", "warning", far_validation, far_validation_over),
    ("overfitting", "warning", overfitted, overfitted_over),
    ("loader_bound", "warning", waited, waited_over),
]


@pytest.mark.parametrize(("kind", "level", "fall_ill", "recover"), CASES)
def test_it_is_told_once_with_evidence_and_advice_and_once_when_it_is_over(
    kind, level, fall_ill, recover
):
    run = Run(clip=1.0)
    fall_ill(run)
    assert run.told == [(kind, "begins")]
    (alert,) = run.alerts
    assert alert.level == level
    assert alert.advice == ADVICE[kind]
    assert alert.message.endswith(".")
    assert 0 < alert.step <= run.step
    assert {"since_step", "state"} < set(alert.evidence)
    assert level == "info" or kind.replace("_", " ") in run.watch.word() or "NaN" in alert.message
    if recover is not None:
        recover(run)
        assert run.told == [(kind, "begins"), (kind, "over")]
        assert (run.alerts[-1].level, run.alerts[-1].advice) == ("info", "")
        assert run.watch.word() == ""


@pytest.mark.parametrize(("kind", "level", "fall_ill", "recover"), CASES)
def test_a_resumed_run_does_not_say_it_again_and_says_when_it_is_over(
    kind, level, fall_ill, recover
):
    if kind == "loader_bound":
        pytest.skip("times are a process's own")
    run = Run(clip=1.0)
    fall_ill(run)
    if recover is None:
        return
    recover(run.resume())
    assert run.told == [(kind, "begins"), (kind, "over")]


@pytest.mark.parametrize(("kind", "level", "fall_ill", "recover"), CASES)
def test_off_is_off(kind, level, fall_ill, recover):
    run = Run(clip=1.0, per_kind={kind: "off"})
    fall_ill(run)
    assert run.told == []
    assert run.watch.word() == ""


@pytest.mark.parametrize("resumes", [(), (7, 123, 200, 399)])
def test_nothing_is_told_of_a_healthy_run_resumed_or_not(resumes):
    run = Run(clip=1.0)
    loss, norm = noisy(falling, share=0.2), noisy(lambda step: 3 * math.exp(-step / 100), share=0.3)
    for step in range(500):
        run.feed(1, train__loss=loss, grad_norm=norm, lr=1e-3, perf__data_wait_sec=0.001,
                 perf__batch_time_sec=0.1)  # fmt: skip
        if step in resumes:
            run.resume()
        if step % 50 == 49:
            run.last = loss(run.step)
            run.val(falling(step) * 1.2)
    assert run.told == []


def test_what_goes_on_for_long_is_told_again():
    run = Run(repeat_after=100.0)
    run.feed(50, train__loss=1.0).feed(399, train__loss=math.nan)
    assert run.told == [("non_finite_loss", s) for s in ("begins", "goes on", "goes on")]
    assert run.alerts[-1].evidence["since_step"] == 51


def test_thresholds_are_the_settings():
    run = Run(divergence_rise=5.0)
    diverged(run)
    assert run.told == []
    run = Run(non_finite_steps=3)
    run.feed(30, train__loss=1.0).feed(2, train__loss=math.inf).feed(30, train__loss=1.0)
    assert run.told == []
    run.feed(3, train__loss=math.inf)
    assert run.told == [("non_finite_loss", "begins")]
    assert run.alerts[0].message == "train/loss is infinite for 3 steps."


def test_a_loss_that_jumps_at_once_and_hovers_above_its_start_is_divergence():
    # Never good, so that it has not risen above any best value; and not three times the first.
    run = Run()
    run.feed(1, train__loss=1.8)
    run.feed(99, train__loss=around(4.0))
    assert run.told == []
    run.feed(30, train__loss=around(4.0))
    assert run.told == [("divergence", "begins")]
    assert run.alerts[0].level == "error"
    assert run.alerts[0].evidence["first"] == 1.8
    assert "above its first value, 1.8, for 100 steps" in run.alerts[0].message
    run.feed(60, train__loss=around(1.0))
    assert run.told[-1] == ("divergence", "over")


def test_a_loss_that_jumps_and_only_comes_back_to_its_start_is_a_warning():
    run = Run()
    run.feed(1, train__loss=1.7)
    run.feed(30, train__loss=around(2.9))
    run.feed(165, train__loss=around(1.68, share=0.01))
    assert run.told == []
    run.feed(30, train__loss=around(1.68, share=0.01))
    assert run.told == [("divergence", "begins")]
    assert run.alerts[0].level == "warning"
    assert "it has come no lower than 1.6" in run.alerts[0].message


@pytest.mark.parametrize(
    "later",
    [
        [(30, 2.9), (300, 1.2)],  # a jump that it recovers from
        [(300, 1.69)],  # a slow beginning without any jump
        [(60, 4.0), (300, 1.5)],  # above its start, but not for long
    ],
)
def test_a_start_that_comes_round_or_is_only_slow_is_no_divergence(later):
    run = Run()
    run.feed(1, train__loss=1.7)
    for steps, level in later:
        run.feed(steps, train__loss=around(level, share=0.02))
    assert run.told == []


def test_one_lucky_first_loss_among_widely_scattered_ones_is_no_start_to_judge_by():
    run = Run()
    run.feed(1, train__loss=0.5)
    run.feed(400, train__loss=around(1.0, share=0.4))
    assert run.told == []


def test_a_learning_rate_that_rises_may_undo_some_of_the_gain():
    for rate, told in ((1e-3, True), (1e-2, False)):
        run = Run().feed(300, train__loss=noisy(falling), lr=1e-3)
        run.feed(60, train__loss=noisy(lambda _: 1.2), lr=rate)
        assert bool(run.told) is told


def test_the_state_of_a_watch_is_plain_and_small():
    run = Run(clip=1.0)
    run.feed(3000, train__loss=noisy(falling), grad_norm=noisy(lambda _: 1.0), lr=0.1)
    assert len(json.dumps(run.watch.state())) < 12_000


numbers = st.floats() | st.sampled_from([0.0, -1.0, 1e308, -1e308, 5e-324, math.nan])
rows = st.lists(
    st.dictionaries(
        st.sampled_from(["train/loss", "val/loss", "grad_norm", "grad_norm_ratio", "lr",
                         "perf/data_wait_sec", "perf/batch_time_sec", "other"]),
        numbers,
    ),
    max_size=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 30), st.booleans())
def test_no_numbers_whatever_make_it_raise(rows, times, resume):
    watch = HealthWatch(Health(clipping_steps=20, vanishing_steps=20, plateau_steps=100), 1.0)
    for row in rows:
        for step in range(times):
            for alert in watch.feed([(float(step), step, 0, row)]):
                assert alert.kind in KINDS
                assert alert.message
    if resume:
        other = HealthWatch(Health(), None)
        other.load(json.loads(json.dumps(watch.state())))
        other.load({})
    watch.word()


# ---- the clock -----------------------------------------------------------------------------------


class Clock:
    def __init__(self, **settings):
        self.clock = StallClock(Health(**settings))
        self.now = self.sign = 0.0
        self.step = 0
        self.told = []

    def train(self, seconds, pace=1.0):
        for _ in range(int(seconds)):
            self.now += 1.0
            if self.now - self.sign >= pace:
                self.sign, self.step = self.now, self.step + 1
            self._look()
        return self

    def idle(self, seconds):
        for _ in range(int(seconds)):
            self.now += 1.0
            self._look()
        return self

    def _look(self):
        self.told += self.clock.look(self.now, self.sign, self.step, "training")

    @property
    def sick(self):
        return any(finding.sick for finding in self.told)


def test_a_step_that_stands_still_is_a_stall_and_is_over_when_it_goes_on():
    clock = Clock().train(100).idle(110)
    assert not clock.sick
    clock.idle(20)
    assert clock.sick
    assert clock.told[0].evidence["threshold"] == 120.0
    assert clock.told[0].message.startswith("No sign of life for 1")
    clock.train(5)
    assert not clock.told[-1].sick


def test_the_first_steps_may_take_long_and_slow_steps_have_their_own_measure():
    assert not Clock().idle(890).sick
    assert Clock().idle(910).sick
    slow = Clock().train(900, pace=30)
    assert not slow.idle(590).sick
    assert slow.idle(40).sick


def test_a_pause_that_has_been_there_before_is_none():
    clock = Clock().train(100).idle(100).train(100).idle(250)
    assert not clock.sick


def test_a_process_that_was_stopped_has_not_stalled():
    clock = Clock().train(100)
    clock.now += 7200.0
    assert not clock.idle(1).sick


def test_there_is_advice_for_each_kind_and_it_is_the_documents():
    assert set(ADVICE) == set(KINDS)
    for word in ("conservative learning rate", "normalisation", "complex", "gradient clipping"):
        assert word in ADVICE["divergence"]
    for word in ("batch size", "gradient accumulation", "chunk", "max_sequence_length",
                 "max_lora_rank", "hardware profile"):  # fmt: skip
        assert word in ADVICE["out_of_memory"]
    for word in ("STFT", "model.autoencoder.pre_transform"):
        assert word in ADVICE["validation_gap"]


def test_the_page_has_the_advice_and_each_threshold():
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text(encoding="utf-8")
    for kind, advice in ADVICE.items():
        assert f"| `{kind}` | {advice} |" in page
    for name in Health.model_fields:
        assert f"`{name}`" in page or f"`health.{name}`" in page or name in ("enabled",), name
