"""Editing a profile by keyboard: the form, the YAML, the diff, and what is written in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from profilelab import profiles

import profiles as built_in
from trainer.config.compose import compose

CI_FAST = (built_in.FOLDER / "trainer" / "ci_fast.yaml").read_text()


def copy_of(runs_dir: Path, name: str = "trainer/ci_fast") -> Path:
    return runs_dir.parent / "profiles" / f"{name}.yaml"


def own(runs_dir: Path, name: str, text: str) -> Path:
    path = copy_of(runs_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def test_a_newcomer_changes_the_learning_rate_sees_the_diff_and_launches(
    runs_dir: Path,
) -> None:
    async with profiles(runs_dir, "") as lab:
        assert "ci_fast" in lab.text()
        await lab.press("down", "enter", "a")
        await lab.type("learning rate")
        await lab.press("enter", "ctrl+u")
        await lab.type("5e-4")
        await lab.press("enter")
        await lab.composed()
        assert "0.0005" in lab.text()
        await lab.press("4")
        assert "optimizer.config.lr" in lab.text()
        assert lab.changes["optimizer.config.lr"] == (0.005, 5e-4)
        assert "trainer/ci_fast.yaml:18" in lab.text()
        assert not copy_of(runs_dir).exists()
        await lab.press("L", "y")
        await lab.until(lambda: lab.launched)
        assert lab.launched == [["trainer=ci_fast"]]
        # The copy holds every comment of the built-in one, which is as it was.
        assert copy_of(runs_dir).read_text() == CI_FAST + "optimizer:\n  config:\n    lr: 0.0005\n"
        assert (built_in.FOLDER / "trainer" / "ci_fast.yaml").read_text() == CI_FAST
        assert compose(["trainer=ci_fast"], cwd=runs_dir.parent).config["optimizer"]["config"][
            "lr"
        ] == pytest.approx(5e-4)


async def test_a_value_is_edited_in_place_and_saved_as_a_copy(runs_dir: Path) -> None:
    async with profiles(runs_dir, "trainer/kaggle_safe") as lab:
        await lab.press("enter", "enter", "ctrl+u", "7", "enter")
        await lab.composed()
        assert lab.screen.current is not None
        assert lab.screen.current.is_changed
        assert lab.changes["trainer.max_epochs"] == (50, 7)
        await lab.press("s")
        path = copy_of(runs_dir, "trainer/kaggle_safe")
        await lab.until(path.exists)
        original = (built_in.FOLDER / "trainer" / "kaggle_safe.yaml").read_text()
        assert path.read_text() == original.replace("max_epochs: 30", "max_epochs: 7")
        await lab.until(lambda: lab.screen.current and lab.screen.current.entry.kind == "project")
        assert "profiles/trainer/kaggle_safe.yaml" in lab.text()


async def test_a_mistake_is_told_as_it_is_typed_and_where_it_stands(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("enter", "enter", "ctrl+u")
        await lab.type("-5")
        assert "'trainer.max_epochs' cannot be -5: it takes int | null, ≥ -1" in lab.text()
        await lab.press("enter")
        assert lab.form.is_editing
        await lab.press("escape")
        assert not lab.form.is_editing
        assert lab.screen.current is not None
        assert not lab.screen.current.is_changed


async def test_yaml_edits_show_in_the_form_and_their_problems_by_line(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("y", "down", "down", "down", "end", "0")
        await lab.composed()
        assert "max_epochs: 20" in lab.yaml.text
        assert lab.form.rows.rows[0].value == 20
        await lab.type(" x")
        await lab.composed()
        assert "trainer/ci_fast.yaml:4" in lab.text()
        await lab.press("escape", "2")
        assert lab.form.rows.rows[0].problem
        await lab.press("u")
        await lab.composed()
        assert lab.yaml.text == CI_FAST
        assert not lab.form.rows.rows[0].problem


async def test_saving_problems_needs_a_yes(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("y", "down", "down", "down", "end", "x", "ctrl+s")
        await lab.until(lambda: "Save it with these problems?" in lab.text())
        assert "cannot be" in lab.text()
        await lab.press("n")
        assert not copy_of(runs_dir).exists()
        await lab.press("ctrl+s")
        await lab.until(lambda: "Save it with these problems?" in lab.text())
        await lab.press("y")
        await lab.until(copy_of(runs_dir).exists)


async def test_keys_are_removed_and_brought_back(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("enter", "end", "tilde")
        assert lab.screen.current is not None
        assert "grace" not in lab.screen.current.profile.text
        await lab.press("u")
        assert lab.screen.current.profile.text == CI_FAST


async def test_a_key_of_another_section_asks_first_and_then_works(runs_dir: Path) -> None:
    async with profiles(runs_dir, "optimizer/adamw") as lab:
        await lab.press("enter", "a")
        await lab.type("trainer.max_epochs")
        await lab.press("enter")
        await lab.until(lambda: "@package _global_" in lab.text())
        await lab.press("y")
        await lab.until(lambda: lab.form.is_editing)
        await lab.press("ctrl+u", "3", "enter")
        await lab.composed()
        # What comes later wins, and the form says so.
        notes = {row.key: row.note for row in lab.form.rows.rows}
        assert "becomes 50 by trainer/defaults.yaml" in notes["trainer.max_epochs"]
        assert lab.yaml.text.startswith("# @package _global_\n# AdamW")


async def test_options_of_a_preset_are_chosen_from_their_group(runs_dir: Path) -> None:
    async with profiles(runs_dir, "preset/quickstart") as lab:
        await lab.press("enter", "down", "enter")
        await lab.until(lambda: "gpt_nano" in lab.text())
        await lab.type("gpt_nano")
        await lab.press("enter")
        await lab.composed()
        assert "- override /model: gpt_nano" in lab.yaml.text
        assert lab.screen.seen is not None
        assert lab.screen.seen.composed is not None
        assert lab.screen.seen.composed.choices["model"] == "gpt_nano"


async def test_a_hardware_profile_has_a_card(runs_dir: Path) -> None:
    async with profiles(runs_dir, "hardware/cloud-rtx-4090") as lab:
        await lab.press("enter")
        for fact in ("Cloud RTX 4090", "24 GB", "0.6 $/h", "batch 4", "fp16 yes", "supported"):
            assert fact in lab.text()


async def test_a_broken_file_opens_with_its_place_and_can_be_mended(runs_dir: Path) -> None:
    path = own(runs_dir, "trainer/ci_fast", "trainer: [\n  evil\x1b]52;c;aGk=\x07\n")
    async with profiles(runs_dir) as lab:
        assert "broken" in lab.text()
        assert "profiles/trainer/ci_fast.yaml:2" in lab.text()
        assert "\x1b" not in lab.text()
        await lab.press("3")
        assert "\x1b" not in lab.text()
        await lab.press("y", "ctrl+end", "shift+ctrl+home", "delete")
        await lab.type("max")
        lab.yaml.load_text("max_epochs: 3\n")
        await lab.composed()
        assert lab.form.rows.rows[0].key == "trainer.max_epochs"
        await lab.press("ctrl+s")
        await lab.until(lambda: path.read_text() == "max_epochs: 3\n")


async def test_a_secret_is_not_saved(runs_dir: Path) -> None:
    own(runs_dir, "logger/mine", "wandb:\n  enabled: true\n")
    async with profiles(runs_dir, "logger/mine") as lab:
        await lab.press("y", "down", "end", "enter")
        await lab.type("api_key: abcdef")
        await lab.press("ctrl+s")
        await lab.until(lambda: any("looks like a secret" in text for text in lab.said))
        assert "abcdef" not in copy_of(runs_dir, "logger/mine").read_text()


async def test_leaving_with_changes_asks(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        left: list[bool] = []
        lab.deck.back = lambda: left.append(True)  # type: ignore[method-assign]
        await lab.press("enter", "enter", "ctrl+u", "7", "enter", "escape", "escape")
        assert "Leave without saving?" in lab.text()
        assert "trainer/ci_fast" in lab.text()
        await lab.press("n")
        assert not left
        await lab.press("escape", "y")
        assert left


async def test_changes_wait_while_one_looks_at_other_profiles(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("enter", "enter", "ctrl+u", "7", "enter", "1", "down")
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.full == "trainer/defaults"
        )
        await lab.press("up")
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.full == "trainer/ci_fast"
        )
        assert "max_epochs: 7" in lab.yaml.text


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_every_pane_is_reached_by_keys(runs_dir: Path, size: tuple[int, int]) -> None:
    async with profiles(runs_dir, size=size) as lab:
        for key, pane in (("2", "form"), ("3", "yaml"), ("4", "changes"), ("1", "profiles")):
            await lab.press(key)
            assert lab.screen.pane == pane
        for pane in ("form", "yaml", "changes", "profiles"):
            await lab.press("tab")
            assert lab.screen.pane == pane
        if size[0] >= 120:
            for sight in ("form", "yaml", "diff against the defaults", "kaggle_safe"):
                assert sight in lab.text()


async def test_the_search_finds_by_name_and_goes_there(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("slash")
        await lab.type("muon")
        await lab.press("enter")
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.full == "optimizer/muon"
        )
        assert "kaggle_safe" in lab.text()


async def test_the_search_shows_what_comes_under_a_cursor_that_stays(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("slash")
        await lab.type("cloud-a100")
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.name == "cloud-a100-40gb"
        )


async def test_comparing_with_another_profile(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("d")
        await lab.until(lambda: "Compare with" in lab.text())
        await lab.type("trainer/kaggle_safe")
        await lab.press("enter")
        await lab.until(lambda: lab.screen.seen and lab.screen.seen.against)
        assert lab.changes["trainer.max_epochs"] == (30, 2)
        await lab.press("4")
        assert "diff against trainer/kaggle_safe" in lab.text()


async def test_a_difference_leads_to_its_key(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("4", "end", "up", "enter")
        # `trainer.amp` comes from elsewhere: it is a switch, and is set here from now on.
        await lab.composed()
        assert "amp: true" in lab.yaml.text
        await lab.press("4", "home", "enter")
        assert lab.screen.pane == "form"
        assert lab.form.row is not None
        assert lab.form.row.key == "trainer.max_epochs"


async def test_no_color_is_drawn(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with profiles(runs_dir, "hardware/cpu", (120, 40)) as lab:
        await lab.press("y")
        assert "editing the YAML" in lab.text()
