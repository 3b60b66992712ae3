"""Runs says more of the run under the cursor, names what can be done with it, and says goodbye."""

from __future__ import annotations

from pathlib import Path

import pytest
from runslab import confirmed, deck, lines, settle
from tuilab import NOW, make_run

from tui.glyphs import UNICODE
from tui.screens.runs.detail import lines_of


def three(runs_dir: Path) -> None:
    make_run(runs_dir, "same", state="running", created=NOW - 10, run_id="aaaaaaa", tags=["x", "y"])
    make_run(
        runs_dir, "same", state="failed", created=NOW - 20, run_id="bbbbbbb", reason="went bad"
    )
    make_run(runs_dir, "same", state="completed", created=NOW - 30, run_id="ccccccc")


async def test_runs_of_one_name_are_told_apart_where_there_is_room(runs_dir: Path) -> None:
    three(runs_dir)
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert lines(app)[-3].startswith(" id aaaaaaa   tags x, y   preset quickstart")
        assert lines(app)[-2].endswith("same-aaaaaaa")
        await pilot.press("down")
        await pilot.pause()
        assert lines(app)[-3].startswith(" id bbbbbbb   preset")
        assert lines(app)[-2].startswith(" went bad")
        await pilot.resize_terminal(80, 9)
        await pilot.pause(0.1)
        assert "id bbbbbbb" in "\n".join(lines(app))
        await pilot.resize_terminal(80, 6)
        await pilot.pause(0.1)
        assert "id bbbbbbb" not in "\n".join(lines(app))
        assert sum("same" in line for line in lines(app)) == 3


async def test_the_foot_names_what_can_be_done_with_the_run(runs_dir: Path) -> None:
    three(runs_dir)
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.1)
        feet = []
        for key in ("down", "down", "a"):
            feet.append(lines(app)[-1])
            await pilot.press(key)
            await pilot.pause(0.1)
        live, failed, completed = feet
        assert "s stop" in live
        assert "t tag" in live
        assert not any(word in live for word in ("resume", "delete", "compare", "undo"))
        assert "R resume" in failed
        assert "d delete" in failed
        assert "stop" not in failed
        assert "d delete" in completed
        assert "resume" not in completed
        assert "c compare" in lines(app)[-1]


async def test_what_was_brought_back_is_not_said_to_be_deleted(runs_dir: Path) -> None:
    three(runs_dir)
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down")
        await confirmed(app, pilot, "d")
        await settle(app, pilot)
        assert any("deleted same" in note.message for note in app._notifications)
        assert "u undo" in lines(app)[-1]
        await pilot.press("u")
        await settle(app, pilot)
        assert [note.message for note in app._notifications] == ["back again: same"]


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_says_that_runs_go_on(runs_dir: Path, key: str) -> None:
    three(runs_dir)
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await pilot.pause()
    assert app.last_words == ["1 run goes on: traindeck"]


def test_a_long_path_keeps_its_end(runs_dir: Path) -> None:
    run = make_run(runs_dir, "x" * 200, run_id="ddddddd", reason="r" * 100, tags=["t" * 90])
    from trainer.runs.summary import summarise

    for width in (20, 80):
        for line in lines_of(summarise(run.path), width, UNICODE, "/"):
            assert len("".join(text for text, _ in line).rstrip()) <= width
    assert lines_of(summarise(run.path), 80, UNICODE, "/")[1][-1][0].endswith("x-ddddddd")
