"""Files of profiles from the screen: saved, copied, renamed, deleted, and never overwritten."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from profilelab import Lab, profiles
from tuilab import make_run

TEXT = "# mine\nmax_epochs: 3\namp: true\n# between\nprecision: 32-true\n"


@pytest.fixture
def mine(runs_dir: Path) -> Path:
    """A profile of the project: `trainer/mine`."""
    path = runs_dir.parent / "profiles" / "trainer" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    return path


async def change_epochs(lab: Lab, value: str) -> None:
    await lab.press("2", "home", "enter", "ctrl+u")
    await lab.type(value)
    await lab.press("enter")
    await lab.composed()


async def test_changes_of_others_in_other_lines_are_merged(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await change_epochs(lab, "7")
        mine.write_text(TEXT.replace("32-true", "bf16-mixed"))
        await lab.press("s")
        await lab.until(lambda: any("together with" in text for text in lab.said))
        assert mine.read_text() == TEXT.replace("32-true", "bf16-mixed").replace("3\n", "7\n", 1)
        assert "bf16-mixed" in lab.yaml.text


async def test_changes_of_others_in_the_same_line_are_shown_and_kept(
    runs_dir: Path, mine: Path
) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await change_epochs(lab, "7")
        theirs = TEXT.replace("3\n", "9\n", 1)
        mine.write_text(theirs)
        await lab.press("s")
        await lab.until(lambda: "changed meanwhile" in lab.text())
        assert "- max_epochs: 9" in lab.text()
        assert "+ max_epochs: 7" in lab.text()
        await lab.press("escape")
        assert mine.read_text() == theirs
        await lab.press("s")
        await lab.until(lambda: "changed meanwhile" in lab.text())
        await lab.press("m")
        await lab.until(lambda: "<<<<<<<" in lab.yaml.text)
        assert mine.read_text() == theirs
        await lab.press("u")
        assert lab.yaml.text == TEXT.replace("3\n", "7\n", 1)


async def test_taking_what_is_on_disk(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await change_epochs(lab, "7")
        theirs = TEXT.replace("3\n", "9\n", 1)
        mine.write_text(theirs)
        await lab.press("s")
        await lab.until(lambda: "changed meanwhile" in lab.text())
        await lab.press("t")
        await lab.until(lambda: lab.yaml.text == theirs)
        assert lab.screen.current is not None
        assert not lab.screen.current.is_changed


async def test_a_file_that_was_deleted_meanwhile_is_asked_about(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await change_epochs(lab, "7")
        mine.unlink()
        await lab.press("s")
        await lab.until(lambda: "deleted meanwhile" in lab.text())
        assert not mine.exists()
        await lab.press("w")
        await lab.until(mine.exists)
        assert "max_epochs: 7" in mine.read_text()


async def test_what_others_change_is_noticed(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        other = TEXT.replace("amp: true", "amp: false")
        mine.write_text(other)
        lab.screen.context.clock.move(5)  # type: ignore[attr-defined]
        lab.screen.tick()
        await lab.until(lambda: lab.yaml.text == other)
        await change_epochs(lab, "7")
        mine.write_text(other.replace("32-true", "16-mixed"))
        lab.screen.context.clock.move(5)  # type: ignore[attr-defined]
        lab.screen.tick()
        await lab.until(lambda: "Changed on disk meanwhile" in lab.text())
        await lab.press("m")
        await lab.until(lambda: "16-mixed" in lab.yaml.text)
        assert "max_epochs: 7" in lab.yaml.text
        assert "max_epochs: 3" in mine.read_text()


async def test_undo_after_a_merge_forgets_nothing_of_the_others(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await change_epochs(lab, "7")
        mine.write_text(TEXT.replace("32-true", "16-mixed"))
        await lab.press("s")
        await lab.until(lambda: "16-mixed" in lab.yaml.text)
        await lab.press("2", "u")
        await lab.until(lambda: "32-true" in lab.yaml.text)
        await lab.press("s")
        await lab.until(lambda: "16-mixed" in lab.yaml.text)
        assert "max_epochs: 7" in mine.read_text()
        assert "16-mixed" in mine.read_text()


async def test_new_files_are_noticed(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        mine.with_name("other.yaml").write_text("amp: true\n")
        lab.screen.context.clock.move(5)  # type: ignore[attr-defined]
        lab.screen.tick()
        await lab.until(lambda: "other" in lab.text())


async def test_save_as_keeps_the_old_file(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await change_epochs(lab, "7")
        await lab.press("S")
        await lab.until(lambda: "Save trainer/mine as" in lab.text())
        await lab.press("ctrl+u")
        await lab.type("../up")
        assert "no name for a profile" in lab.text()
        await lab.press("ctrl+u")
        await lab.type("quick")
        await lab.press("enter")
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.full == "trainer/quick"
        )
        assert mine.read_text() == TEXT
        assert mine.with_name("quick.yaml").read_text() == TEXT.replace("3\n", "7\n", 1)


async def test_a_taken_name_is_refused(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await lab.press("D")
        await lab.until(lambda: "Save trainer/mine as" in lab.text())
        await lab.press("ctrl+u")
        await lab.type("mine")
        await lab.press("enter")
        await lab.until(lambda: any("exists" in text for text in lab.said))
        assert mine.read_text() == TEXT


async def test_rename_delete_and_undo(runs_dir: Path, mine: Path) -> None:
    async with profiles(runs_dir, "trainer/mine") as lab:
        await lab.press("r")
        await lab.until(lambda: "Rename trainer/mine to" in lab.text())
        await lab.type("2")
        await lab.press("enter")
        new = mine.with_name("mine2.yaml")
        await lab.until(new.exists)
        assert not mine.exists()
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.full == "trainer/mine2"
        )
        await lab.press("x")
        await lab.until(lambda: "Delete trainer/mine2?" in lab.text())
        await lab.press("y")
        await lab.until(lambda: not new.exists())
        await lab.until(lambda: "mine2" not in lab.text())
        await lab.press("u")
        await lab.until(new.exists)
        assert new.read_text() == TEXT


async def test_built_in_profiles_stay(runs_dir: Path) -> None:
    async with profiles(runs_dir) as lab:
        await lab.press("x", "r")
        assert len(lab.said) == 2
        assert all("Built-in" in text for text in lab.said)


async def test_a_deleted_copy_gives_way_to_the_built_in_one(runs_dir: Path) -> None:
    path = runs_dir.parent / "profiles" / "trainer" / "ci_fast.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# @package _global_\ntrainer:\n  max_epochs: 9\n")
    async with profiles(runs_dir) as lab:
        assert "project" in lab.text()
        await lab.press("x")
        await lab.until(lambda: "will be used again" in lab.text())
        await lab.press("y")
        await lab.until(lambda: lab.screen.current and lab.screen.current.entry.kind == "built-in")
        await lab.composed()
        assert "max_epochs: 2" in lab.yaml.text


async def test_a_new_profile_holds_every_key_as_a_comment(runs_dir: Path) -> None:
    async with profiles(runs_dir, "optimizer/adam") as lab:
        await lab.press("n")
        await lab.until(lambda: "New profile of optimizer" in lab.text())
        await lab.type("mine")
        await lab.press("enter")
        await lab.until(
            lambda: lab.screen.current and lab.screen.current.entry.full == "optimizer/mine"
        )
        await lab.composed()
        assert "# type:" in lab.yaml.text
        await lab.press("2", "a")
        await lab.type("optimizer.config.lr")
        await lab.press("enter", "ctrl+u", "1", "enter")
        await lab.composed()
        assert lab.changes["optimizer.config.lr"] == (0.005, 1)


@pytest.fixture
def suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal to step aside from, which a test has not."""

    @contextlib.contextmanager
    def suspend(self: object) -> Iterator[None]:
        yield

    monkeypatch.setattr("tui.app.Deck.suspend", suspend)


