"""Only the cells that changed are sent; and the head of the Monitor by pure functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuilab import NOW

from trainer.runs.status import Progress, State, Status
from tui.glyphs import ASCII, UNICODE
from tui.screens.monitor.facts import facts, recent_rate
from tui.screens.monitor.header import first_line, second_line
from tui.screens.monitor.lines import changed_cells, spread
from tui.screens.monitor.tabs.entries import ends, make
from tui.screens.monitor.tail import newest
from tui.sources.follow import Picture, Source, Times
from tui.text import cell_len

STREAM = Source(None, None, 0, "pipe")


@pytest.mark.parametrize(
    ("before", "after", "cells"),
    [
        ("step 10", "step 11", (6, 7)),
        ("step 9", "step 10", (5, 7)),
        ("abc", "abc", (3, 3)),
        ("", "abc", (0, 3)),
        ("abc", "", (0, 3)),
        ("日本語", "日米語", (2, 4)),
        ("日本", "日b本", (2, 5)),
        ("e\u0301a", "e\u0301b", (1, 2)),
    ],
)
def test_the_cells_that_changed(before: str, after: str, cells: tuple[int, int]) -> None:
    assert changed_cells([(before, "")], [(after, "")]) == cells


def test_a_change_of_look_is_a_change() -> None:
    assert changed_cells([("ab", ""), ("c", "dim")], [("ab", ""), ("c", "bad")]) == (2, 3)


def test_what_does_not_fit_yields_to_the_right() -> None:
    line = spread([("left", ""), ("too long", "")], [("right", "")], 11)
    assert "".join(text for text, _ in line) == "left  right"


def picture(**more: Any) -> Picture:
    return Picture(**{"version": 1, "loading": False, "exact": True, "read": 1.0, **more})


def live(**more: Any) -> Picture:
    progress = Progress(step=250, epoch=1, total_steps=1000, total_epochs=4, rate=2.5)
    status = Status(State.RUNNING, started=NOW - 100, progress=progress, alive=True)
    return picture(status=status, identity={"name": "a run", "id": "abc"}, **more)


def heads(shown: Picture, width: int = 80, glyphs: Any = UNICODE) -> list[str]:
    said = facts(shown, STREAM, NOW)
    lines = [first_line(said, glyphs, width), second_line(said, glyphs, width)]
    return ["".join(text for text, _ in line) for line in lines]


def test_the_head_of_a_live_run() -> None:
    first, second = heads(live())
    assert first.split() == [
        "a",
        "run",
        "▶",
        "running",
        "epoch",
        "2/4",
        "250/1",
        "000",
        "ETA",
        "5:00",
        "25%",
    ]
    assert second.count("━") == pytest.approx(0.25 * (second.count("━") + second.count("─")), abs=1)
    assert second.endswith("elapsed 1:40 ")


@pytest.mark.parametrize("state", [State.STOPPING, State.STARTING, State.QUEUED])
def test_what_will_not_train_to_its_end_has_no_time_of_arrival(state: State) -> None:
    shown = live()
    assert shown.status is not None
    first, _ = heads(replace(shown, status=replace(shown.status, state=state)))
    assert state in first
    assert "ETA" not in first


@pytest.mark.parametrize("width", [1, 5, 20, 40, 60, 80, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_the_head_never_overflows(width: int, glyphs: Any) -> None:
    ended = picture(
        status=Status(State.FAILED, reason="長い理由 " * 20, started=NOW - 9, ended=NOW),
        identity={"name": "長い名前" * 20},
    )
    for shown in (live(), live(loading=True, read=0.4), ended, picture(), Picture()):
        for line in heads(shown, width, glyphs):
            assert cell_len(line) <= max(width, 3) or width < 20
            if glyphs.plain:
                assert not set(line) & set("━─▶✗…·")


@pytest.mark.parametrize("reason", ["killed by SIGKILL from outside", "ValueError: no " * 20])
def test_an_end_keeps_its_duration_and_the_key_at_80_columns(reason: str) -> None:
    status = Status(State.KILLED, reason=reason, signal=9, started=NOW - 754, ended=NOW)
    shown = picture(status=status, checkpoints=({"event": "checkpoint"},), loading=False)
    source = Source.of_run(Path("runs/2026-11-21/abc1234"))
    second = second_line(facts(shown, source, NOW), UNICODE, 80)
    line = "".join(text for text, _ in second)
    assert cell_len(line.rstrip()) <= 80
    assert " after 12:34  next: R  ·  traindeck resume abc1234" in line
    assert "(signal 9)" not in line or not reason.startswith("killed")


def test_a_run_that_could_not_say_so_has_an_end_all_the_same() -> None:
    status = Status(State.LOST, reason="no heartbeat", started=NOW - 9, ended=NOW)
    (end,) = ends(picture(status=status, loading=False))
    assert make(end).event["status"] == "lost"
    assert "lost: no heartbeat" in make(end).lines[0].parts[-1][0]
    assert newest(picture(status=status, loading=False), 2) == [end]
    assert not ends(picture(status=replace(status, state=State.RUNNING), loading=False))


def test_how_much_has_been_read_is_said() -> None:
    assert "reading 37%" in heads(live(loading=True, read=0.376))[0]
    assert "reading 99%" in heads(live(loading=True, read=1.0))[0]
    assert "approximate" in heads(live(exact=False, names=("a",)))[0]


def test_events_that_are_gone_were_there_before() -> None:
    assert "no events yet" in heads(live(missing=True))[0]
    assert "yet" not in heads(live(missing=True, problem="the events file is gone"))[0]


def test_nothing_is_hidden_of_what_cannot_be_read() -> None:
    said = facts(picture(problem="events.jsonl: Permission denied"), STREAM, NOW)
    assert said.why == "events.jsonl: Permission denied"


def test_a_stream_without_times_is_as_old_as_its_file() -> None:
    shown = picture(names=("a",), written=NOW - 7200)
    assert "silent for 2h" in heads(shown)[0]
    assert "running" in heads(replace(shown, written=NOW - 5))[0]
    assert "running" in heads(replace(shown, written=None))[0]


def test_a_pipe_that_ended() -> None:
    first, second = heads(picture(closed=True, names=("loss",), counts={"metrics": 3}))
    assert "stream ended" in first
    assert "stream ended" in second


def test_done_is_said_of_what_is_done_only() -> None:
    progress = Progress(step=9999, total_steps=10_000, rate=1.0)
    shown = picture(status=Status(State.RUNNING, started=NOW, progress=progress, alive=True))
    first, second = heads(shown)
    assert "99%" in first
    assert "─" in second


def test_the_rate_of_a_stream_is_that_of_its_newest_part() -> None:
    # A slow beginning, then two steps a second.
    ts = tuple(
        NOW + (number * 10 if number < 50 else 500 + (number - 50) * 0.5) for number in range(100)
    )
    nothing = (0.0,) * 100
    times = Times(0, 1, ts, ts, nothing, nothing)
    assert recent_rate(picture(times=times, step=99)) == pytest.approx(2.0)
    assert recent_rate(picture(times=times)) is None
    assert recent_rate(picture()) is None


def test_the_start_tells_the_batch() -> None:
    facts = {"per_device": 4, "devices": 2, "accumulate": 1, "nodes": 1, "effective": 8}
    for batch, said in (
        (facts, "batch 4 per device x 2 devices = 8 a step"),
        ({"per_device": []}, ""),
    ):
        event = {"event": "run_started", "ts": 1.0, "host": "h", "batch": batch}
        text = "".join(part for line in make(event).lines for part, _ in line.parts)
        assert ("batch" in text) is bool(said)
        assert said in text


def test_what_is_prepared_stands_in_the_second_line() -> None:
    progress = Progress(phase="preparing: base model, step 400 of 800, ETA 2:10")
    status = Status(State.RUNNING, started=NOW - 100, progress=progress, alive=True)
    made = facts(picture(status=status, identity={"name": "a run"}), STREAM, NOW)
    line = "".join(text for text, _ in second_line(made, UNICODE, 80))
    assert line.startswith(" preparing: base model, step 400 of 800, ETA 2:10 ")
    assert line.rstrip().endswith("elapsed 1:40")
    assert cell_len(line) == 80
