"""Tables of TOML files on the screen of profiles: shown, edited in place, copied, followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from profilelab import profiles

TEXT = """\
# Ours.
[hardware.box]  # in the corner
name = "Box"
device = "cpu"
max_batch_size = 4  # tried

[presets.mine]
hardware = "box"
model = "gpt_nano"
data = "pystdlib"
loss = "next_token"
callbacks = "none"
batch_size = 2
"""


@pytest.fixture
def ours(runs_dir: Path) -> Path:
    """The project's own file of tables."""
    path = runs_dir.parent / "config" / "training.toml"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    return path


async def test_a_table_stands_in_the_tree_and_is_edited_in_its_file(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "hardware/box", (140, 40)) as lab:
        assert "config/training.toml  [hardware.box]" in lab.text()
        assert lab.yaml.language in ("toml", None)
        form = lab.form
        assert form.go_to("hardware.max_batch_size")
        await lab.press("2", "home", "down", "down", "enter", "ctrl+u", "8", "enter")
        await lab.composed()
        await lab.press("s")
        await lab.until(lambda: any("Saved" in text for text in lab.said))
        assert ours.read_text() == TEXT.replace("= 4  # tried", "= 8  # tried")


async def test_a_preset_shows_its_choices_and_what_is_wrong_where_it_stands(
    runs_dir: Path, ours: Path
) -> None:
    ours.write_text(TEXT.replace("batch_size = 2", "batch_size = 9"))
    async with profiles(runs_dir, "preset/mine", (160, 40)) as lab:
        assert "hardware (option)" in lab.text()
        seen = lab.screen.seen
        assert seen is not None
        assert seen.own == 1
        assert seen.problems[0].where.startswith("config/training.toml:13")
        assert "takes at most 4" in seen.problems[0].what


async def test_a_built_in_table_is_saved_as_a_copy_in_the_projects_file(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "lora/minimal", (140, 40)) as lab:
        assert "saves as config/training.toml" in lab.text()
        await lab.press("2", "home", "enter", "ctrl+u", "4", "enter")
        await lab.composed()
        assert lab.changes["lora.r"][1] == 4
        await lab.press("s")
        await lab.until(lambda: any("Saved as a copy" in text for text in lab.said))
        text = ours.read_text()
        assert text.startswith(TEXT + "\n[lora.minimal]\n# For little memory")
        assert "\nr = 4\n" in text
        await lab.until(lambda: lab.screen.catalogue.find("lora/minimal").kind == "project")  # type: ignore[union-attr]


async def test_tables_come_and_go_with_the_file(runs_dir: Path, ours: Path) -> None:
    async with profiles(runs_dir, "hardware/box", (140, 40)) as lab:
        before = ours.stat().st_mtime_ns
        ours.write_text(TEXT + "\n[lora.new]\nr = 2\n")
        os.utime(ours, ns=(before + 10**9, before + 10**9))
        lab.screen._watched = -1e9
        lab.screen.tick()
        await lab.until(lambda: lab.screen.catalogue.find("lora/new") is not None)
        await lab.until(lambda: "[lora.new]" in lab.yaml.text)
        ours.write_text("[lora.new\n")
        os.utime(ours, ns=(before + 2 * 10**9, before + 2 * 10**9))
        lab.screen._watched = -1e9
        lab.screen.tick()
        await lab.until(lambda: any("training.toml:1:" in text for text in lab.said))