def editor(tmp_path: Path, code: str) -> str:
    script = tmp_path / "editor.py"
    script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{code}\n")
    return f"{sys.executable} {script}"


@pytest.mark.usefixtures("suspended")
async def test_the_persons_editor_changes_the_text_in_hand(
    runs_dir: Path, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "path.write_text(path.read_text().replace('max_epochs: 3', 'max_epochs: 8'))"
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(tmp_path, code))
    async with profiles(runs_dir, "trainer/mine") as lab:
        await lab.press("e")
        await lab.composed()
        assert "max_epochs: 8" in lab.yaml.text
        assert mine.read_text() == TEXT
        await lab.press("s")
        await lab.until(lambda: "max_epochs: 8" in mine.read_text())


@pytest.mark.usefixtures("suspended")
@pytest.mark.parametrize(
    ("command", "said"),
    [("no-such-editor-anywhere", "cannot be started"), ("false", "ended with code 1")],
)
async def test_an_editor_that_is_missing_or_fails_is_told(
    runs_dir: Path, mine: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", command)
    async with profiles(runs_dir, "trainer/mine") as lab:
        await lab.press("e")
        assert any(said in text for text in lab.said)
        assert lab.yaml.text == TEXT


async def test_a_run_is_something_to_compare_with(runs_dir: Path, mine: Path) -> None:
    run = make_run(runs_dir, "before", overrides=["quickstart"])
    assert run.config.is_file()
    async with profiles(runs_dir, "trainer/mine") as lab:
        await lab.press("d")
        await lab.until(lambda: "Compare with" in lab.text())
        await lab.type("before")
        await lab.press("enter")
        await lab.until(lambda: lab.screen.seen and lab.screen.seen.against)
        assert "trainer.max_epochs" in lab.changes


async def test_an_editor_that_is_missing_leaves_the_terminal_to_the_app(
    runs_dir: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_back: list[bool] = []

    @contextlib.contextmanager
    def suspend(self: object) -> Iterator[None]:
        yield  # as Textual's: an error that leaves the block skips what follows
        came_back.append(True)

    monkeypatch.setattr("tui.app.Deck.suspend", suspend)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "no-such-editor-anywhere")
    async with profiles(runs_dir, "trainer/mine") as lab:
        await lab.press("e")
        assert came_back
