"""The light rooms stay light: a fresh process that imports them holds nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("torch", "pytorch_lightning", "lightning", "lightning_fabric", "transformers", "numpy"),
    "matplotlib",
)
LIGHT = [
    "tui",
    "tui.app",
    "tui.entry",
    "tui.screens.compare",
    "tui.screens.launch",
    "tui.screens.monitor.screen",
    "tui.screens.profiles",
    "tui.screens.runs",
    "profiles",
    "trainer",
    "trainer.api",
    "trainer.cli",
    "trainer.config",
    "trainer.config.compose",
    "trainer.config.schema",
    "trainer.config.validate",
    "trainer.events",
    "trainer.events.reader",
    "trainer.events.series",
    "trainer.events.tail",
    "trainer.events.writer",
    "trainer.runs",
    "trainer.runs.index",
    "trainer.runs.launch",
    "trainer.runs.estimate",
    "trainer.runs.lr",
    "trainer.runs.supervisor",
    "trainer.runs.warm",
    "trainer.sweeps",
    "trainer.sweeps.diagnostics",
    "trainer.sweeps.diagnostics.numbers",
    "trainer.sweeps.drive",
    "trainer.sweeps.results",
    "trainer.commands.ablate",
    "trainer.commands.ablate_drive",
    "trainer.commands.config",
    "trainer.commands.data",
    "trainer.commands.follow",
    "trainer.commands.lora",
    "trainer.commands.lr",
    "trainer.commands.runs",
    "trainer.commands.train",
]


def modules_after(code: str) -> set[str]:
    listing = "import sys; print('MODULES', *sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {listing}"], capture_output=True, text=True, check=True
    )
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("MODULES")]
    return set(line.split()[1:])


@pytest.mark.parametrize("room", LIGHT)
def test_importing_a_light_room_brings_nothing_heavy(room: str) -> None:
    loaded = modules_after(f"import {room}")
    assert room in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("screen", ["tui.screens.runs", "tui.screens.monitor.screen"])
def test_the_first_screens_bring_no_config_libraries(screen: str) -> None:
    loaded = modules_after(f"import tui.app, {screen}")
    assert not loaded & {"pydantic", "yaml", "ruamel", "hydra", "omegaconf", "tree_sitter"}


def test_the_way_into_the_app_brings_no_textual() -> None:
    assert "textual" not in modules_after("import tui.entry")


def test_a_composed_config_brings_nothing_heavy() -> None:
    code = "from trainer.config.compose import compose; compose(['quickstart'])"
    assert not modules_after(code) & set(HEAVY)


def test_help_loads_no_room_at_all() -> None:
    loaded = modules_after(
        "from trainer.cli import cli; cli.main(['--help'], standalone_mode=False)"
    )
    assert not loaded & {"hydra", "omegaconf", "pydantic", "msgspec", "rich", "textual", *HEAVY}


def test_the_supervisor_runs_on_the_standard_library_alone() -> None:
    loaded = modules_after("import trainer.runs.supervisor")
    assert not loaded & {"hydra", "omegaconf", "pydantic", "msgspec", "yaml", "watchdog", *HEAVY}
