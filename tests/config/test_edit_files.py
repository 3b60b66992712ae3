"""Profiles as files: saved whole, merged with what others wrote, never over it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import profiles
from trainer.config.compose import compose
from trainer.config.edit import EditError, ProfileText
from trainer.config.edit_files import (
    Conflict,
    Opened,
    create,
    delete,
    home_of,
    is_changed,
    open_file,
    rename,
    restore,
    save,
)
from trainer.config.edit_merge import merge
from trainer.errors import ConfigError

TEXT = "# doc\nmax_epochs: 3\namp: true\n# between\nprecision: 32-true\n"


def of(text: str) -> ProfileText:
    return ProfileText(text, "trainer", "trainer/x.yaml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trainer" / "x.yaml"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def test_a_save_is_whole_and_keeps_mode_and_links(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "trainer" / "link.yaml"
    link.symlink_to(file)
    opened = open_file(link)
    now, merged = save(opened, of(TEXT.replace("3", "4")))
    assert not merged
    assert link.is_symlink()
    assert file.read_text() == TEXT.replace("3", "4") == now.text
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == ["link.yaml", "x.yaml"]


def test_changes_of_others_in_other_lines_are_kept(file: Path) -> None:
    opened = open_file(file)
    file.write_text(TEXT.replace("32-true", "bf16-mixed"))
    assert is_changed(opened)
    now, merged = save(opened, of(TEXT.replace("3\n", "4\n", 1)))
    assert merged
    assert now.text == file.read_text()
    assert "max_epochs: 4" in now.text
    assert "bf16-mixed" in now.text
    assert not is_changed(now)


def test_changes_of_others_in_the_same_line_are_never_overwritten(file: Path) -> None:
    opened = open_file(file)
    theirs = TEXT.replace("3\n", "9\n", 1)
    file.write_text(theirs)
    with pytest.raises(Conflict) as caught:
        save(opened, of(TEXT.replace("3\n", "4\n", 1)))
    assert file.read_text() == theirs
    assert caught.value.theirs.text == theirs
    assert "max_epochs: 4" in caught.value.merged.text
    assert "max_epochs: 9" in caught.value.merged.text
    assert caught.value.merged.conflicts == 1


def test_a_merge_that_breaks_the_file_is_refused(file: Path) -> None:
    opened = open_file(file)
    theirs = "max_steps: 9\n" + TEXT
    file.write_text(theirs)
    with pytest.raises(Conflict):
        save(opened, of(TEXT + "max_steps: 5\n"))
    assert file.read_text() == theirs


def test_a_file_that_was_deleted_meanwhile_stays_away(file: Path) -> None:
    opened = open_file(file)
    file.unlink()
    assert is_changed(opened)
    with pytest.raises(Conflict, match="deleted meanwhile"):
        save(opened, of("max_epochs: 4\n"))
    assert not file.exists()
    assert save(Opened.new(file), of("max_epochs: 4\n"))[0].text == "max_epochs: 4\n"


def test_a_touched_file_has_not_changed(file: Path) -> None:
    opened = open_file(file)
    os.utime(file, (1, 1))
    assert not is_changed(opened)


def test_a_new_file_never_replaces_one(file: Path) -> None:
    with pytest.raises(EditError, match="exists"):
        create(file, of("amp: true\n"))
    with pytest.raises(Conflict):
        save(Opened.new(file), of("amp: true\n"))
    assert file.read_text() == TEXT


def test_secrets_are_not_written(file: Path) -> None:
    text = ProfileText("wandb:\n  api_key: abcdef\n", "logger", "logger/x.yaml")
    with pytest.raises(EditError, match="looks like a secret"):
        save(open_file(file), text)
    with pytest.raises(EditError, match="looks like a secret"):
        create(file.with_name("new.yaml"), text)
    assert file.read_text() == TEXT
    assert not file.with_name("new.yaml").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file_is_not_replaced(file: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(EditError, match="read-only"):
        save(open_file(file), of("amp: true\n"))


def test_delete_and_restore(file: Path) -> None:
    hidden = delete(file)
    assert not file.exists()
    assert hidden.name.startswith(".")
    restore(hidden, file)
    assert file.read_text() == TEXT
    hidden = delete(file)
    file.write_text("amp: true\n")
    with pytest.raises(EditError, match="exists"):
        restore(hidden, file)


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "../x", ".hidden", "x.yaml", "a\0b", "null", "a b"]
)
def test_unsafe_names_are_refused(file: Path, name: str) -> None:
    with pytest.raises(EditError, match="no name for a profile"):
        rename(file, name)
    with pytest.raises(EditError, match="no name for a profile"):
        home_of("trainer", name)
    assert file.exists()


def test_copies_of_built_in_profiles_go_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    project = tmp_path / "project"
    project.mkdir()
    assert home_of("trainer", "x", None, project) == (
        project / "profiles" / "trainer" / "x.yaml",
        "profiles/trainer/x.yaml",
    )
    user = tmp_path / "config" / "traindeck" / "profiles" / "trainer" / "x.yaml"
    assert home_of("trainer", "x", None, profiles.FOLDER.parent)[0] == user


def test_unsaved_texts_are_composed_in_place_of_their_files(tmp_path: Path) -> None:
    text = "# @package _global_\ntrainer:\n  max_epochs: 7\n"
    composed = compose(["trainer=ci_fast"], cwd=tmp_path, texts={"trainer/ci_fast": text})
    assert composed.config["trainer"]["max_epochs"] == 7
    assert str(composed.provenance["trainer.max_epochs"]) == "trainer/ci_fast.yaml:3"
    new = compose(["trainer=brand_new"], cwd=tmp_path, texts={"trainer/brand_new": text})
    assert new.config["trainer"]["max_epochs"] == 7
    broken = compose(["trainer=x"], cwd=tmp_path, texts={"trainer/x": "a: ["}, check=False)
    assert "no valid YAML" in broken.problems[0].what
    with pytest.raises(ConfigError):
        compose(["trainer=x"], cwd=tmp_path, texts={"trainer/x": "a: ["})


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n"]), max_size=8).map("".join)


@given(LINES, LINES)
def test_a_merge_with_an_unchanged_side_is_the_other_side(base: str, other: str) -> None:
    assert merge(base, other, base).text == other
    assert merge(base, base, other).text == other
    assert merge(base, other, other).text == other
    assert merge(base, other, base).conflicts == 0


@given(LINES, LINES, LINES)
def test_a_merge_is_even_handed_and_loses_no_line(base: str, mine: str, theirs: str) -> None:
    one, two = merge(base, mine, theirs), merge(base, theirs, mine)
    assert one.conflicts == two.conflicts
    if not one.conflicts:
        assert one.text == two.text
        # What either added is there.
        for letter in "abcd":
            most = max(mine.count(letter), theirs.count(letter))
            least = min(mine.count(letter), theirs.count(letter))
            assert least <= one.text.count(letter) or one.text.count(letter) >= most - base.count(
                letter
            )
