"""The log, the alerts and what their rows can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from tabslab import deck_of, lines, picture_of, settled
from tuilab import NOW, make_run, training, write_events

from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.glyphs import ASCII
from tui.screens.monitor.tabs.alerts import AlertsTab
from tui.screens.monitor.tabs.details import Details
from tui.screens.monitor.tabs.log import LogTab
from tui.screens.monitor.tabs.textrows import Line, skip
from tui.sources.follow import Picture, Source

HOSTILE = "[red]x[/] \x1b]52;c;QUJD\x07\x1b[2J\x9b31m\u202eevil 漢字 e\u0301\x00 end"


def log(n: int, message: str, level: str = "info") -> dict[str, Any]:
    return {"ts": NOW + n, "event": "log", "level": level, "message": message}


def rows(deck: Deck) -> list[str]:
    """The rows without the scroll bar."""
    return [line[:78].rstrip() for line in lines(deck)[1:-1]]


def shown_log(runs_dir: Path, *events: dict[str, Any]) -> tuple[RunFolder, LogTab]:
    run = make_run(runs_dir, events=events)
    return run, LogTab(Source.of_run(run))


async def test_what_a_run_said_stands_in_order_of_time(runs_dir: Path) -> None:
    run, tab = shown_log(
        runs_dir,
        *training(3, ts=NOW - 10),
        log(1, "first"),
        {
            "ts": NOW + 2,
            "event": "checkpoint",
            "path": "checkpoints/last-epoch00001.ckpt",
            "bytes": 41_000_000,
            "step": 1200,
            "pause_s": 0.006,
        },
        {
            "ts": NOW + 3,
            "event": "alert",
            "level": "error",
            "kind": "nan",
            "message": "loss is NaN",
            "advice": "lower lr",
            "step": 812,
        },
        log(4, "two\nlines", "warning"),
        {"ts": NOW + 5, "event": "run_finished", "status": "failed", "reason": "loss is NaN"},
    )
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)):
        tab.show(picture_of(run))
        shown = [line.text.split(maxsplit=1)[-1] for line in tab.rows.lines]
        assert shown[0].startswith("start")
        rest = "\n".join(" ".join(text.split()) for text in shown[1:])
        assert rest == "\n".join(
            [
                "info first",
                "saved checkpoint last-epoch00001.ckpt step 1 200 (41 MB, pause 6 ms)",
                "error nan at step 812: loss is NaN",
                "lr",
                "warning two",
                "lines",
                "end failed: loss is NaN",
            ]
        )


async def test_it_follows_its_end_until_one_goes_up(runs_dir: Path) -> None:
    run, tab = shown_log(runs_dir, *(log(n, f"line {n}") for n in range(50)))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(picture_of(run))
        await pilot.pause()
        assert "line 49" in lines(deck)[-2]
        assert "following" in tab.facts.text
        write_events(run, [log(60, "line 50")])
        tab.show(picture_of(run))
        await pilot.pause()
        assert "line 50" in lines(deck)[-2]
        await pilot.press("up", "up")
        assert "G follows the end" in tab.facts.text
        write_events(run, [log(61, "line 51")])
        before = rows(deck)
        tab.show(picture_of(run))
        await pilot.pause()
        assert rows(deck) == before
        await pilot.press("G")
        assert "following" in tab.facts.text
        assert "line 51" in lines(deck)[-2]


async def test_the_cursor_stays_on_its_line_while_old_ones_go(runs_dir: Path) -> None:
    events = [log(n, f"line {n}") for n in range(1000)]
    _, tab = shown_log(runs_dir)
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(Picture(logs=tuple(events), counts={"log": 1000}))
        await pilot.press("pageup", "pageup")
        here = tab.rows.current
        before = rows(deck)
        assert here is not None
        events = [*events[100:], *(log(n, f"line {n}") for n in range(1000, 1100))]
        tab.show(Picture(logs=tuple(events), counts={"log": 1100}))
        await pilot.pause()
        assert tab.rows.current is here
        assert rows(deck) == before
        assert "of 1 100 log events the newest 1 000" in lines(deck)[0]


async def test_levels_are_filtered(runs_dir: Path) -> None:
    run, tab = shown_log(
        runs_dir,
        *(
            log(n, f"a {level}", level)
            for n, level in enumerate(("debug", "info", "warning", "error", "odd"))
        ),
    )
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(picture_of(run))
        counts = [tab.rows.count]
        for _ in range(4):
            await pilot.press("f")
            counts.append(tab.rows.count)
        assert counts == [5, 4, 2, 1, 5]


async def test_search_goes_to_hits_and_marks_them(runs_dir: Path) -> None:
    run, tab = shown_log(
        runs_dir, *(log(n, f"{'Needle' if n % 10 == 3 else 'hay'} {n}") for n in range(40))
    )
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(picture_of(run))
        await pilot.press("slash", *"needle")
        assert tab.rows.cursor == 33
        assert "4/4" in tab.facts.text
        await pilot.press("enter", "n")
        assert tab.rows.cursor == 3
        await pilot.press("N", "N")
        assert tab.rows.cursor == 23
        pieces = tab.rows.pieces(23, 79)
        assert [text for text, style in pieces if style.reverse] == ["Needle"]
        await pilot.press("slash", "x")
        assert "not found" in tab.facts.text
        await pilot.press("escape")
        assert tab.line.value == ""
        assert tab.rows.has_focus
        assert not any(style.reverse for _, style in tab.rows.pieces(23, 79))
        assert deck.screen.is_current


async def test_hostile_text_is_harmless_everywhere(runs_dir: Path) -> None:
    run, _ = shown_log(
        runs_dir,
        log(1, HOSTILE, level="\x1b[31mloud"),
        {"ts": "soon", "event": "alert", "level": 7, "kind": HOSTILE, "message": HOSTILE},
        {"event": "checkpoint", "path": HOSTILE, "bytes": "many", "pause_s": float("nan")},
        {"event": "log", "message": ["not", "text"]},
    )
    # As a source that has not cleaned them would give them.
    raw = Picture(
        logs=({"event": "log", "message": HOSTILE + "\nnext", "level": HOSTILE},),
        alerts=({"event": "alert", "message": HOSTILE, "advice": HOSTILE, "ts": 1e300},),
        checkpoints=({"event": "checkpoint", "path": HOSTILE},),
        counts={"log": 1},
    )
    for picture in (picture_of(run), raw):
        for made in (LogTab(Source.of_run(run)), AlertsTab(Source.of_run(run))):
            deck = deck_of(runs_dir, made)
            async with deck.run_test(size=(80, 12)) as pilot:
                made.show(picture)
                await pilot.press("enter")
                assert isinstance(deck.screen, Details)
                await pilot.press("escape")
                shown = "\n".join(lines(deck))
                assert "[red]x[/]" in shown
                assert not any(bad in shown for bad in "\x1b\x9b\x07\u202e\x00")
                assert all(cell_len(row) <= 80 for row in lines(deck))


async def test_long_lines_move_sideways_and_open_whole(runs_dir: Path) -> None:
    run, tab = shown_log(runs_dir, log(1, "漢" * 60 + "THE END"))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(picture_of(run))
        assert "THE END" not in "\n".join(lines(deck))
        await pilot.press(*["right"] * 5)
        await pilot.pause()
        row = lines(deck)[1]
        assert "THE END" in row
        assert "info" in row
        await pilot.press("enter")
        assert isinstance(deck.screen, Details)
        assert "THE END" in deck.screen._body


async def test_nothing_new_draws_nothing(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, tab = shown_log(runs_dir, log(1, "a"), *training(5))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)):
        picture = picture_of(run)
        tab.show(picture)
        calls: list[int] = []
        monkeypatch.setattr(tab.rows, "show_lines", lambda *_: calls.append(1))
        tab.show(picture)
        assert calls == []


async def test_alerts_stand_newest_first_with_their_advice(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    tab = AlertsTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab, glyphs=ASCII)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(picture_of(run))
        assert "no alerts" in lines(deck)[0]
        write_events(
            run,
            [
                {
                    "ts": NOW + n,
                    "event": "alert",
                    "level": "warning",
                    "kind": "spike",
                    "message": f"number {n}",
                    "advice": "clip",
                    "step": 1000 + n,
                    "evidence": {"z": n},
                }
                for n in range(3)
            ],
        )
        tab.show(picture_of(run))
        await pilot.pause()
        assert "3 alerts" in lines(deck)[0]
        assert "step 1 002" in lines(deck)[1]
        assert "number 2" in lines(deck)[1]
        assert "clip" in lines(deck)[2]
        await pilot.press("enter")
        body = deck.screen._body  # type: ignore[attr-defined]
        assert "{'z': 2" in body or '"z": 2' in body
        assert "Advice: clip" in body


async def test_a_hundred_thousand_lines_are_quick(runs_dir: Path) -> None:
    _, tab = shown_log(runs_dir)
    deck = deck_of(runs_dir, tab)
    many = [Line(((f"line {n}", "text"),)) for n in range(100_000)]
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.rows.show_lines(many)
        await pilot.press("slash", *"99998")
        assert tab.rows.cursor == 99_998
        assert tab.rows.hits == [99_998]
        tab.rows.show_lines([*many, Line((("line 99998 again", "text"),))], 0)
        assert tab.rows.hits == [99_998, 100_000]


def test_cells_are_skipped_by_width() -> None:
    assert skip("abcdef", 2) == "cdef"
    assert skip("漢字ab", 2) == "字ab"
    assert skip("漢字ab", 1) == " 字ab"
    assert skip("ae\u0301b", 2) == "b"
    assert skip("漢", 9) == ""


async def test_without_colours_nothing_crashes(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run, tab = shown_log(runs_dir, log(1, "a", "error"))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 12)) as pilot:
        tab.show(picture_of(run))
        await settled(pilot, lambda: "error" in "\n".join(lines(deck)))
