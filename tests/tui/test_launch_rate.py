"""The learning rate in the launch screen."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from launchlab import launch, press, settle, write
from textual.pilot import Pilot
from tuilab import shown

from trainer.errors import ConfigError, Problem
from trainer.runs.lr import Curve, CurveProcess
from tui.glyphs import ASCII, UNICODE, Glyphs
from tui.screens.launch import LaunchScreen
from tui.screens.launch.rate import Rates
from tui.screens.launch.result import ResultRows
from tui.widgets.chart.lr import lr_rows, lr_summary, lr_table, plain


def a_curve(steps: int = 40, groups: int = 1, **more: Any) -> Curve:
    """A straight fall from 0.5 to 0; the second group's is a tenth of it."""
    falls = [
        [0.5 * (1 - at / steps) / 10**number for at in range(steps)] for number in range(groups)
    ]
    known: dict[str, Any] = {
        "groups": ["Muon", "AdamW"][:groups] if groups > 1 else ["all"],
        "unit": "step",
        "total": steps,
        "known": True,
        "stepped": True,
        "exact": True,
        "rows": [[at, *(fall[at] for fall in falls)] for at in range(steps)],
        "width": 1,
        **dict.fromkeys(("first", "low", "high", "last"), falls),
        "points": [[name, at, *(fall[at] for fall in falls)]
                   for name, at in (("start", 0), ("end", steps - 1))],
        "notes": [],
    }  # fmt: skip
    return Curve(**(known | more))


