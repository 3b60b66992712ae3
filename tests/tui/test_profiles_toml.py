"""Tables of TOML files on the screen of profiles: shown, edited in place, copied, followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from profilelab import profiles

from tui.screens.profiles.conflict import ConflictDialog
from tui.widgets.dialogs import Ask, Confirm, Pick
from tui.widgets.optionpick import OptionPick

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


async def test_a_table_gets_another_name_and_what_names_it_follows(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "hardware/box", (140, 40)) as lab:
        await lab.press("r", "ctrl+u", *"crate", "enter")
        await lab.until(lambda: isinstance(lab.deck.screen, Confirm))
        assert "preset/mine  config/training.toml:8" in lab.text(), "told before it is done"
        assert ours.read_text() == TEXT
        await lab.press("y")
        await lab.until(lambda: any("is now hardware/crate" in text for text in lab.said))
        new = TEXT.replace("[hardware.box]", "[hardware.crate]").replace('"box"', '"crate"')
        assert ours.read_text() == new, "comments and order stay"
        await lab.until(lambda: lab.screen.current is not None)
        await lab.until(lambda: lab.screen.current.entry.full == "hardware/crate")  # type: ignore[union-attr]


async def test_a_deleted_table_comes_back_with_what_others_wrote_meanwhile(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "hardware/box", (140, 40)) as lab:
        await lab.press("x")
        await lab.until(lambda: isinstance(lab.deck.screen, Confirm))
        assert "would name what is no longer there" in lab.text()
        await lab.press("n")
        assert ours.read_text() == TEXT
        await lab.press("x")
        await lab.until(lambda: isinstance(lab.deck.screen, Confirm))
        await lab.press("y")
        await lab.until(lambda: any("is deleted" in text for text in lab.said))
        assert ours.read_text() == TEXT[TEXT.index("[presets") :]
        await lab.until(lambda: lab.screen.catalogue.find("hardware/box") is None)
        ours.write_text(ours.read_text() + "\n[lora.new]\nr = 2\n")
        await lab.press("u")
        await lab.until(lambda: any("is back" in text for text in lab.said))
        assert ours.read_text() == TEXT + "\n[lora.new]\nr = 2\n"


async def test_new_tables_begin_with_what_they_may_say(runs_dir: Path, ours: Path) -> None:
    async with profiles(runs_dir, "expert/oracle-rauru-assembler", (140, 40)) as lab:
        await lab.press("n", *"mine", "enter")
        await lab.until(lambda: lab.screen.catalogue.find("expert/mine") is not None)
        added = ours.read_text().removeprefix(TEXT)
        assert added.startswith("\n[experts.mine]\n# mine: say here")
        assert "# base_model =" in added
        await lab.until(lambda: lab.screen.current.entry.full == "expert/mine")  # type: ignore[union-attr]
        await lab.press("D", "ctrl+u", *"other", "enter")
        await lab.until(lambda: "[experts.other]" in ours.read_text())


async def test_a_new_preset_is_a_file_or_a_table_as_the_person_says(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "preset/mine", (140, 40)) as lab:
        await lab.press("n")
        await lab.until(lambda: isinstance(lab.deck.screen, Pick))
        assert "TOML, in config/training.toml" in lab.text()
        await lab.press("enter")  # one of tables was in hand
        await lab.until(lambda: isinstance(lab.deck.screen, Ask))
        await lab.press(*"second", "enter")
        await lab.until(lambda: lab.screen.catalogue.find("preset/second") is not None)
        assert "[presets.second]" in ours.read_text()


async def test_hardware_is_measured_by_the_machine_and_the_presets_and_not_by_the_default(
    runs_dir: Path, ours: Path
) -> None:
    ours.write_text(TEXT.replace("batch_size = 2", "batch_size = 9"))
    async with profiles(runs_dir, "hardware/mac-mps", (160, 50)) as lab:
        seen = lab.screen.seen
        assert seen is not None
        assert seen.problems == (), "nobody asked for a batch of 64"
        await lab.until(lambda: "Apple" in lab.text() and "oracle-rauru-mac" in lab.text())
        fits = lab.screen.fits
        assert fits is not None
        presets = {use.preset: use for use in fits.presets}
        assert presets["oracle-rauru-mac"].words
        assert not presets["oracle-rauru-mac"].clamp
        assert presets["lora"].beyond == ("lora.r",)
    async with profiles(runs_dir, "hardware/box", (160, 50)) as lab:
        await lab.until(lambda: "mine (dataloader.batch_size)" in lab.text().replace("\n", " "))
        assert "fits this machine" in lab.text()


@pytest.mark.parametrize("size", [(80, 24), (130, 45)])
async def test_profiles_are_browsed_by_what_one_chooses_by(
    runs_dir: Path, ours: Path, size: tuple[int, int]
) -> None:
    ours.write_text(TEXT + "\n[hyperparameters.long]\nnum_epochs = 9\n")
    async with profiles(runs_dir, "hyperparameters/long", size) as lab:
        assert "epochs 9" in lab.text()
        if size[0] < 120:
            assert "EPOCHS" in lab.text()
            assert "(0.0002)" in lab.text()
        await lab.press("b")
        await lab.until(lambda: isinstance(lab.deck.screen, OptionPick))
        assert "(0.0002)" in lab.text()
        await lab.press(*"three", "enter")  # a word of what it is for
        await lab.until(lambda: lab.screen.current.entry.name == "production")  # type: ignore[union-attr]


async def test_a_presets_options_are_chosen_by_their_facts_in_the_form(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "preset/mine", (140, 40)) as lab:
        await lab.press("2", "home", "enter")
        await lab.until(lambda: isinstance(lab.deck.screen, OptionPick))
        assert "DEVICE" in lab.text()
        await lab.press(*"mac-mps", "enter")
        await lab.until(lambda: 'hardware = "mac-mps"' in lab.yaml.text)


async def test_the_same_line_changed_on_disk_is_a_conflict_and_another_one_is_not(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "hardware/box", (140, 40)) as lab:
        assert lab.form.go_to("hardware.max_batch_size")
        await lab.press("2", "home", "down", "down", "enter", "ctrl+u", "8", "enter")
        await lab.composed()
        ours.write_text(TEXT.replace('"Box"', '"Crate"'))
        await lab.press("s")
        await lab.until(lambda: any("Saved" in text for text in lab.said))
        both = TEXT.replace('"Box"', '"Crate"').replace("= 4  # tried", "= 8  # tried")
        assert ours.read_text() == both
        await lab.press("2", "home", "down", "down", "enter", "ctrl+u", "9", "enter")
        await lab.composed()
        ours.write_text(both.replace("= 8  # tried", "= 16  # tried"))
        await lab.press("s")
        await lab.until(lambda: isinstance(lab.deck.screen, ConflictDialog))
        assert "16" in lab.text()
        await lab.press("t")
        await lab.until(lambda: "= 16  # tried" in lab.yaml.text)


async def test_a_file_that_breaks_while_it_is_edited_is_told_by_its_line(
    runs_dir: Path, ours: Path
) -> None:
    async with profiles(runs_dir, "hardware/box", (140, 40)) as lab:
        assert lab.form.go_to("hardware.max_batch_size")
        await lab.press("2", "home", "down", "down", "enter", "ctrl+u", "8", "enter")
        await lab.composed()
        ours.write_text(TEXT + "[broken =\n")
        lab.screen.reread("hardware/box")
        await lab.until(lambda: any("no valid TOML" in text for text in lab.said))
        assert not any("There is no profile" in text for text in lab.said)
        assert lab.screen.editings["hardware/box"].is_changed, "what was being edited stays in hand"
        ours.write_text(TEXT)
        lab.screen.reread("hardware/box")
        await lab.until(lambda: lab.screen.catalogue.find("hardware/box"))
