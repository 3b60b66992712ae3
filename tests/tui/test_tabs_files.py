"""The tabs that read a run's folder: checkpoints, config, output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tabslab import deck_of, lines, picture_of, settled
from tuilab import NOW, make_run, training, write_events

from trainer.runs.layout import RunFolder, write_json_atomic
from tui.screens.monitor.tabs import TABS
from tui.screens.monitor.tabs.checkpoints import CheckpointsTab
from tui.screens.monitor.tabs.config import ConfigTab
from tui.screens.monitor.tabs.details import Details
from tui.screens.monitor.tabs.output import OutputTab
from tui.sources import output as output_source
from tui.sources.checkpoints import scan
from tui.sources.follow import Source
from tui.sources.output import OutputFile
from tui.sources.runconfig import changes, load


def text_of(deck: object) -> str:
    return "\n".join(lines(deck))  # type: ignore[arg-type]


def body(deck: object) -> str:
    screen = deck.screen  # type: ignore[attr-defined]
    assert isinstance(screen, Details)
    return screen._body


def saved(run: RunFolder, name: str, step: int, size: int | None = 1000) -> None:
    write_events(
        run,
        [
            {
                "ts": NOW + step,
                "event": "checkpoint",
                "path": f"checkpoints/{name}",
                "kind": name.partition("-")[0],
                "bytes": 1000,
                "step": step,
                "epoch": 1,
                "pause_s": 0.004,
            }
        ],
    )
    if size is not None:
        (run.checkpoints / name).write_bytes(b"x" * size)


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────


async def test_checkpoints_are_what_was_said_and_what_lies_there(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(3))
    saved(run, "last-epoch00001.ckpt", 100, size=None)
    saved(run, "best-epoch00002.ckpt", 150)
    saved(run, "last-epoch00002.ckpt", 200)
    (run.checkpoints / "best.ckpt").symlink_to("best-epoch00002.ckpt")
    (run.checkpoints / "last.ckpt").symlink_to("last-epoch00002.ckpt")
    (run.checkpoints / "mine.ckpt").write_bytes(b"x")
    (run.checkpoints / "notes.txt").write_bytes(b"x")
    tab = CheckpointsTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)) as pilot:
        tab.show(picture_of(run))
        await settled(pilot, lambda: "on the disk" in text_of(deck))
        rows = lines(deck)
        assert "3 on the disk, 2.0 kB; 1 replaced by later ones" in rows[0]
        assert rows[1].split() == ["TIME", "STEP", "EPOCH", "SIZE", "PAUSE", "MARK", "FILE"]
        assert rows[2].split()[1:] == [
            "200",
            "1",
            "1.0",
            "kB",
            "4",
            "ms",
            "last",
            "last-epoch00002.ckpt",
        ]
        assert rows[3].split()[1:] == [
            "150",
            "1",
            "1.0",
            "kB",
            "4",
            "ms",
            "best",
            "best-epoch00002.ckpt",
        ]
        assert "mine.ckpt" in rows[4]
        assert "replaced" in rows[5]
        await pilot.press("enter")
        assert f"traindeck resume {run.id}" in body(deck)
        assert "run.resume=" in body(deck)
        assert str(run.checkpoints / "last-epoch00002.ckpt") in body(deck)
        await pilot.press("escape", "down", "down", "down", "enter")
        assert "replaced by a later one" in body(deck)
        assert "resume" not in body(deck)


async def test_a_long_run_has_replaced_most_and_lost_none(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(3))
    saved(run, "best-epoch00003.ckpt", 50)
    for step in range(300):
        saved(run, f"last-epoch{step // 10:05d}-{step}.ckpt", 100 + step, size=None)
    saved(run, "last-epoch00030.ckpt", 500)
    (run.checkpoints / "best-epoch00001.ckpt").write_bytes(b"x")
    picture = picture_of(run)
    assert picture.checkpoints[0]["kind"] == "best"
    assert len(picture.checkpoints) == 257
    tab = CheckpointsTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)) as pilot:
        tab.show(picture)
        await settled(pilot, lambda: "on the disk" in text_of(deck))
        rows = lines(deck)
        assert "3 on the disk, 2.0 kB; 255 replaced by later ones" in rows[0]
        assert "last-epoch00030.ckpt" in rows[2]
        assert rows[3].split()[1:3] == ["50", "1"]
        assert "best-epoch00003.ckpt" in rows[3]
        assert rows[4].split()[1:] == ["1", "1", "B", "best-epoch00001.ckpt"]
        assert all("replaced" in row for row in rows[5:12])


async def test_files_that_go_are_noticed(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(3))
    saved(run, "last-epoch00001.ckpt", 100)
    tab = CheckpointsTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)) as pilot:
        tab.show(picture_of(run))
        await settled(pilot, lambda: "1 on the disk" in text_of(deck))
        (run.checkpoints / "last-epoch00001.ckpt").unlink()
        await pilot.press("r")
        await settled(pilot, lambda: "1 missing" in text_of(deck))


def test_a_folder_that_cannot_be_read_is_told(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    assert scan(run) == ({}, "")
    run.checkpoints.rmdir()
    assert scan(run) == ({}, "")
    run.checkpoints.write_text("no folder")
    found, problem = scan(run)
    assert found is None
    assert "cannot be read" in problem


# ── config ───────────────────────────────────────────────────────────────────────────────────


async def test_the_config_says_what_set_each_value(runs_dir: Path) -> None:
    run = make_run(runs_dir, overrides=["quickstart", "trainer.max_steps=77"])
    tab = ConfigTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)) as pilot:
        tab.show(picture_of(run))
        await settled(pilot, lambda: "keys" in tab.facts.text)
        await pilot.press("slash", *"max_steps")
        await pilot.pause()
        assert any(
            "trainer.max_steps" in row and "77" in row and "override" in row for row in lines(deck)
        )
        assert tab.rows.count < 5
        await pilot.press("enter", "enter")
        assert "override trainer.max_steps=77" in body(deck)
        await pilot.press("escape", "slash", "escape")
        assert tab.rows.count > 100
        await pilot.press("d")
        await settled(pilot, lambda: "not as in the defaults" in tab.facts.text)
        changed = [line.text for line in tab.rows.lines]
        assert any("~ trainer.max_steps" in text and "77" in text for text in changed)
        assert len(changed) < 20
        await pilot.press("d")
        assert tab.rows.count > 100


def test_secrets_are_never_shown(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    run.config.write_text(
        "seed: 1\nlogger:\n  api_key: hunter2\n  url: https://me:hunter2@host/x\n  password: null\n"
    )
    identity = run.identity()
    identity.update(
        command=["traindeck", "train", "--api-key", "hunter2", "x.token=hunter2"],
        env={"HF_TOKEN": "hunter2"},
    )
    write_json_atomic(run.run_json, identity)
    run.overrides.write_text("- logger.api_key=hunter2\n")
    write_json_atomic(run.provenance, {"seed": {"where": "f", "text": "api_key=hunter2"}})
    found = load(run)
    assert found.problem == ""
    assert "hunter2" not in repr(found)
    assert {s.key: s.value for s in found.settings}["logger.api_key"] == "***"
    assert "hunter2" not in repr(changes(run))


def test_a_garbled_folder_is_told(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    run.config.write_text("a: [1, \x1b]52;c;AAAA\x07")
    run.provenance.write_text("[]")
    run.hash_summary.write_text(json.dumps({"code": 3, "environment": {"packages": [1]}}))
    run.overrides.write_text("{")
    found = load(run)
    assert found.problem
    assert "\x1b" not in repr(found)
    run.config.unlink()
    assert load(run).problem
    assert changes(run)[1]


async def test_what_a_run_was_made_of_follows(runs_dir: Path) -> None:
    run = make_run(runs_dir, overrides=["quickstart"])
    write_json_atomic(
        run.hash_summary,
        {
            "hash": "a" * 64,
            "config": {"hash": "b" * 64},
            "code": {"hash": "c" * 64, "project": {"commit": "d" * 40, "dirty": True}},
            "environment": {"hash": "e" * 64, "python": "3.11.7", "packages": {"numpy": "2.0"}},
        },
    )
    facts = dict(load(run).facts)
    assert facts["command"] == "traindeck train quickstart"
    assert facts["git commit"] == "d" * 40 + " with changes that were not committed"
    assert facts["python"] == "3.11.7"
    assert facts["package numpy"] == "2.0"
    assert facts["hash of config"] == "b" * 64


# ── output ───────────────────────────────────────────────────────────────────────────────────


async def test_output_is_followed_and_cleaned(runs_dir: Path) -> None:
    run = make_run(runs_dir, output="hello [red]\x1b[31mx\x1b]0;title\x07\n 1%\r 50%\r100%\ntail")
    tab = OutputTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)) as pilot:
        await settled(pilot, lambda: "3 lines" in tab.facts.text)
        assert [line.text for line in tab.rows.lines] == ["hello [red]x", "100%", "tail"]
        assert "hello [red]x" in lines(deck)[1]
        with run.output.open("a") as file:
            file.write("\rfull\nnext\n")
        tab.show(picture_of(run))
        await settled(pilot, lambda: "next" in text_of(deck))
        assert [line.text for line in tab.rows.lines][2:] == ["full", "next"]
        assert "following" in tab.facts.text


async def test_a_huge_output_opens_at_its_end_and_pages_back(runs_dir: Path) -> None:
    run = make_run(runs_dir)
    with run.output.open("w") as file:
        file.writelines(f"line {n} {'x' * 90}\n" for n in range(200_000))
    tab = OutputTab(Source.of_run(run))
    deck = deck_of(runs_dir, tab)
    async with deck.run_test(size=(80, 14)) as pilot:
        await settled(pilot, lambda: "line 199999" in text_of(deck))
        first = tab.rows.count
        assert first < 5000
        top = tab.rows.lines[0]
        await pilot.press("g")
        await settled(pilot, lambda: tab.rows.count > first)
        assert tab.rows.current is top
        assert tab.rows.cursor == tab.rows.count - first
        assert "before them" in tab.facts.text


def test_back_to_the_beginning_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    wanted = [f"line {n} {'y' * (n % 700)}" for n in range(4000)]
    path.write_text("\n".join(wanted) + "\n")
    file = OutputFile(path)
    assert file.poll()
    while file.back():
        pass
    assert file.page.before == 0
    assert list(file.page.lines) == wanted
    assert not file.poll()
    with path.open("a") as more:
        more.write("x\n")
    assert file.poll()
    assert file.page.moved == 0
    assert list(file.page.lines) == [*wanted, "x"]


def test_a_file_cut_or_replaced_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    file = OutputFile(path)
    assert file.poll()
    assert file.page.missing
    assert not file.poll()
    path.write_text("one\ntwo\n")
    assert file.poll()
    assert file.page.lines == ("one", "two")
    path.write_text("x\n")
    assert file.poll()
    assert file.page.lines == ("x",)
    assert file.page.moved is None
    other = tmp_path / "other"
    other.write_text("new and longer\n")
    other.replace(path)
    assert file.poll()
    assert file.page.lines == ("new and longer",)
    path.unlink()
    assert file.poll()
    assert file.page.missing
    os.mkfifo(path)
    assert file.poll()
    assert file.page.problem


def test_a_flood_and_a_line_without_end_stay_bounded(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"start\n")
    file = OutputFile(path)
    file.poll()
    for _ in range(6):
        with path.open("ab") as more:
            more.write(b"\xff\x00z" * 100_000)
        file.poll()
        assert len(file.page.lines[-1]) < 60_000
    with path.open("ab") as more:
        more.write(b"\n" + b"flood\n" * 400_000)
    file.poll()
    assert len(file.page.lines) <= output_source.GROWN_BYTES
    assert file.page.lines[-1] == "flood"
    assert file.page.before > 0


def test_only_so_many_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_text("")
    file = OutputFile(path)
    for _ in range(6):
        with path.open("a") as more:
            more.write("ab\n" * 20_000)
        file.poll()
    assert len(file.page.lines) == output_source.KEPT_LINES
    assert file.page.moved == -20_000
    assert file.page.before == 60_000


# ── all of them ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("colours", [True, False])
async def test_every_tab_stands_without_a_folder(
    runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, colours: bool
) -> None:
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    events = tmp_path / "events.jsonl"
    write_events(events, training(5))
    assert [tab.TITLE for tab in TABS] == ["log", "checkpoints", "config", "output", "alerts"]
    run = make_run(runs_dir, events=training(5))
    picture = picture_of(run)
    for kind in TABS:
        tab = kind(Source(None, events, None, "events.jsonl"))
        deck = deck_of(runs_dir, tab)
        async with deck.run_test(size=(80, 24)) as pilot:
            tab.show(picture)
            await pilot.press("slash", "x", "escape", "enter", "n", "N", "d", "f", "r", "G", "g")
            assert tab.facts.text
            assert tab.rows.has_focus or isinstance(deck.screen, Details)
