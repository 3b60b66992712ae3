"""The hardware card of the launch screen, and the groups that a preset uses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from launchlab import launch, settle
from tuilab import shown

from trainer.config.compose import compose
from trainer.config.hardware_detect import machine
from trainer.config.hardware_fit import verdicts
from trainer.config.hardware_machine import GIB, Gpu
from trainer.config.hardware_torch import Torch
from trainer.runs.estimate import Estimate
from tui.screens.launch.card import Card, card_of, memory_fact
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.composer import in_order
from tui.screens.launch.need import Need
from tui.screens.launch.result import ResultRows
from tui.sources.sweepcost import Cost

HERE = replace(machine(), gpus=(), torch=Torch("2.8.0+cpu"))


def card(*words: str, here: Any = HERE, cost: Cost | None = None) -> Card:
    config = compose(words, check=False).config
    return card_of(config, here, verdicts(here), cost)


def facts(found: Card) -> dict[str, tuple[str, str, bool]]:
    return {fact.name: (fact.used, fact.limit, fact.wrong) for fact in found.facts}


def test_what_is_used_stands_beside_what_there_is() -> None:
    found = card("lora_quickstart", "hardware=cloud-rtx-4090", "dataloader.batch_size=16")
    told = facts(found)
    assert found.name == "Cloud RTX 4090"
    assert told["device"] == ("all x gpu", "has cuda", False)
    assert told["precision"] == ("bf16-mixed", "has fp32, fp16, bf16", False)
    assert told["batch"] == ("16 per device", "at most 4", True)
    assert told["sequence"] == ("256 tokens", "at most 4096", False)
    assert told["LoRA rank"] == ("16", "at most 32", False)
    assert told["cost"] == ("0.60 $ an hour", "", False)


def test_several_devices_and_the_effective_batch() -> None:
    found = card(
        "quickstart",
        "hardware=kaggle-t4x2",
        "trainer.devices=2",
        "trainer.accumulate_grad_batches=4",
    )
    told = facts(found)
    assert told["device"][:2] == ("2 x gpu", "has 2 x cuda")
    assert told["effective"][0].startswith("128 a step = 16 x 2 devices x 4 accumulated")
    assert told["cost"][0] == "nothing to pay"


def test_time_and_cost_from_earlier_runs_and_the_limit() -> None:
    cost = Cost(each=1800.0, least=1700.0, most=1900.0, runs=3)
    told = facts(card("hardware=cloud-rtx-4090", "limits.wall_clock=2:00:00", cost=cost))
    assert told["time"][0].startswith("about 30:00, from 3 earlier runs")
    assert told["time"][1] == "stops at 2:00:00"
    assert told["cost"][:2] == ("0.60 $ an hour, about 0.30 $", "at most 1.20 $")
    assert "time" not in facts(card("hardware=cpu"))


def test_why_a_profile_is_not_this_machine_and_what_would_do() -> None:
    fit = card("lora_quickstart", "hardware=mac-mps").fit
    assert fit.reasons[0].startswith("needs Apple's MPS")
    assert fit.instead == ("auto", "cpu")
    assert fit.fitting == ("auto", "cpu")
    assert "cores" in fit.here
    fit = card("lora_quickstart", "hardware=windows-rtx-5060").fit
    assert fit.unsupported == "CUDA capability sm_120 not supported by PyTorch"
    assert fit.instead == ("auto", "cpu")
    assert not card("quickstart", "hardware=cpu").fit.instead


def test_profiles_that_would_refuse_the_config_are_not_offered() -> None:
    gpu = Gpu(0, "NVIDIA GeForce RTX 4090", "cuda", 24 * GIB, 24 * GIB, (8, 9))
    here = replace(machine(), gpus=(gpu,), torch=None)
    words = ("lora_quickstart", "hardware=mac-mps", "data.sequence_length=8192")
    assert "cloud-rtx-4090" not in card(*words, here=here).fit.instead
    assert "cloud-rtx-4090" in card("lora", "hardware=mac-mps", here=here).fit.instead


def test_the_memory_beside_what_there_is() -> None:
    config = compose(("quickstart", "hardware=cpu", "hardware.available_memory_gb=2")).config
    found = Estimate(
        parameters=1, trained=1, devices=1, weights=10**9, gradients=10**9, state=10**9,
        averages=0, buckets=0, activations=10**9, method="shapes", batch=1, notes=[],
    )  # fmt: skip
    fact = memory_fact(config, Need(found))
    assert (fact.used, fact.limit, fact.wrong) == ("4.0 GB", "has 2 GB", True)
    assert memory_fact(config, None).used == "unknown"
    assert memory_fact(config, Need(said="estimating")).used == "estimating"


def test_a_broken_section_leaves_an_empty_card() -> None:
    assert card_of({"hardware": 3}, HERE, []) == Card()
    assert card_of({}, HERE, []) == Card()


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 10), ((120, 40), 12), ((130, 45), 16)])
async def test_the_groups_that_a_preset_uses_are_in_sight(
    runs_dir: Path, size: tuple[int, int], rows: int
) -> None:
    async with launch(runs_dir, "oracle-rauru-mac", size=size) as (_pilot, screen):
        groups = [row.group for row in screen.query_one(ChoiceRows).rows]
        assert groups[:6] == [
            "preset",
            "hardware",
            "expert",
            "lora",
            "hyperparameters",
            "trainer",
        ]
        assert screen.query_one(ChoiceRows).size.height >= rows
        text = shown(screen)
        for group in groups[:6]:
            assert f" {group} " in text
    async with launch(runs_dir, "quickstart", size=size) as (_pilot, screen):
        groups = [row.group for row in screen.query_one(ChoiceRows).rows]
        assert groups[:3] == ["preset", "hardware", "trainer"]
        assert groups[-3:] == ["expert", "hyperparameters", "lora"]


def test_the_order_of_groups() -> None:
    names = ["lora", "zebra", "trainer", "preset", "hardware", "expert"]
    assert in_order(names) == ["preset", "hardware", "trainer", "zebra", "expert", "lora"]
    assert in_order(names, {"lora": "x"})[:3] == ["preset", "hardware", "lora"]


async def test_a_class_that_another_profile_sets_is_told_in_its_row(runs_dir: Path) -> None:
    async with launch(runs_dir, "oracle-rauru-mac", size=(130, 45)) as (_pilot, screen):
        rows = {row.group: row for row in screen.query_one(ChoiceRows).rows}
        assert rows["scheduler"].option == "none"
        assert rows["scheduler"].what.startswith("LinearLR, by training.toml:")


async def test_ends_of_lines_are_not_under_the_scroll_bar(runs_dir: Path) -> None:
    given = ("lora_quickstart", "hardware=mac-mps", "dataloader.batch_size=16")
    async with launch(runs_dir, *given) as (pilot, screen):
        screen.action_part(3)
        await settle(pilot)
        rows = screen.query_one(ResultRows)
        room = rows.scrollable_content_region.width
        assert rows.count > rows.size.height
        assert max(map(len, rows.text.split("\n"))) <= room


async def test_hardware_that_is_not_known_is_not_said_to_fit(runs_dir: Path) -> None:
    async with launch(runs_dir, "hardware=nosuch", size=(130, 45)) as (_pilot, screen):
        text = screen.query_one(ResultRows).text
        assert " hardware  —" in text
        assert "fits this machine" not in text
