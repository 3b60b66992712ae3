"""One run as a screen knows it: read from real files, drawn as immutable pictures."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from tuilab import NOW, FakeClock, make_run, training, write_events

from trainer.runs.layout import write_json_atomic
from trainer.runs.status import State
from tui.sources.follow import Follower, Picture, Source
from tui.sources.picture import GONE


def follow(run) -> Follower:
    source = Source(None, run) if isinstance(run, Path) else Source.of_run(run)
    return Follower(source, FakeClock())


def pictured(follower: Follower) -> Picture:
    follower.step()
    return follower.picture


def test_a_finished_run_is_drawn_whole_and_exactly(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(200, end="completed"))
    picture = pictured(follow(run))
    assert picture.version == 1
    assert (picture.loading, picture.exact, picture.read, picture.problem) == (False, True, 1.0, "")
    assert picture.names[:2] == ("train/loss", "grad_norm")
    assert picture.latest["train/loss"][0] == 200
    assert sum(picture.envelopes["train/loss"].count) == 200
    assert sum(picture.envelopes["val/loss"].count) == 4
    assert picture.units == {"train/loss": "nats"}
    assert picture.goals == {"train/loss": "min"}
    assert (picture.step, picture.total_steps, picture.total_epochs) == (200, 200, 2)
    assert picture.finished["status"] == "completed"
    assert picture.counts == {"run_started": 1, "run_finished": 1}
    assert picture.status is not None
    assert picture.status.state is State.COMPLETED
    assert picture.identity["name"] == "quick"
    times = picture.times
    assert times is not None
    assert len(times.ts_first) == len(picture.envelopes["train/loss"])
    assert times.ts_first[0] == NOW - 3600 + 1
    assert times.epoch_last[-1] == 1.0


def test_without_news_there_is_no_new_picture(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(20))
    follower = follow(run)
    assert follower.step()
    picture = follower.picture
    assert not follower.step()
    assert follower.picture is picture


def test_what_did_not_change_is_the_same_object(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(100))
    follower = follow(run)
    first = pictured(follower)
    write_events(run, [{"event": "log", "level": "info", "message": "hello"}])
    second = pictured(follower)
    assert second is not first
    assert second.envelopes is first.envelopes
    assert second.latest is first.latest
    assert second.starts is first.starts
    assert second.logs[-1]["message"] == "hello"

    many = training(1001, start=101, begin=False)  # the last bin has room for one more step
    write_events(run, many)
    third = pictured(follower)
    write_events(
        run, [{"event": "metrics", "step": 1102, "metrics": {"train/loss": 1.0}, "ts": NOW}]
    )
    fourth = pictured(follower)
    assert fourth.envelopes["lr"] is third.envelopes["lr"]
    assert fourth.envelopes["train/loss"] is not third.envelopes["train/loss"]
    assert fourth.logs is third.logs


def test_a_metric_logged_again_with_the_same_last_value_is_drawn_anew(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    events = [{"event": "metrics", "step": s, "metrics": {"acc": 1.0}} for s in range(1, 11)]
    write_events(run, events)
    follower = follow(run)
    before = pictured(follower).envelopes["acc"]
    again = [
        {"event": "metrics", "step": s, "metrics": {"acc": 0.5 if s == 7 else 1.0}}
        for s in range(6, 11)
    ]
    write_events(run, [{"event": "run_started"}, *again])
    after = pictured(follower).envelopes["acc"]
    assert before.least == 1.0
    assert after.least == 0.5
    assert sum(after.count) == 10


def test_a_resume_goes_back_and_the_header_keeps_what_still_holds(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(120))
    follower = follow(run)
    assert pictured(follower).latest["val/loss"][0] == 100
    write_events(run, training(5, start=81, total=300))
    picture = pictured(follower)
    assert len(picture.starts) == 2
    assert picture.step == 85
    assert picture.total_steps == 300
    assert picture.latest["train/loss"][0] == 85
    assert picture.latest["val/loss"][1] == pytest.approx(picture.envelopes["val/loss"].last[49])
    assert sum(picture.envelopes["val/loss"].count) == 1
    assert len(picture.envelopes["train/loss"]) == 85


def test_values_that_are_not_finite_are_told(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    values = [1.0, "NaN", "Infinity", "-Infinity", 2.0]
    write_events(
        run,
        [{"event": "metrics", "step": i, "metrics": {"loss": v}} for i, v in enumerate(values)],
    )
    envelope = pictured(follow(run)).envelopes["loss"]
    assert (sum(envelope.nans), sum(envelope.infs), sum(envelope.minus_infs)) == (1, 1, 1)
    assert math.isnan(envelope.low[1])


def test_a_file_cut_short_and_written_anew_begins_anew(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(300))
    follower = follow(run)
    pictured(follower)
    run.events.write_text("")
    write_events(run, training(10, begin=False))
    picture = pictured(follower)
    assert sum(picture.envelopes["train/loss"].count) == 10
    assert picture.starts == ()
    assert picture.units == {}


def test_a_file_replaced_by_another_begins_anew(runs_dir: Path, tmp_path: Path) -> None:
    run = make_run(runs_dir, events=training(30))
    follower = follow(run)
    pictured(follower)
    other = tmp_path / "other.jsonl"
    write_events(other, training(7, start=1000))
    other.replace(run.events)
    picture = pictured(follower)
    assert picture.step == 1006
    assert sum(picture.envelopes["lr"].count) == 7


def test_a_file_that_comes_later_is_waited_for(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="starting")
    run.events.unlink()
    follower = follow(run)
    picture = pictured(follower)
    assert (picture.missing, picture.loading, picture.problem) == (True, False, "")
    assert picture.status is not None
    assert picture.status.state is State.STARTING
    write_events(run, training(3))
    picture = pictured(follower)
    assert not picture.missing
    assert picture.step == 3


def test_a_file_that_went_away_leaves_its_history_and_says_so(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(30))
    follower = follow(run)
    pictured(follower)
    run.events.unlink()
    picture = pictured(follower)
    assert picture.problem == "the events file is gone; this is what was read of it"
    assert sum(picture.envelopes["lr"].count) == 30


def test_what_is_no_file_is_said_and_mended(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    run.events.unlink()
    run.events.mkdir()
    follower = follow(run)
    assert pictured(follower).problem == "the events cannot be read: not a regular file"
    run.events.rmdir()
    write_events(run, training(3))
    picture = pictured(follower)
    assert (picture.problem, picture.step) == ("", 3)


def test_a_status_that_changes_makes_a_picture(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(3), state="running")
    follower = follow(run)
    first = pictured(follower)
    assert first.status is not None
    assert first.status.state is State.RUNNING
    make_run(runs_dir.parent / "other", state="failed", reason="it broke").status.replace(
        run.status
    )
    second = pictured(follower)
    assert second.status is not None
    assert second.status.state is State.FAILED
    assert second.envelopes is first.envelopes


def test_what_ended_and_is_resumed_is_noticed(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="stopped")
    follower = follow(run)
    pictured(follower)
    make_run(runs_dir.parent / "other", state="running").status.replace(run.status)
    picture = pictured(follower)
    assert picture.status is not None
    assert picture.status.state is State.RUNNING


def test_identity_is_read_again_when_it_changes_and_is_harmless(runs_dir: Path) -> None:
    run = make_run(runs_dir, name="old")
    follower = follow(run)
    assert pictured(follower).identity["name"] == "old"
    hostile = {"name": "new\x1b]52;c;AAAA\x07", "tags": ["a\x9b31m", 3]}
    write_json_atomic(run.run_json, hostile, sync=False)
    assert pictured(follower).identity == {"name": "new", "tags": ["a", 3]}


def test_a_paused_follower_reads_on_and_shows_nothing(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(10))
    follower = follow(run)
    pictured(follower)
    follower.pause(True)
    write_events(run, training(10, start=11, begin=False))
    assert not follower.step()
    assert follower.picture.step == 10
    follower.pause(False)
    assert follower.step()
    assert follower.picture.step == 20


def test_garbage_and_unknown_events_are_counted(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(5))
    with run.events.open("a") as file:
        file.write("no event\n")
    write_events(run, [{"event": "party", "ts": NOW}, {"event": "alert", "message": "hot"}])
    picture = pictured(follow(run))
    assert picture.garbage == 1
    assert [event["event"] for event in picture.others] == ["party"]
    assert picture.alerts[0]["message"] == "hot"


def test_events_alone_are_followed_without_a_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, training(5))
    picture = pictured(follow(path))
    assert picture.status is None
    assert picture.identity == {}
    assert picture.step == 5


def test_the_status_fills_in_what_events_do_not_say(runs_dir: Path) -> None:
    run = make_run(runs_dir, step=7, total_steps=50)
    picture = pictured(follow(run))
    assert (picture.step, picture.total_steps) == (7, 50)


# ── closer looks ─────────────────────────────────────────────────────────────────────────────


def test_a_closer_look_is_exact_and_the_newest_request_counts(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(5000, loss=lambda s: 99.0 if s == 2345 else 1.0))
    follower = follow(run)
    pictured(follower)
    assert follower.zoomed == {}
    follower.zoom(("lr",), 1, 50, 10)
    follower.zoom(("train/loss", "nothing"), 2300, 2400, 100)
    follower.step()
    zoom = follower.picture.zoom
    assert zoom is not None
    assert (zoom.names, zoom.start, zoom.stop) == (("train/loss", "nothing"), 2300, 2400)
    assert list(follower.zoomed) == ["train/loss"]
    found = follower.zoomed["train/loss"]
    assert (found.start, found.width, found.exact) == (2300, 1, True)
    assert found.high[45] == 99.0
    follower.zoom((), 0, 0, 0)
    follower.step()
    assert follower.picture.zoom is None


def test_a_closer_look_at_the_end_is_kept_up_to_date(runs_dir: Path) -> None:
    clock = FakeClock()
    run = make_run(runs_dir, events=training(5000))
    follower = Follower(Source.of_run(run), clock)
    follower.step()
    follower.zoom(("lr",), 4990, 5010, 100)
    follower.step()
    behind = follower.zoomed["lr"]
    assert sum(behind.count) == 11
    write_events(run, training(3, start=5001, begin=False))
    clock.move(10)
    follower.step()
    assert sum(follower.zoomed["lr"].count) == 14
    follower.zoom(("lr",), 100, 120, 100)
    follower.step()
    inside = follower.zoomed["lr"]
    write_events(run, training(3, start=5004, begin=False))
    clock.move(10)
    follower.step()
    assert follower.zoomed["lr"] is inside


def test_single_points_are_looked_up(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(5000))
    follower = follow(run)
    pictured(follower)
    follower.points(("train/loss", "nothing"), 42, 44)
    follower.step()
    points = follower.picture.points
    assert points is not None
    assert [(p.step, p.epoch) for p in points.values["train/loss"]] == [(42, 0.0), (43, 0.0)]
    assert "nothing" not in points.values


def test_a_nonsense_range_breaks_nothing(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(5000))
    follower = follow(run)
    follower.zoom(("lr",), 90, 10, 0)
    follower.points(("lr",), 90, 10)
    picture = pictured(follower)
    assert picture.problem == ""
    assert picture.points is not None
    assert picture.points.values["lr"] == ()


def test_of_very_many_points_the_last_ones_are_given(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.sources.gather.MAX_POINTS", 10)
    run = make_run(runs_dir, events=training(5000))
    follower = follow(run)
    pictured(follower)
    follower.points(("train/loss",), 0, 3001)
    points = pictured(follower).points
    assert points is not None
    assert [point.step for point in points.values["train/loss"]] == [*range(2991, 3001)]


def test_single_points_follow_a_run_that_went_back(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(5000))
    clock = FakeClock()
    follower = Follower(Source.of_run(run), clock)
    pictured(follower)
    follower.points(("train/loss",), 40, 44)
    before = pictured(follower).points
    write_events(run, training(10, start=5001, begin=False))
    clock.move(10)
    # What comes behind them does not concern them.
    assert pictured(follower).points is before
    write_events(run, training(100, start=30, loss=lambda step: -1.0))
    clock.move(10)
    points = pictured(follower).points
    assert points is not None
    assert {point.value for point in points.values["train/loss"]} == {-1.0}


@pytest.mark.parametrize("state", ["running", "completed"])
def test_a_run_whose_folder_went_is_known_still(runs_dir: Path, state: str) -> None:
    run = make_run(runs_dir, "gone", state=state, events=training(20))
    clock = FakeClock()
    follower = Follower(Source.of_run(run), clock)
    pictured(follower)
    away = run.path.rename(runs_dir / "away")
    clock.move(10)
    picture = pictured(follower)
    assert picture.status is not None
    assert (picture.status.state, picture.status.reason) == (State.LOST, GONE)
    assert picture.identity["name"] == "gone"
    assert picture.problem == "the events file is gone; this is what was read of it"
    away.rename(run.path)
    clock.move(10)
    picture = pictured(follower)
    assert picture.status is not None
    assert (picture.status.state, picture.problem) == (state, "")


def test_a_file_without_a_run_tells_when_it_was_written(runs_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, training(3))
    os.utime(path, (NOW - 100, NOW - 100))
    assert pictured(follow(path)).written == NOW - 100
    assert pictured(follow(make_run(runs_dir, events=training(3)))).written is None
