"""A run that ran out of memory is resumed with less of it, after a look at what changes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from monitorlab import monitor, text
from textual.pilot import Pilot
from tuilab import make_run, training, work_done

from trainer.cli import cli
from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.screens.launch import LaunchScreen
from tui.screens.monitor import MonitorScreen, smaller
from tui.screens.sweep import deeds
from tui.widgets.dialogs import Ask

WORDS = ("quickstart", "dataloader.batch_size=16", "trainer.accumulate_grad_batches=1")


def big(runs_dir: Path, *words: str) -> RunFolder:
    state = "out_of_memory"
    run = make_run(
        runs_dir,
        "too-big",
        state=state,
        reason="over the limit",
        events=training(20, end=state),
        overrides=words or WORDS,
    )
    run.overrides.write_text("".join(f"- {word}\n" for word in words or WORDS))
    return run


async def until(pilot: Pilot[int], kind: type) -> None:
    # Not `work_done`: what asks waits in a worker for the answer.
    for _ in range(1000):
        await pilot.pause(0.02)
        if isinstance(pilot.app.screen, kind):
            return
    raise AssertionError(f"no {kind.__name__} came up: {pilot.app.screen}")


def test_what_would_take_less(runs_dir: Path, whole_checkpoint: object) -> None:
    run = big(runs_dir)
    found = smaller.look(run)
    assert found is not None
    assert found.settings[:2] == ("dataloader.batch_size=8", "trainer.accumulate_grad_batches=2")
    assert found.words[0] == "quickstart"
    assert set(found.settings) < set(found.words)
    assert "dataloader.batch_size=16" not in found.words
    assert any("dataloader.batch_size  16 → 8" in line for line in found.lines)
    assert smaller.look(make_run(runs_dir, "fine", overrides=WORDS)) is None
    assert smaller.look(make_run(runs_dir, "bare", state="out_of_memory")) is None


async def test_without_a_checkpoint_launch_begins_anew_with_less(runs_dir: Path) -> None:
    run = big(runs_dir)
    async with monitor(run, runs_dir, size=(120, 40)) as (_, pilot):
        await work_done(pilot.app)
        assert "R begins anew with less memory" in text(pilot)
        await pilot.press("R")
        await until(pilot, LaunchScreen)
        screen = pilot.app.screen
        assert isinstance(screen, LaunchScreen)
        assert "dataloader.batch_size=8" in screen.draft.words


async def test_a_checkpoint_is_gone_on_from_after_a_look(
    runs_dir: Path, whole_checkpoint: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked, opened = big(runs_dir), [], []
    whole_checkpoint(run.checkpoints / "last.ckpt")  # type: ignore[operator]
    new = make_run(runs_dir, "new")

    def done(words: list[str], cwd: Path) -> deeds.Done:
        asked.append(list(words))
        return deeds.Done(path=new.path)

    monkeypatch.setattr(deeds, "run", done)
    monkeypatch.setattr(Deck, "open_monitor", lambda self, source: opened.append(source))
    async with monitor(run, runs_dir, size=(120, 40)) as (_, pilot):
        await work_done(pilot.app)
        await pilot.press("R")
        await until(pilot, Ask)
        assert "dataloader.batch_size  16 → 8" in text(pilot)
        await pilot.press("space", *"seed=3", "enter")
        for _ in range(1000):
            await pilot.pause(0.02)
            if opened:
                break
    assert opened[0].run.path == new.path
    command = asked[0]
    assert command[:3] == ["traindeck", "resume", str(run.path)]
    assert {"dataloader.batch_size=8", "seed=3", "--detach", "--json"} < set(command)
    assert command[command.index("--runs-dir") + 1] == str(runs_dir)


async def test_an_empty_line_goes_on_as_it_was(
    runs_dir: Path, whole_checkpoint: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, resumed = big(runs_dir), []
    whole_checkpoint(run.checkpoints / "last.ckpt")  # type: ignore[operator]
    monkeypatch.setattr("tui.screens.monitor.deeds.no_resume", lambda seen: "")

    def resume(runs: list[object]) -> object:
        from tui.screens.monitor.deeds import Told

        resumed.extend(runs)
        return Told(["it goes on"])

    monkeypatch.setattr("tui.screens.monitor.deeds.resume", resume)
    async with monitor(run, runs_dir, size=(120, 40)) as (_, pilot):
        await work_done(pilot.app)
        await pilot.press("R")
        await until(pilot, Ask)
        await pilot.press("escape")
        await until(pilot, MonitorScreen)
        await work_done(pilot.app)
        assert not resumed
        await pilot.press("R")
        await until(pilot, Ask)
        await pilot.press("ctrl+u", "enter")
        for _ in range(1000):
            await pilot.pause(0.02)
            if resumed:
                break
    assert len(resumed) == 1


def test_the_command_is_one_that_the_command_line_takes(
    runs_dir: Path,
    whole_checkpoint: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = big(runs_dir)
    whole_checkpoint(run.checkpoints / "last.ckpt")  # type: ignore[operator]
    monkeypatch.setattr("trainer.runs.launch.start", lambda run, queue=None: None)
    found = smaller.look(run)
    assert found is not None
    words = smaller.command(found, shlex.join(found.settings))
    cli.main(words[1:], standalone_mode=False)
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    config = RunFolder(Path(told["path"])).config.read_text()
    assert "batch_size: 8" in config
    assert Path(told["path"]).is_relative_to(runs_dir)
