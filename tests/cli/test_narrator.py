"""Plain lines: what is said, when, and that nothing in a stream can reach the terminal raw."""

from __future__ import annotations

import math

from trainer.commands.narrator import Narrator, value_of


def metrics(step: int, ts: float, epoch: int = 0, **values: object) -> dict[str, object]:
    named = {name.replace("__", "/"): value for name, value in values.items()}
    return {"v": 1, "ts": ts, "event": "metrics", "step": step, "epoch": epoch, "metrics": named}


def started(total: int, ts: float = 0.0) -> dict[str, object]:
    return {"v": 1, "ts": ts, "event": "run_started", "host": "h", "pid": 1, "total_steps": total}


def told(narrator: Narrator, *events: dict[str, object]) -> list[str]:
    return [line for event in events for line in narrator.feed(event)]


def test_progress_names_step_share_loss_and_remaining_time() -> None:
    narrator = Narrator(interval=5)
    told(narrator, started(100), *[metrics(n, float(n), train__loss=2.0) for n in range(1, 51)])
    line = narrator.progress(now=100.0)
    assert line is not None
    for part in ("epoch 1", "step 50/100", "50 %", "train/loss 2", "ETA 0:50"):
        assert part in line


def test_progress_waits_for_its_interval_and_for_news() -> None:
    narrator = Narrator(interval=5)
    told(narrator, started(100), metrics(1, 1.0, train__loss=2.0))
    assert narrator.progress(now=10.0) is not None
    told(narrator, metrics(2, 2.0, train__loss=2.0))
    assert narrator.progress(now=12.0) is None, "before the interval"
    assert narrator.progress(now=15.0) is not None
    assert narrator.progress(now=30.0) is None, "nothing new"


def test_validation_is_said_at_once_and_a_step_is_not() -> None:
    narrator = Narrator(interval=5)
    assert told(narrator, metrics(1, 1.0, train__loss=2.0)) == []
    (line,) = told(narrator, metrics(1, 1.0, val__loss=1.5))
    assert "val/loss 1.5" in line


def test_parts_of_a_loss_are_left_out_of_what_validation_found() -> None:
    narrator = Narrator(interval=5)
    found = metrics(
        1, 1.0, val__loss=1.5, val__loss__fft=0.5, val__score=0.7, val__non_finite_terms=0.0
    )
    (line,) = told(narrator, found)
    assert line.endswith("validated  val/loss 1.5  val/score 0.7")
    (line,) = told(narrator, metrics(2, 2.0, val__score=0.6, val__non_finite_terms=1.0))
    assert line.endswith("val/score 0.6  val/non_finite_terms 1")
    assert narrator.highest["val/score"] == (0.7, 1)
    assert narrator.best["val/score"] == (0.6, 2)
    (line,) = told(Narrator(interval=5), metrics(1, 1.0, val__part__only=1.0))
    assert line.endswith("val/part/only 1")


def test_nan_is_said_as_nan() -> None:
    narrator = Narrator(interval=0)
    told(narrator, metrics(3, 1.0, train__loss="NaN"))
    line = narrator.progress(now=1.0)
    assert line is not None
    assert "train/loss NaN" in line


def test_remaining_time_follows_the_recent_rate_not_the_average() -> None:
    narrator = Narrator(interval=0)
    slow = [metrics(n, n * 10.0, train__loss=1.0) for n in range(1, 11)]
    fast = [metrics(10 + n, 100.0 + n * 0.5, train__loss=1.0) for n in range(1, 201)]
    told(narrator, started(1210), *slow, *fast)
    remaining = narrator.remaining()
    assert remaining is not None
    assert math.isclose(remaining, 1000 * 0.5, rel_tol=0.02)


def test_a_resume_starts_a_new_rate() -> None:
    narrator = Narrator(interval=0)
    told(narrator, started(100), *[metrics(n, float(n), train__loss=1.0) for n in range(1, 31)])
    told(narrator, started(100, ts=1000.0), metrics(21, 1001.0, train__loss=1.0))
    assert narrator.remaining() is None
    told(narrator, metrics(22, 1003.0, train__loss=1.0))
    assert narrator.remaining() == 78 * 2.0


def test_text_of_a_stream_is_shown_harmlessly() -> None:
    narrator = Narrator(interval=0)
    evil = "\x1b]52;c;aGk=\x07\x9b31mred\rover [bold]x[/bold]"
    lines = told(
        narrator,
        {"event": "log", "ts": 1.0, "level": evil, "message": evil + "\nsecond"},
        {"event": "alert", "ts": 1.0, "level": "warning", "kind": evil, "message": evil},
        {"event": "checkpoint", "ts": 1.0, "path": evil, "step": 1},
        {"event": "run_started", "ts": 1.0, "host": evil},
        metrics(1, 1.0, **{evil: 1.0, "val__" + evil: 1.0}),
    )
    progress = narrator.progress(now=1.0)
    assert progress is not None
    lines += told(narrator, {"event": "run_finished", "ts": 1.0, "status": evil, "reason": evil})
    assert narrator.progress(now=100.0) is None, "nothing goes on after the end"
    for line in [*lines, progress]:
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line), repr(line)
    assert any("[bold]x[/bold]" in line for line in lines), "markup stays text"


def test_strange_values_are_left_out_and_do_not_raise() -> None:
    assert value_of("nonsense") is None
    assert value_of(None) is None
    narrator = Narrator(interval=0)
    told(
        narrator,
        {"event": "metrics", "metrics": None, "step": "x", "ts": "y"},
        {"event": "metrics", "metrics": {"a": [1]}, "step": 1, "ts": 1e300},
        {"event": None},
        {},
    )
    assert narrator.progress(now=1.0) is not None


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    narrator = Narrator(interval=0, width=80)
    values = {
        "train__loss": 2.041,
        "val__loss": 2.186,
        "grad_norm": 0.74,
        "perf__samples_per_sec": 300.0,
    }
    told(narrator, started(30_000), *[metrics(n, n * 10.0, **values) for n in (20_000, 20_001)])
    line = narrator.progress(now=1.0)
    assert line is not None
    assert len(line) <= 80
    for part in ("step 20001/30000", "train/loss 2.041", "val/loss 2.186", "ETA "):
        assert part in line
    assert "grad_norm" not in line


def test_a_batch_of_several_devices_is_told_at_the_start() -> None:
    def said(batch: object) -> str:
        (line,) = told(Narrator(interval=5), {**started(5), "batch": batch})
        return line

    facts = {"per_device": 4, "devices": 2, "nodes": 1, "accumulate": 3, "effective": 24}
    assert said(facts).endswith("batch 4 per device x 2 devices x 3 accumulated = 24 a step")
    assert "batch" not in said({**facts, "devices": 1, "accumulate": 1})
    for odd in (None, [], {"per_device": "x"}, {"per_device": -1}, {"per_device": True}):
        assert "batch" not in said(odd)
