"""The follower's thread: quick first pictures, bursts, pipes, rest, and a clean end."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tuilab import make_run, training, write_events

from trainer.runs.layout import write_json_atomic
from trainer.runs.proc import process_start_time
from tui.clock import SystemClock
from tui.sources import follow as module
from tui.sources.follow import Follower, Picture, Source
from tui.sources.gather import Gatherer


def until(answer: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not answer():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "follower"]


@contextmanager
def following(source: Source, told: Callable[[], None] | None = None) -> Iterator[Follower]:
    follower = Follower(source, SystemClock(), told)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()
        until(lambda: not threads())


def lines(steps: range) -> bytes:
    text = "".join(
        json.dumps({"v": 1, "ts": 1.0 + s, "event": "metrics", "step": s, "metrics": {"a": s % 7}})
        + "\n"
        for s in steps
    )
    return text.encode()


def test_it_follows_a_run_and_ends_without_a_trace(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(10), state="running")
    told = threading.Event()
    with following(Source.of_run(run), told.set) as follower:
        until(lambda: follower.picture.step == 10)
        assert told.is_set()
        write_events(run, training(5, start=11, begin=False))
        until(lambda: follower.picture.step == 15)
        follower.zoom(("lr",), 3, 6, 10)
        follower.points(("lr",), 3, 6)
        until(lambda: follower.zoomed and follower.picture.points)
        follower.start()
        assert len(threads()) == 1
    assert not threads()


def test_it_may_be_stopped_before_it_began(runs_dir: Path) -> None:
    follower = Follower(Source.of_run(make_run(runs_dir)), SystemClock())
    follower.stop()
    follower.start()
    assert not threads()


def test_a_long_file_shows_a_truthful_chart_before_the_exact_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(range(60_000)))
    gatherer = Gatherer(Source(None, path))
    gatherer.glance()
    first = gatherer.picture(1)
    assert (first.loading, first.exact, first.step) == (True, False, 59_999)
    while gatherer.more:
        gatherer.read()
        if gatherer.more:
            assert gatherer.picture(2).envelopes is first.envelopes
    last = gatherer.picture(3)
    assert (last.loading, last.exact, last.read) == (False, True, 1.0)
    assert sum(last.envelopes["a"].count) == 60_000
    assert (first.envelopes["a"].start, first.envelopes["a"].width) == (
        last.envelopes["a"].start,
        last.envelopes["a"].width,
    )
    gatherer.close()


def test_a_closer_look_during_loading_becomes_exact(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(range(120_000)))
    follower = Follower(Source(None, path), SystemClock())
    follower.zoom(("a",), 30_000, 30_100, 100)
    follower.points(("a",), 30_000, 30_002)
    follower.start()
    until(lambda: follower.zoomed and follower.zoomed["a"].exact and not follower.picture.loading)
    assert follower.zoomed["a"].count.tolist() == [1] * 100
    until(lambda: follower.picture.points)
    assert follower.picture.points is not None
    assert [p.step for p in follower.picture.points.values["a"]] == [30_000, 30_001]
    follower.stop()


def test_a_thousand_events_a_second_make_few_pictures(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"")
    with following(Source(None, path)) as follower, path.open("ab", buffering=0) as file:
        began = time.monotonic()
        for burst in range(50):
            file.write(lines(range(burst * 20, burst * 20 + 20)))
            time.sleep(0.02)
        until(lambda: follower.picture.step == 999)
        assert follower.picture.version <= 3 + 4 * (time.monotonic() - began)
        assert sum(follower.picture.envelopes["a"].count) == 1000


def test_a_hidden_screen_gets_no_pictures_and_then_the_newest(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(10), state="running")
    with following(Source.of_run(run)) as follower:
        until(lambda: follower.picture.step == 10)
        follower.pause(True)
        time.sleep(0.05)
        shown = follower.picture
        write_events(run, training(5, start=11, begin=False))
        time.sleep(0.6)
        assert follower.picture is shown
        follower.pause(False)
        until(lambda: follower.picture.step == 15, 3.0)


def test_a_pipe_is_followed_to_its_end() -> None:
    out, into = os.pipe()
    source = Source(None, None, out, "standard input")
    with following(source) as follower:
        os.write(into, lines(range(100)))
        until(lambda: follower.picture.step == 99)
        assert not follower.picture.closed
        os.write(into, lines(range(100, 110))[:-1])
        os.close(into)
        until(lambda: follower.picture.closed)
        picture = follower.picture
        assert picture.step == 109
        assert (picture.loading, picture.exact, picture.problem) == (False, True, "")
        follower.zoom(("a",), 10, 20, 10)
        follower.points(("a",), 10, 20)
        until(lambda: follower.picture.zoom and follower.picture.points)
        assert follower.zoomed["a"].count.tolist() == [1] * 10
        assert follower.picture.points is not None
        assert follower.picture.points.values == {}
    os.close(out)


def test_a_pipe_that_never_rests_shows_pictures_all_the_same() -> None:
    out, into = os.pipe()
    stop = threading.Event()

    def pour() -> None:
        step = 0
        while not stop.is_set():
            os.write(into, lines(range(step, step + 500)))
            step += 500

    pouring = threading.Thread(target=pour)
    pouring.start()
    with following(Source(None, None, out)) as follower:
        until(lambda: follower.picture.version >= 3)
        stop.set()
        pouring.join()
    os.close(into)
    os.close(out)


def test_an_error_is_shown_and_does_not_end_the_thread(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOW", 0.05)
    run = make_run(runs_dir, events=training(10))
    broken = threading.Event()
    broken.set()
    honest = Gatherer.read

    def read(self: Gatherer) -> None:
        if broken.is_set():
            raise ZeroDivisionError("by \x1b[31mzero")
        honest(self)

    monkeypatch.setattr(Gatherer, "read", read)
    with following(Source.of_run(run)) as follower:
        until(lambda: follower.picture.problem)
        said = "the run cannot be read: ZeroDivisionError: by zero"
        assert follower.picture.problem == said
        broken.clear()
        until(lambda: follower.picture.step == 10)
        assert follower.picture.problem == ""


def test_a_killed_run_is_lost_within_seconds(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(10), state="running")
    process = subprocess.Popen(["sleep", "60"])
    status = json.loads(run.status.read_text())
    start = process_start_time(process.pid)
    status |= {"pid": process.pid, "pid_start": start}
    status |= {"supervisor_pid": process.pid, "supervisor_start": start}
    write_json_atomic(run.status, status, sync=False)
    with following(Source.of_run(run)) as follower:
        until(lambda: follower.picture.status and follower.picture.status.state == "running")
        process.kill()
        process.wait()
        until(lambda: follower.picture.status.state == "lost", 5.0)


def test_a_screen_that_is_gone_when_told_hurts_nobody(runs_dir: Path) -> None:
    def told() -> None:
        raise RuntimeError("the app is not running")

    with following(Source.of_run(make_run(runs_dir, events=training(4))), told) as follower:
        until(lambda: follower.picture.step == 4)
        assert isinstance(follower.picture, Picture)
