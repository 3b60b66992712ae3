"""The screen of runs: what it shows, and what its keys do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runslab import deck, line_of, lines, look, screen_of
from textual.widgets import Input
from tuilab import NOW, FakeClock, make_run, training, write_events

from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from tui.glyphs import ASCII
from tui.screens.runs.screen import RunsScreen


def update(run: RunFolder, **changes: Any) -> None:
    status = read_json(run.status)
    progress = {**status["progress"], **changes.pop("progress", {})}
    write_json_atomic(run.status, {**status, **changes, "progress": progress}, sync=False)


async def test_what_is_going_on_at_80_columns(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await look(app, pilot)
        shown = lines(app)
        assert "4 runs · 1 running · 1 queued" in shown[0]
        assert shown[0].endswith("12:00")
        assert [word for word in shown[1].split() if word != "▼"] == [
            "STATE", "NAME", "PROGRESS", "TRAIN", "VAL", "ETA", "AGE",
        ]  # fmt: skip
        assert [line.split()[2] for line in shown[2:6]] == ["busy", "waits", "done", "broke"]
        assert "▶ running" in shown[2]
        assert " 71%" in shown[2]
        assert "0.412" in shown[2]
        assert "0.437" in shown[2]
        assert "4:10" in shown[2]
        assert shown[2].endswith("11m")
        assert "waiting: slurm 4411 (Priority)" in shown[3]
        assert "✓ completed" in shown[4]
        assert "100%" in shown[4]
        assert "loss became NaN at ste" in shown[5]
        assert "? help" in shown[-1]
        assert "⏎ open" in shown[-1]


async def test_wider_terminals_add_columns(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(120, 30)) as pilot:
        await look(app, pilot)
        assert {"STEP", "LOSS", "SMP/S"} <= set(lines(app)[1].split())
        assert "3 550/5 000" in line_of(app, "busy")
        assert "█▇" in line_of(app, "busy")
        assert "1.2k" in line_of(app, "busy")
        assert "×" in line_of(app, "broke")
    app = deck(runs_dir)
    async with app.run_test(size=(200, 30)) as pilot:
        await look(app, pilot)
        assert lines(app)[1].split() == [
            "STATE", "NAME", "PRESET", "PROGRESS", "EPOCH", "STEP", "TRAIN", "VAL", "LOSS",
            "SMP/S", "ETA", "AGE", "HOST", "TAGS", "RECIPE", "ID",
        ]  # fmt: skip
        assert " abl " in line_of(app, "busy")
        assert "quickstart" in line_of(app, "done")


async def test_news_draws_only_the_lines_they_are_about(
    runs_dir: Path, some: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(120, 30)) as pilot:
        await look(app, pilot)
        screen = screen_of(app)
        drawn: list[tuple[int, ...]] = []
        rows = screen._rows
        monkeypatch.setattr(rows, "refresh", lambda *regions, **_: drawn.extend(regions))
        screen.source.step()
        screen.tick()
        assert drawn == []
        update(some["busy"], progress={"step": 3600, "metrics": {"train/loss": 0.41}})
        screen.source.step()
        screen.tick()
        assert {region[1] for region in drawn} == {0}
        # The bar's share, the step, the loss and the time left; no cell of the name or the state.
        assert sum(region[2] for region in drawn) < 50
        assert min(region[0] for region in drawn) > 30
        monkeypatch.undo()
        rows.refresh()
        await pilot.pause()
        assert "3 600/5 000" in line_of(app, "busy")


async def test_ages_grow_with_the_clock(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    clock = FakeClock()
    app = deck(runs_dir, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        clock.move(60)
        screen_of(app).tick()
        await pilot.pause()
        assert line_of(app, "busy").endswith("12m")
        assert lines(app)[0].endswith("12:01")


async def test_the_cursor_follows_its_run(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = screen_of(app)
        await pilot.press("down", "down")
        under = screen._rows.under_cursor
        assert under is not None
        assert under.name == "done"
        make_run(runs_dir, "newer", state="running", created=NOW - 10)
        await look(app, pilot)
        assert screen._rows.cursor == 3
        assert screen._rows.under_cursor.name == "done"  # type: ignore[union-attr]


async def test_runs_that_went_away_are_gone(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end", "space")
        assert "1 selected" in lines(app)[0]
        some["broke"].path.rename(runs_dir / ".elsewhere")
        await look(app, pilot)
        assert "3 runs" in lines(app)[0]
        assert "selected" not in lines(app)[0]
        assert not any("broke" in line for line in lines(app))


async def test_a_filter_narrows_while_it_is_typed(
    runs_dir: Path, some: dict[str, RunFolder]
) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(100, 24)) as pilot:
        await look(app, pilot)
        await pilot.press("slash", *"state:fail")
        await pilot.pause()
        assert "1 of 4 runs" in lines(app)[0]
        assert "broke" in lines(app)[2]
        await pilot.press("x")
        await pilot.pause()
        assert any("there is no state 'failx'" in line for line in lines(app))
        assert "broke" in lines(app)[2]
        await pilot.press("backspace", "enter")
        await pilot.pause()
        assert "/ state:fail" in lines(app)[0]
        assert not app.screen.query(Input)
        assert app.focused is screen_of(app)._rows
        await pilot.press("escape")
        await pilot.pause()
        assert "4 runs" in lines(app)[0]
        assert "waits" in "".join(lines(app))


async def test_escape_while_typing_drops_the_filter(
    runs_dir: Path, some: dict[str, RunFolder]
) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", *"zzz")
        await pilot.pause()
        assert any("No run fits  zzz" in line for line in lines(app))
        await pilot.press("escape")
        await pilot.pause()
        assert "busy" in lines(app)[2]


async def test_sorting_is_picked_reversed_and_remembered(
    runs_dir: Path, some: dict[str, RunFolder]
) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o", *"its name", "enter")
        await pilot.pause()
        assert "NAME▲" in lines(app)[1]
        assert [line.split()[2] for line in lines(app)[2:6]] == ["broke", "busy", "done", "waits"]
        assert screen_of(app)._rows.cursor == 0
        await pilot.press("down", "O")
        await pilot.pause()
        assert "NAME▼" in lines(app)[1]
        assert screen_of(app)._rows.under_cursor.name == "busy"  # type: ignore[union-attr]
        assert screen_of(app)._rows.cursor == 2
        assert [line.split()[2] for line in lines(app)[2:6]] == ["waits", "done", "busy", "broke"]
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "NAME▼" in lines(app)[1]
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert "PROGRESS▼" in lines(app)[1]
        await pilot.press("less_than_sign", "less_than_sign", "less_than_sign")
        await pilot.pause()
        assert not {"▲", "▼"} & set(lines(app)[1])


async def test_no_runs_yet(runs_dir: Path) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = "\n".join(lines(app))
        assert "No runs yet in" in text
        assert "traindeck train quickstart" in text
        make_run(runs_dir, "first")
        await look(app, pilot)
        assert "No runs yet" not in "\n".join(lines(app))
        assert line_of(app, "first")


async def test_a_folder_that_is_no_run_says_so(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runs_dir / "2026-02-28" / "12-00-00-odd").mkdir(parents=True)
    app = deck(runs_dir)
    said: list[str] = []
    monkeypatch.setattr(app, "say", lambda text, severity="": said.append(text))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "? unreadable" in lines(app)[2]
        assert "run.json is missing" in lines(app)[2]
        await pilot.press("enter")
        await pilot.pause()
        assert "cannot be opened: run.json is missing" in said[-1]


async def test_several_folders_of_runs(runs_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_run(runs_dir, "here", created=NOW - 100)
    make_run(other, "there", created=NOW - 50)
    (tmp_path / "file").write_text("")
    folders = (runs_dir, other, runs_dir, tmp_path / "missing", tmp_path / "file")
    app = deck(runs_dir, runs_dirs=folders)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "2 runs" in lines(app)[0]
        assert "Not a directory" in lines(app)[2]
        assert [line.split()[2] for line in lines(app)[4:6]] == ["there", "here"]


@pytest.mark.parametrize("no_color", [False, True])
async def test_hostile_names_are_shown_harmlessly(
    runs_dir: Path, no_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    run = make_run(runs_dir, "plain", state="failed", preset="[b]p", tags=["[/]", "宽" * 9])
    record = read_json(run.run_json)
    name = "[red]x[/red]\x1b]52;c;YQ==\x07\x1b[31m\u202e宽宽e\u0301" + "宽" * 40
    write_json_atomic(run.run_json, {**record, "name": name}, sync=False)
    update(run, reason="[bold]\x1b[2J\x9b31m boom\nnext")
    app = deck(runs_dir)
    async with app.run_test(size=(200, 10)) as pilot:
        await look(app, pilot)
        text = "".join(lines(app))
        assert "[red]x[/red]" in text
        assert "[bold] boom next" in text
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
        for strip in app.screen._compositor.render_strips():
            assert strip.cell_length == 200
        await pilot.press("d")
        for _ in range(50):
            if not isinstance(app.screen, RunsScreen):
                break
            await pilot.pause(0.02)
        assert "\x1b" not in "".join(lines(app))


async def test_ascii_signs(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir, glyphs=ASCII)
    async with app.run_test(size=(120, 24)) as pilot:
        await look(app, pilot)
        await pilot.press("space")
        body = "".join(lines(app)[:-1])
        assert body.isascii()
        assert "> running" in body
        assert "###" in body


async def test_ten_thousand_runs_draw_only_what_is_in_sight(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.screens.runs.rows import RunRows

    make_run(runs_dir, "one")
    app = deck(runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = screen_of(app)
        from dataclasses import replace

        one = screen.source.picture.runs[0]
        many = tuple(replace(one, name=f"run-{i}", path=f"/none/{i}") for i in range(10_000))
        drawn: list[int] = []
        pieces = RunRows.pieces
        monkeypatch.setattr(
            RunRows, "pieces", lambda self, i, w: (drawn.append(i), pieces(self, i, w))[1]
        )
        screen.source.picture = replace(screen.source.picture, runs=many)
        screen.tick()
        await pilot.pause()
        assert len(set(drawn)) < 50
        assert "10 000 runs" in lines(app)[0]
        await pilot.press("end")
        await pilot.pause()
        assert line_of(app, "run-9999")
        assert len(set(drawn)) < 100
        await pilot.press("slash", *"9998", "enter")
        await pilot.pause()
        assert "1 of 10 000 runs" in lines(app)[0]
        assert line_of(app, "run-9998")


async def test_a_curve_grows_with_its_file(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(120, 24)) as pilot:
        await look(app, pilot)
        before = screen_of(app).source.picture.curves[str(some["busy"].path)]
        write_events(some["busy"], training(300, start=301, begin=False, loss=lambda _: 9.0))
        await look(app, pilot)
        after = screen_of(app).source.picture.curves[str(some["busy"].path)]
        assert after[-1] == 9.0
        assert before != after
