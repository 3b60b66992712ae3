"""Writing a sweep by keyboard: axes with completion, errors as the command line says them, launch."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from launchlab import press, settle
from nightlab import make_sweep
from textual.pilot import Pilot
from textual.widgets import Input
from tuilab import context, make_run

from trainer.config.compose import compose
from trainer.config.sources import list_groups, list_options
from trainer.config.values import known_keys
from trainer.errors import ConfigError
from trainer.runs import proc
from trainer.runs.layout import read_json, write_json_atomic
from trainer.sweeps import plan
from tui.app import Deck
from tui.screens.base import DeckScreen
from tui.screens.launch import LaunchScreen
from tui.screens.launch.foot import CommandPanel, LaunchBar
from tui.screens.launch.preview import PreviewScreen
from tui.screens.sweep import SweepScreen, WriteSweepScreen, deeds
from tui.screens.sweep.axes import SweepWords, suggest
from tui.screens.sweep.design import read_seeds
from tui.screens.sweep.planrows import PlanRows, cut_words
from tui.screens.sweep.write import like

SIZES = [(80, 24), (120, 40), (200, 60)]
LR = "optimizer.config.lr=1e-3,3e-3"


async def write(pilot: Pilot[Any], text: str, *keys: str) -> None:
    focused = pilot.app.screen.focused
    assert isinstance(focused, Input)
    focused.value = text
    await settle(pilot)
    await press(pilot, *keys)


@asynccontextmanager
async def writing(
    runs_dir: Path, *words: str, size: tuple[int, int] = (80, 24), **more: Any
) -> AsyncIterator[tuple[Pilot[Any], WriteSweepScreen]]:
    app = Deck(context(runs_dir, **more), first=DeckScreen)
    async with app.run_test(size=size) as pilot:
        app.open_sweep_writer(words)
        await settle(pilot)
        assert isinstance(app.screen, WriteSweepScreen)
        yield pilot, app.screen


def shown(screen: Any) -> str:
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in screen._compositor.render_strips()
    )


def said(app: Any) -> str:
    return "\n".join(str(note.message) for note in app._notifications)


@pytest.mark.parametrize("size", SIZES)
async def test_two_axes_and_seeds_are_written_and_counted(
    runs_dir: Path, size: tuple[int, int]
) -> None:
    async with writing(runs_dir, "quickstart", size=size) as (pilot, screen):
        assert "Nothing varies." in screen.query_one(LaunchBar).text
        await write(pilot, LR, "enter")
        await write(pilot, "model.dropout=0.0,0.1,0.2", "enter")
        await press(pilot, "escape", "s")
        await write(pilot, "0 1", "enter")
        text = shown(screen)
        assert "12 trials (2 x 3 x 2 seeds)" in text
        assert "time unknown" in text
        assert "2 values" in text
        assert "3 values" in text
        command = shlex.split(screen.query_one(CommandPanel).command)
        assert command == [
            *("traindeck", "ablate", "-m", "quickstart", LR),
            *("model.dropout=0.0,0.1,0.2", "--seeds", "0,1", "--detach"),
        ]
        assert "L launch" in screen.query_one(LaunchBar).text
        await press(pilot, "4")
        plan_text = screen.query_one(PlanRows).text
        assert "all configs are right" in plan_text
        assert "dropout=0.2 seed=1" in plan_text


WRONG = (
    "optimizer.config.lr=interval(0,1)",
    "optimzer.config.lr=1,2",
    "optimizer=glob(x*)",
    "optimizer=adam,adamwww",
    "trainer.max_epochs=1,zwei",
    "optimizer.config.lr=1,",
)


@pytest.mark.parametrize("word", WRONG)
async def test_errors_are_those_of_the_command_line(runs_dir: Path, word: str) -> None:
    try:
        plan.check(plan.make(["quickstart", word, "seed=0,1"], cwd=runs_dir.parent))
    except ConfigError as error:
        want = error.problems[0]
    async with writing(runs_dir, "quickstart", "seed=0,1") as (pilot, screen):
        await write(pilot, word)  # it stands on the line, nothing was entered
        assert want in screen.planned.problems
        head = " ".join(want.what.split()[:3])
        assert head in shown(screen)
        assert "cannot launch" in shown(screen)
        await press(pilot, "ctrl+l")
        assert "cannot launch" in said(pilot.app)


async def test_what_is_wrong_stands_below_its_override(runs_dir: Path) -> None:
    async with writing(runs_dir, "quickstart", "trainer.max_epochs=1,zwei") as (_, screen):
        rows = screen.query_one(SweepWords)
        assert "zwei" in dict(rows.rows)["trainer.max_epochs=1,zwei"]
        assert dict(rows.rows)["quickstart"] == ""


async def test_modes_are_planned_as_the_command_line_does(runs_dir: Path) -> None:
    words = ("quickstart", LR, "model.dropout=0.1,0.2,0.3")
    async with writing(runs_dir, *words) as (pilot, screen):
        await press(pilot, "escape", "m", "down", "enter")
        assert screen.planned.trials == 6
        assert "--one-at-a-time" in screen.planned.command
        await press(pilot, "m", "down", "enter")
        assert "Paired axes need as many values each" in screen.query_one(LaunchBar).text
        await press(pilot, "u", "u")
        assert screen.planned.trials == 6
        assert "--one-at-a-time" not in screen.planned.command


async def test_options_are_rows_that_enter_changes(runs_dir: Path) -> None:
    async with writing(runs_dir, "quickstart", LR) as (pilot, screen):
        await press(pilot, "escape", "3", "down", "down", "enter")
        await write(pilot, "0")
        assert "a whole number from 1 on" in shown(pilot.app.screen)
        await write(pilot, "2", "enter")
        await press(pilot, "down", "enter")
        await write(pilot, "val/acc", "enter")
        await press(pilot, "down", "enter", "up", "enter")
        await press(pilot, "down", "enter")
        await write(pilot, "my sweep", "enter")
        command = screen.planned.command
        assert command[5:] == (
            *("--parallel", "2", "--metric", "val/acc", "--goal", "max"),
            *("--name", "my sweep", "--detach"),
        )
        assert screen.planned.plan is not None
        assert screen.planned.plan.trials[0].name.startswith("my sweep-1")


async def test_trials_beyond_their_hardware_are_clamped_by_a_key(runs_dir: Path) -> None:
    given = ("quickstart", "hardware.max_batch_size=8", "dataloader.batch_size=4,16")
    async with writing(runs_dir, *given) as (pilot, screen):
        assert "cannot launch" in screen.query_one(LaunchBar).text
        assert "--clamp" not in screen.query_one(LaunchBar).text
        assert screen.applies("clamp")
        await press(pilot, "ctrl+g")
        assert "--clamp" in screen.planned.command
        assert screen.is_planned
        assert "2 trials" in screen.query_one(LaunchBar).text
        assert any("lowers 1 trial of 2" in note for note in screen.planned.notes)
        assert "to the hardware's limits" in shown(screen)
        assert screen.writing.undo()
        await settle(pilot)
        assert "--clamp" not in screen.planned.command
        assert "cannot launch" in screen.query_one(LaunchBar).text


async def test_trials_that_clamping_makes_the_same_are_one(runs_dir: Path) -> None:
    given = ("quickstart", "hardware.max_batch_size=8", "dataloader.batch_size=4,8,16,32")
    async with writing(runs_dir, *given) as (pilot, screen):
        await press(pilot, "ctrl+g")
        assert screen.planned.ready
        assert f"{screen.planned.trials} trials" in screen.query_one(LaunchBar).text


async def test_the_time_is_told_from_earlier_runs(runs_dir: Path) -> None:
    run = make_run(runs_dir, "before", overrides=["quickstart"], host=proc.host_name())
    record = read_json(run.status)
    write_json_atomic(run.status, {**record, "started": 1000.0, "ended": 1090.0})
    async with writing(runs_dir, "quickstart", LR) as (_, screen):
        assert "2 trials · by val/loss (min) · about 3:00" in shown(screen)
        assert "from 1 earlier run like it (1:30)" in screen.query_one(LaunchBar).text


async def test_a_dry_run_lists_what_the_command_lists(runs_dir: Path) -> None:
    async with writing(runs_dir, "quickstart", LR) as (pilot, screen):
        await press(pilot, "escape", "d")
        preview = pilot.app.screen
        assert isinstance(preview, PreviewScreen)
        assert "1  optimizer.config.lr=0.001" in preview.lines
        assert "2 trials, 1 at a time, by val/loss (min); all configs are right" in preview.lines
        assert preview.command == screen.command


async def test_launch_runs_the_command_and_watches_the_sweep(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(runs_dir)
    ran: list[list[str]] = []

    def run(words: list[str], cwd: Path) -> deeds.Done:
        ran.append(words)
        return deeds.Done("", path=sweep.path)

    monkeypatch.setattr(deeds, "run", run)
    async with writing(runs_dir, "quickstart") as (pilot, screen):
        # Typed and launched at once: what was typed counts.
        await write(pilot, LR)
        await press(pilot, "ctrl+l")
        assert ran == [[*screen.planned.command, "--json"]]
        assert LR in ran[0]
        front = pilot.app.screen
        assert isinstance(front, SweepScreen)
        assert front.source.path == sweep.path
        assert screen not in pilot.app.screen_stack


async def test_what_keeps_it_from_starting_is_told(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = deeds.Done(problem="traindeck: the disk is full")
    monkeypatch.setattr(deeds, "run", lambda words, cwd: wrong)
    async with writing(runs_dir, "quickstart", LR) as (pilot, screen):
        await press(pilot, "ctrl+l")
        assert "not launched: traindeck: the disk is full" in said(pilot.app)
        assert pilot.app.screen is screen
        assert not screen.launching


async def test_launch_hands_its_composition_over(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), first=DeckScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_launch(["quickstart", "trainer.max_epochs=2"])
        await settle(pilot)
        assert isinstance(app.screen, LaunchScreen)
        await press(pilot, "w")
        assert isinstance(app.screen, WriteSweepScreen)
        assert app.screen.design.draft.words == ("quickstart", "trainer.max_epochs=2")
        await press(pilot, "escape", "escape")
        assert isinstance(app.screen, LaunchScreen)


async def test_leaving_asks_where_something_would_be_lost(runs_dir: Path) -> None:
    async with writing(runs_dir, "quickstart") as (pilot, screen):
        assert screen.unsaved() == []
        await write(pilot, LR, "enter")
        assert screen.unsaved() == [f"quickstart {LR}"]
        await press(pilot, "escape", "q")
        assert f"This is lost: quickstart {LR}" in shown(pilot.app.screen)
        await press(pilot, "y")
        assert type(pilot.app.screen) is DeckScreen


async def test_rows_are_edited_and_taken_out_and_a_command_is_pasted(runs_dir: Path) -> None:
    async with writing(runs_dir) as (pilot, screen):
        await write(pilot, f"traindeck ablate -m quickstart {LR} seed=0,1", "enter")
        assert screen.design.draft.words == ("quickstart", LR, "seed=0,1")
        await press(pilot, "escape", "home", "enter")
        await write(pilot, "optimizer.config.lr=1e-3,1e-2", "enter")
        assert screen.design.draft.words[1] == "optimizer.config.lr=1e-3,1e-2"
        await press(pilot, "home", "down", "x")
        assert screen.design.draft.words == ("quickstart", "optimizer.config.lr=1e-3,1e-2")


async def test_one_begins_like_an_earlier_sweep(runs_dir: Path) -> None:
    words = ("quickstart", "optimizer=glob(adam*)")
    sweep = make_sweep(runs_dir, *words, seeds=(3, 4), mode="one_at_a_time")
    assert like(sweep).draft.words == words
    assert like(sweep).mode == "one_at_a_time"
    async with writing(runs_dir) as (pilot, screen):
        await press(pilot, "escape", "b", "enter")
        assert screen.design.draft.words == words


# ── completion ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def known() -> tuple[Any, Any, Any]:
    composed = compose(["preset=spectramind", "trainer=ci_fast"], check=False)
    groups = {group: tuple(list_options(group)) for group in list_groups()}
    return groups, tuple(known_keys(composed.config)), composed.config


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("optimizer=", "optimizer=glob(*)"),
        ("optimizer=adam,sg", "optimizer=adam,sgd"),
        ("optimizer=adam,", "optimizer=adam,adamw"),
        ("seed=", "seed=0,1,2"),
        ("trainer.max_epochs=", "trainer.max_epochs=1,2,4"),
        ("loss.composite.smoothness.enabled=", "loss.composite.smoothness.enabled=true,false"),
        ("molecular_fing", "symbolic.rules.molecular_fingerprint.enabled="),
        (
            "symbolic.rules.molecular_fingerprint.enabled=",
            "symbolic.rules.molecular_fingerprint.enabled=true,false",
        ),
        ("loss.composite.smooth", "loss.composite.smoothness.weight="),
    ],
)
def test_completion_knows_keys_values_and_lists(
    known: tuple[Any, Any, Any], typed: str, wanted: str
) -> None:
    assert wanted in [each.text for each in suggest(typed, *known)]


def test_a_value_is_not_offered_twice(known: tuple[Any, Any, Any]) -> None:
    texts = [each.text for each in suggest("optimizer=adam,", *known)]
    assert "optimizer=adam,adam" not in texts


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("", ()), ("0,1", (0, 1)), ("3 3 1", (3, 1)), ("1,-2", None), ("1.5", None), ("9" * 11, None)],
)
def test_seeds_are_read_as_the_command_line_reads_them(
    text: str, seeds: tuple[int, ...] | None
) -> None:
    found, problem = read_seeds(text)
    assert bool(problem) == (seeds is None)
    assert found == (seeds or ())


def test_keys_are_cut_and_values_stay() -> None:
    words = ["symbolic.rules.molecular_fingerprint.enabled=true", "seed=1"]
    assert cut_words(words, 80, "…") == " ".join(words)
    assert cut_words(words, 44, "…") == "molecular_fingerprint.enabled=true seed=1"
    assert cut_words(words, 30, "…").endswith("enabled=true seed=1")
    assert len(cut_words(words, 22, "…")) <= 22


# ── for real ─────────────────────────────────────────────────────────────────────────────────────


def test_a_command_that_fails_says_what_the_shell_would(runs_dir: Path) -> None:
    words = ["traindeck", "ablate", "-m", "quickstart", "optimzer.config.lr=1,2", "--detach"]
    done = deeds.run(words, runs_dir.parent)
    assert done.path is None
    assert "there is no key 'optimzer'" in done.problem


@pytest.mark.slow
async def test_a_real_sweep_is_launched_and_watched(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    for name, target in (("data/x", "Data"), ("model/x", "Net"), ("loss/x", "Loss")):
        file = runs_dir.parent / "profiles" / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(f"# T.\n_target_: enginelab.tiny.{target}\n")
    engine = Path(__file__).parents[2] / "engine"
    monkeypatch.setenv("PYTHONPATH", str(engine))
    settings = Path(os.environ["XDG_CONFIG_HOME"]) / "traindeck" / "settings.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("allowed_prefixes: [enginelab]\n")
    words = (
        *("trainer=defaults", "data=x", "model=x", "loss=x", "callbacks=none", "logger=none"),
        *("trainer.max_epochs=1", "dataloader.batch_size=4", "run.num_threads=1", "seed=0,1"),
    )
    async with writing(runs_dir, *words) as (pilot, screen):
        assert screen.planned.ready, screen.planned.problems
        await press(pilot, "ctrl+l")
        front = pilot.app.screen
        assert isinstance(front, SweepScreen), said(pilot.app)
        until = time.monotonic() + 300
        while front.source.picture.state != "completed" and time.monotonic() < until:
            await asyncio.sleep(0.2)
            front.look_anew()
        await settle(pilot)
        assert "✓ completed   2/2 done" in shown(front)
