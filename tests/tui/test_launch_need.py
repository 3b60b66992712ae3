"""The memory in the launch screen."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from launchlab import launch, press, settle, write
from test_launch_rate import Fake as FakeRates

from trainer.errors import ConfigError, Problem
from trainer.runs.estimate import Estimate
from tui.screens.launch.need import Needs
from tui.screens.launch.rate import Rates
from tui.screens.launch.result import ResultRows


class Fake:
    """Estimates a megabyte of activations for each sample, once it may."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.may = threading.Event()
        self.may.set()
        self.closed = False
        self.wrong = ""

    def estimate(self, config: Mapping[str, Any], *, prepare: bool = False) -> Estimate:
        assert not prepare
        self.may.wait(30)
        size = int(config["dataloader"]["batch_size"])
        self.asked.append(size)
        if self.wrong:
            raise ConfigError(Problem(self.wrong))
        return Estimate(
            parameters=1, trained=1, devices=1, weights=10**6, gradients=10**6, state=2 * 10**6,
            averages=0, buckets=0, activations=size * 10**6, method="shapes", batch=size,
            notes=["\x1b[31mbeware"],
        )  # fmt: skip

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_memory_stands_in_the_result_and_is_remembered(
    runs_dir: Path, size: tuple[int, int]
) -> None:
    async with launch(runs_dir, "quickstart", size=size) as (pilot, screen):
        fake = Fake()
        screen.rates, screen.needs = Rates(FakeRates()), Needs(fake)
        screen.compose_soon(at_once=True)
        screen.action_part(3)
        await settle(pilot)
        text = " ".join(screen.query_one(ResultRows).text.split())
        assert "memory 20 MB" in text
        assert "activations 16 MB" in text
        assert "no limit is known" in text
        assert "beware" in text
        assert "\x1b" not in text
        await press(pilot, "3")
        await write(pilot, "dataloader.batch_size=50 hardware.available_memory_gb=0.05")
        screen.action_part(3)
        await settle(pilot)
        text = " ".join(screen.query_one(ResultRows).text.split())
        assert "memory 54 MB" in text
        assert "does not fit" in text
        before = list(fake.asked)
        screen.compose_soon(at_once=True)
        await settle(pilot)
        assert fake.asked == before
    assert fake.closed


async def test_why_there_is_no_estimate(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        fake = Fake()
        fake.wrong = "no such model"
        screen.rates, screen.needs = Rates(FakeRates()), Needs(fake)
        screen.compose_soon(at_once=True)
        screen.action_part(3)
        await settle(pilot)
        assert "no such model" in screen.query_one(ResultRows).text