class Fake:
    """Answers with a curve of as many steps as the config says, once it may."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []
        self.may = threading.Event()
        self.may.set()
        self.closed = False
        self.wrong = ""

    def curve(self, config: Mapping[str, Any], batches: int | None = None) -> Curve:
        self.may.wait(30)
        self.asked.append((config["trainer"]["max_steps"], batches))
        if self.wrong:
            raise ConfigError(Problem(self.wrong))
        return a_curve(config["trainer"]["max_steps"] if batches is None else batches)

    def batches(self, config: Mapping[str, Any]) -> int:
        return 77

    def close(self) -> None:
        self.closed = True


async def given(pilot: Pilot[Any], screen: LaunchScreen, fake: Any) -> str:
    """Let a screen compute with a fake, and give its result."""
    screen.rates = Rates(fake)
    screen.compose_soon(at_once=True)
    screen.action_part(3)  # where there is little room, only what is in front is laid out
    await settle(pilot)
    return screen.query_one(ResultRows).text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_curve_stands_in_the_result_and_follows_what_is_typed(
    runs_dir: Path, size: tuple[int, int]
) -> None:
    async with launch(runs_dir, "quickstart", size=size) as (pilot, screen):
        fake = Fake()
        text = await given(pilot, screen, fake)
        assert "learning rate  over 1 200 steps" in text
        assert "start 0.5 at 0" in text
        assert "⠉" in text or "⠒" in text
        await press(pilot, "3")
        await write(pilot, "trainer.max_steps=30")
        screen.action_part(3)
        await settle(pilot)
        assert "over 30 steps" in screen.query_one(ResultRows).text
        assert "learning rate  over 30 steps" in shown(screen)
        # What does not concern it is not computed again.
        before = len(fake.asked)
        await press(pilot, "3")
        await write(pilot, "seed=3")
        await write(pilot, "trainer.max_steps=30")
        assert len(fake.asked) == before
    assert fake.closed


async def test_ascii_and_no_colour_show_the_same(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with launch(runs_dir, "quickstart", glyphs=ASCII) as (pilot, screen):
        text = await given(pilot, screen, Fake())
        assert "learning rate  over 1 200 steps" in shown(screen)
        assert "+-" in text
        assert text.isascii()


async def test_it_is_computed_away_from_the_screen_and_the_latest_wins(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart", size=(120, 40)) as (pilot, screen):
        fake = Fake()
        await given(pilot, screen, fake)
        fake.may.clear()
        await pilot.press("3")
        focused = screen.focused
        assert focused is not None
        for steps in (30, 31, 32):
            focused.value = f"trainer.max_steps={steps}"  # type: ignore[attr-defined]
            for _ in range(200):
                await pilot.pause(0.02)
                if screen.outcome.config["trainer"]["max_steps"] == steps:
                    break
        # While it computes the screen goes on, with the curve so far.
        text = screen.query_one(ResultRows).text
        assert "over 1 200 steps  computing…" in text
        fake.may.set()
        await settle(pilot)
        assert "over 32 steps\n" in screen.query_one(ResultRows).text
        assert 31 not in [steps for steps, _ in fake.asked]


async def test_what_torch_refuses_is_told_in_words(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        fake = Fake()
        fake.wrong = "OneCycleLR fails at its step 21 of 33."
        text = await given(pilot, screen, fake)
        assert "OneCycleLR fails at its step 21 of 33." in text


async def test_a_config_with_problems_has_no_curve(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart", "trainer.max_epoch=3") as (pilot, screen):
        fake = Fake()
        assert "learning rate" not in await given(pilot, screen, fake)
        assert not fake.asked


async def test_batches_are_counted_only_when_asked_for(runs_dir: Path) -> None:
    words = ("quickstart", "trainer.max_epochs=1")
    async with launch(runs_dir, *words) as (pilot, screen):
        fake = Fake()
        assert "B builds the data" in await given(pilot, screen, fake)
        await press(pilot, "B")
        assert fake.asked[-1] == (1200, 77)
        text = screen.query_one(ResultRows).text
        assert "over 77 steps" in text
        assert "B builds the data" not in text


async def test_the_process_ends_with_the_screen(runs_dir: Path) -> None:
    process = CurveProcess()
    async with launch(runs_dir, "quickstart") as (_, screen):
        process.start()  # it imports torch with the first question, and none is asked
        screen.rates = Rates(process)
        child = process._process
        assert child is not None
        assert child.poll() is None
    assert child.poll() is not None


# Drawing, for the screen and the command line alike


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("size", [(78, 9), (30, 6), (12, 4), (100, 16)])
def test_drawings_fit(glyphs: Glyphs, size: tuple[int, int]) -> None:
    for curve in (a_curve(), a_curve(groups=2), a_curve(1), a_curve(unit="epoch")):
        rows = lr_rows(curve, *size, glyphs)
        assert len(rows) == size[1]
        assert {sum(len(text) for _, text in row) for row in rows} == {size[0]}
        assert any(text.strip() for text in plain(rows))


def test_nothing_to_draw_is_said() -> None:
    nothing = {name: [[]] for name in ("first", "low", "high", "last")}
    curve = a_curve(total=0, rows=[], points=[], **nothing)
    assert "no step is taken" in "\n".join(plain(lr_rows(curve, 60, 9, UNICODE)))


def test_groups_that_move_alike_are_one_curve() -> None:
    curve = a_curve(groups=2)
    assert [curve.name(number) for number in curve.distinct] == ["Muon", "AdamW"]
    assert "LR OF ADAMW" in lr_table(curve)[0]
    falls = curve.low[:1] * 3
    alike = a_curve(groups=1, **dict.fromkeys(("first", "low", "high", "last"), falls))
    assert lr_summary(alike) == "over 40 steps"


def test_three_groups_of_two_kinds_are_named_by_their_kind() -> None:
    one, two = a_curve(groups=2).low
    marks = {name: [one, two, two] for name in ("first", "low", "high", "last")}
    curve = a_curve(**marks, groups=1)
    named = Curve(**{**vars_of(curve), "groups": ["Muon", "AdamW, weight decay",
                                                  "AdamW, no weight decay"]})  # fmt: skip
    assert named.distinct == [0, 1]
    assert [named.name(number) for number in named.distinct] == ["Muon", "AdamW"]


def vars_of(curve: Curve) -> dict[str, Any]:
    return {name: getattr(curve, name) for name in curve.__dataclass_fields__}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"stepped": False}, "over 40 steps, thinned"),
        ({"stepped": False, "exact": False}, "over 40 steps, sampled"),
        ({"known": False}, "over the first 40 steps"),
        ({"unit": "epoch"}, "over 40 epochs"),
    ],
)
def test_what_is_shown_is_said(more: dict[str, Any], said: str) -> None:
    assert lr_summary(a_curve(**more)) == said
