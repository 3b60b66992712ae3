"""The keys that act on runs, against real processes where a process matters."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual.binding import BindingType
from textual.pilot import Pilot
from textual.widgets import Static
from tuilab import context, make_run, training, write_events

from trainer.events.backward import last_of
from trainer.runs import control, manage, program
from trainer.runs.layout import RunFolder, write_json_atomic
from trainer.runs.status import State, read_status
from tui.app import Deck, Severity
from tui.screens.monitor.control import RunControl
from tui.screens.monitor.deeds import goes_on_from, look, loses, no_stop
from tui.screens.monitor.folder import FolderDialog
from tui.widgets.dialogs import Confirm, TypeToConfirm
from tui.widgets.keybar import binding


class Keys(RunControl):
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("s", "stop_step", "stop"),
        binding("S", "stop_epoch", "stop after the epoch"),
        binding("c", "checkpoint", "checkpoint"),
        binding("v", "validate", "validate"),
        binding("K", "kill", "kill"),
        binding("R", "resume", "resume"),
        binding("o", "open_folder", "folder"),
    ]

    def __init__(self, *runs: RunFolder) -> None:
        super().__init__()
        self.runs = list(runs)

    def controlled(self) -> list[RunFolder]:
        return self.runs


class Said(Deck):
    """Keeps what is said for longer than a toast lasts."""

    def say(self, text: str, severity: Severity = "information") -> None:
        super().say(text, severity)
        self.__dict__.setdefault("words", []).append(text)


def app_of(runs_dir: Path, *runs: RunFolder) -> Deck:
    return Said(context(runs_dir), lambda: Keys(*runs))


def said(deck: Deck) -> str:
    return "\n".join(deck.__dict__.get("words", []))


def forget(deck: Deck) -> None:
    deck.__dict__["words"] = []


async def until_true(pilot: Pilot[Any], fits: Callable[[], bool], seconds: float = 20.0) -> None:
    for _ in range(int(seconds / 0.05)):
        await pilot.pause()
        if fits():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never: {said(pilot.app)} on {pilot.app.screen}")  # type: ignore[arg-type]


def shown(deck: Deck) -> str:
    return "\n".join(str(each.content) for each in deck.screen.query(Static))


async def test_a_stop_is_asked_for_and_becomes_visible(
    launched: Callable[..., RunFolder], until: Callable[..., Any], runs_dir: Path
) -> None:
    run = launched("good")
    until(run, lambda status: status.progress.step is not None)
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("s")
        await until_true(pilot, lambda: isinstance(deck.screen, Confirm))
        assert "saves a checkpoint first" in shown(deck)
        await pilot.press("enter")
        assert isinstance(deck.screen, Confirm)
        await pilot.press("y")
        await until_true(pilot, lambda: "is stopping after this step" in said(deck))
    assert until(run, "stopped").state == State.STOPPED


async def test_no_is_no(launched: Callable[..., RunFolder], runs_dir: Path) -> None:
    run = launched("good")
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("S")
        await until_true(pilot, lambda: isinstance(deck.screen, Confirm))
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(deck.screen, Keys)
        assert control.pending(run) == []


async def test_killing_needs_the_id_and_says_what_is_lost(
    launched: Callable[..., RunFolder], until: Callable[..., Any], runs_dir: Path
) -> None:
    run = launched("good")
    until(run, lambda status: (status.progress.step or 0) > 3)
    write_events(run, [{"event": "checkpoint", "path": "checkpoints/last.ckpt", "step": 1}])
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("K")
        await until_true(pilot, lambda: isinstance(deck.screen, TypeToConfirm))
        assert "since the last checkpoint (step 1) are lost" in shown(deck)
        await pilot.press("x", "enter")
        assert isinstance(deck.screen, TypeToConfirm)
        await pilot.press("backspace", *run.id, "enter")
        await until_true(pilot, lambda: "good stopped: TERM" in said(deck))
    assert read_status(run).terminal


async def test_resume_goes_on_in_the_same_folder(
    launched: Callable[..., RunFolder],
    until: Callable[..., Any],
    fake_trainer: Path,
    runs_dir: Path,
    whole_checkpoint: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = launched("good")
    until(run, lambda status: (status.progress.step or 0) > 3)
    whole_checkpoint(run.checkpoints / "last.ckpt")
    write_events(run, [{"event": "checkpoint", "path": "checkpoints/last.ckpt", "step": 1}])
    manage.request_stop(run)
    until(run, "stopped")
    identity = run.identity()
    identity["argv"] = [sys.executable, "-m", program.ENGINE, str(run.path)]
    write_json_atomic(run.run_json, identity)
    again = [sys.executable, str(fake_trainer), str(run.path), "good", "60"]
    monkeypatch.setattr(program, "command_line", lambda *_: again)
    monkeypatch.setattr("trainer.runs.again.need_training_packages", lambda *_: None)
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("R")
        await until_true(pilot, lambda: isinstance(deck.screen, Confirm))
        assert "last.ckpt at step 1;" in shown(deck)
        await pilot.press("y")
        await until_true(pilot, lambda: "goes on from last.ckpt" in said(deck))
    assert until(run, "running").attempt == 2


async def test_what_is_over_cannot_be_stopped(runs_dir: Path) -> None:
    done = make_run(runs_dir, "done", state="completed")
    dead = make_run(runs_dir, "dead", state="failed")
    deck = app_of(runs_dir, done, dead)
    async with deck.run_test() as pilot:
        for key in "sSKcv":
            await pilot.press(key)
            await until_true(pilot, lambda: not deck.screen._asking)  # type: ignore[attr-defined]
            assert isinstance(deck.screen, Keys)
            assert "done has already completed" in said(deck)
            assert "dead is already over (failed); R resumes it" in said(deck)
            forget(deck)
        await pilot.press("R")
        await until_true(pilot, lambda: "has completed; there is nothing left" in said(deck))
        assert "dead has no whole checkpoint" in said(deck)


async def test_without_a_folder_it_says_why_not(runs_dir: Path) -> None:
    deck = app_of(runs_dir)
    async with deck.run_test() as pilot:
        for key in "sSKcvRo":
            await pilot.press(key)
            await until_true(pilot, lambda: "watched, not steered" in said(deck))
            forget(deck)


async def test_a_second_stop_says_that_one_is_under_way(runs_dir: Path) -> None:
    run = make_run(runs_dir, "slow", state="running")
    control.request(run, "stop", after="epoch")
    assert look(run).stop == "epoch"
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("S")
        await until_true(pilot, lambda: "stopping already, after this epoch" in said(deck))
        await pilot.press("s")
        await until_true(pilot, lambda: isinstance(deck.screen, Confirm))


def test_a_stop_after_the_epoch_may_still_be_hurried(runs_dir: Path) -> None:
    later = look(make_run(runs_dir, "a", state="stopping", reason="after this epoch: asked"))
    soon = look(make_run(runs_dir, "b", state="stopping", reason="timeout"))
    assert [no_stop(later, after) for after in ("epoch", "step")] == [
        "a is stopping already, after this epoch; K ends it without waiting",
        "",
    ]
    assert "after this step" in no_stop(soon, "step")


async def test_several_at_once(runs_dir: Path) -> None:
    runs = [make_run(runs_dir, f"r{n}", state="running") for n in range(3)]
    deck = app_of(runs_dir, *runs)
    async with deck.run_test() as pilot:
        await pilot.press("c")
        await until_true(pilot, lambda: said(deck).count("for a checkpoint") == 3)
        assert [control.pending(run)[0].kind for run in runs] == ["checkpoint"] * 3
        await pilot.press("K")
        await until_true(pilot, lambda: isinstance(deck.screen, TypeToConfirm))
        assert "Type kill 3 to confirm." in shown(deck)
        await pilot.press("escape")


async def test_a_folder_that_takes_no_request_is_told(runs_dir: Path) -> None:
    run = make_run(runs_dir, "full", state="running")
    run.control.rmdir()
    run.control.write_text("in the way")
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("v")
        await until_true(pilot, lambda: "the request cannot be written" in said(deck))


async def test_hostile_names_are_harmless(runs_dir: Path) -> None:
    run = make_run(runs_dir, "bad", state="running")
    identity = json.loads(run.run_json.read_text())
    identity["name"] = "[red]x[/]\x1b]52;c;AAAA\x07\x9b31m"
    write_json_atomic(run.run_json, identity)
    assert look(run).name == "[red]x[/]"
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("s")
        await until_true(pilot, lambda: isinstance(deck.screen, Confirm))
        assert "Stop [red]x[/] after this step?" in shown(deck)


async def test_the_folder_is_shown_and_copied_on_a_key_only(runs_dir: Path) -> None:
    run = make_run(runs_dir, "here there")
    deck = app_of(runs_dir, run)
    async with deck.run_test() as pilot:
        await pilot.press("o")
        assert isinstance(deck.screen, FolderDialog)
        assert f"cd '{run.path}'" in shown(deck)
        assert deck.clipboard == ""
        await pilot.press("y")
        assert deck.clipboard == str(run.path)
        await pilot.press("o", "c")
        assert deck.clipboard == f"cd '{run.path}'"


def test_what_killing_loses(runs_dir: Path) -> None:
    run = make_run(runs_dir, "busy", state="running", step=450)
    assert loses(look(run)) == "No checkpoint is known: up to 450 steps are lost."
    write_events(run, [{"event": "checkpoint", "path": "checkpoints/last.ckpt", "step": 400}])
    write_events(run, training(60, start=401, begin=False))
    # The status is a second old; the events are not.
    assert loses(look(run)) == "Up to 60 steps since the last checkpoint (step 400) are lost."


def test_what_resuming_begins_with(
    runs_dir: Path, whole_checkpoint: Callable[[Path], None]
) -> None:
    run = make_run(runs_dir, "ended", state="killed", step=450)
    assert goes_on_from(look(run)) == ""
    whole_checkpoint(run.checkpoints / "last-epoch00004.ckpt")
    (run.checkpoints / "last.ckpt").symlink_to("last-epoch00004.ckpt")
    assert goes_on_from(look(run)) == "It goes on from last.ckpt."
    assert loses(look(run)) == "What it did since its last checkpoint is lost."
    for step, name in ((400, "last-epoch00004"), (430, "best-epoch00004")):
        path = f"checkpoints/{name}.ckpt"
        write_events(run, [{"event": "checkpoint", "path": path, "step": step}])
    write_events(run, training(60, start=401, begin=False))
    # The best one is newer, but it is not the one that training goes on from.
    said = goes_on_from(look(run))
    assert said == "It goes on from last.ckpt at step 400; 60 steps are done again."
    assert loses(look(run)) == "Up to 60 steps since the last checkpoint (step 400) are lost."


def test_the_last_event_is_found_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert last_of(path, "log") is None
    write_events(path, [{"event": "log", "message": "x" * size} for size in (10, 2 << 20)])
    write_events(path, training(9000))
    found = last_of(path, "log")
    assert found is not None
    assert last_of(path, "log", far=1000) is None
    assert last_of(path, "alert") is None
