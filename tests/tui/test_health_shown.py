"""Where alerts and what was wrong at the end stand on the screens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monitorlab import monitor, press, text
from tuilab import NOW, context, make_run, training

from trainer.health import ADVICE
from tui.app import Deck
from tui.screens.runs.screen import RunsScreen

SICK = "train/loss is NaN since step 12"


def alert(
    message: str, *, level: str = "error", state: str = "begins", **more: Any
) -> dict[str, Any]:
    return {
        "ts": NOW - 3500,
        "event": "alert",
        "level": level,
        "kind": "divergence",
        "step": 12,
        "state": state,
        "message": message,
        **more,
    }


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        ("completed", f"max_epochs reached; {SICK}", True),
        ("stopped", f"asked; {SICK}", True),
        ("failed", "train/loss is NaN at step 12", True),
        ("completed", "max_epochs reached", False),
    ],
)
async def test_the_list_shows_what_was_wrong_at_the_end(
    runs_dir: Path, state: str, reason: str, shown: bool
) -> None:
    make_run(runs_dir, "fell-ill", state=state, reason=reason)
    app = Deck(context(runs_dir))
    async with app.run_test(size=(130, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        screen.source.step()
        screen.tick()
        await pilot.pause()
        strips = screen._compositor.render_strips()
        row = next(strip.text for strip in strips if "fell-ill" in strip.text)
    assert ("train/loss is NaN" in row) is shown
    # Of a good end with something wrong in it, the usual reason is what matters least.
    assert "max_epochs" not in row


async def test_the_monitor_has_alerts_in_its_head_line_and_tab(runs_dir: Path) -> None:
    told = alert("The loss has gone up from 0.5 to 9.", advice="Start with less.", loss=9.0)
    run = make_run(runs_dir, state="running", created=NOW - 60, events=[*training(20), told])
    async with monitor(run, runs_dir, size=(120, 40)) as (_, pilot):
        assert "1 alert (6)" in text(pilot)
        await press(pilot, "6")
        shown = text(pilot)
    assert "The loss has gone up from 0.5 to 9." in shown
    assert "Start with less." in shown


async def test_the_end_tells_of_what_was_wrong_and_not_of_what_was_over(runs_dir: Path) -> None:
    over = alert("Over: plateau.", level="info", state="over")
    told = alert("The loss has gone up to 9.", advice="Start with less.")
    run = make_run(runs_dir, state="failed", events=[*training(20), told, over])
    async with monitor(run, runs_dir, size=(120, 40)) as (_, pilot):
        shown = text(pilot)
    head = shown.splitlines()[:4]
    assert any("The loss has gone up to 9." in line for line in head), shown
    assert not any("Over:" in line for line in head)


async def test_a_run_that_the_kernel_ended_for_memory_shows_what_to_do(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="out_of_memory", reason="killed", events=training(20))
    async with monitor(run, runs_dir, size=(200, 40)) as (_, pilot):
        assert ADVICE["out_of_memory"][:40] in " ".join(text(pilot).split())


def test_show_has_the_reason_and_what_to_do_for_want_of_memory(
    runs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.commands.runs import show

    make_run(runs_dir, "fell-ill", reason=f"max_epochs reached; {SICK}")
    make_run(runs_dir, "too-big", state="out_of_memory", created=NOW - 7200)
    assert show("fell-ill", runs_dir, False) == 0
    assert SICK in capsys.readouterr().out
    show("too-big", runs_dir, False)
    assert "Reduce the batch size" in capsys.readouterr().out
