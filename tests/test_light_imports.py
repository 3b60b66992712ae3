"""The light rooms stay light: a fresh process that imports them holds nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "pytorch_lightning", "lightning", "lightning_fabric", "transformers", "numpy")
LIGHT = [
    "tui",
    "profiles",
    "trainer",
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
    "trainer.runs.supervisor",
    "trainer.commands.config",
    "trainer.commands.follow",
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
