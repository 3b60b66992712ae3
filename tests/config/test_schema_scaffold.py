"""A new profile comes with its line in the README and a test that passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trainer.config.compose import compose
from trainer.config.scaffold import new_profile
from trainer.config.schema import fields
from trainer.errors import ConfigError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_new_profile_makes_three_files_and_composes(project: Path) -> None:
    made = new_profile("trainer/multi_node")
    assert made == [
        Path("profiles/trainer/multi_node.yaml"),
        Path("profiles/trainer/README.md"),
        Path("tests/trainer/test_multi_node.py"),
    ]
    assert "| `multi_node` |" in made[1].read_text(encoding="utf-8")
    composed = compose(["trainer=multi_node"], cwd=project)
    assert composed.choices["trainer"] == "multi_node"


def test_every_key_of_the_section_stands_there_as_a_comment(project: Path) -> None:
    text = new_profile("scheduler/mine")[0].read_text(encoding="utf-8")
    assert text.startswith("# mine: ")
    assert yaml.safe_load(text) is None, "nothing is set"
    for name in ("type", "enabled", "config", "interval", "frequency", "monitor", "warmup"):
        assert f"# {name}: " in text
        assert fields()[f"scheduler.{name}"].doc in text


@pytest.mark.parametrize("name", ["optimizer/mine", "preset/mine", "data/mine", "hardware/mine"])
def test_taking_the_comment_signs_away_gives_a_valid_profile(project: Path, name: str) -> None:
    profile = new_profile(name)[0]
    lines = profile.read_text(encoding="utf-8").splitlines()
    head = lines.index("")
    body = [line.removeprefix("# ") for line in lines[head:]]
    profile.write_text("\n".join([*lines[:head], *body]) + "\n", encoding="utf-8")
    assert yaml.safe_load("\n".join(body))
    group, option = name.split("/")
    # Keywords of a class (data.max_items: null) are for that class to judge.
    composed = compose([f"{group}={option}"], cwd=project, check=False)
    problems = [str(p) for p in composed.problems if " takes no '" not in p.what]
    assert not problems


def test_the_tests_that_are_made_pass(project: Path) -> None:
    for name in ("trainer/one", "preset/two-b", "own/three", "deep/er/four"):
        new_profile(name)
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
         "tests"],
        check=False, cwd=project, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_a_copy_keeps_the_comments(project: Path) -> None:
    made = new_profile("trainer/longer", copy_from="kaggle_safe")[0]
    text = made.read_text(encoding="utf-8")
    assert "# @package _global_" in text
    assert "# Kaggle ends a session" in text
    assert compose(["trainer=longer"], cwd=project).config["trainer"]["max_epochs"] == 30


def test_a_copy_may_come_from_another_group_or_ones_own_folder(project: Path) -> None:
    new_profile("limits/short", copy_from="limits/ci")
    assert new_profile("limits/shorter", copy_from="short")[0].read_text(encoding="utf-8") == (
        Path("profiles/limits/short.yaml").read_text(encoding="utf-8")
    )


def test_a_copy_of_nothing_names_the_nearest(project: Path) -> None:
    with pytest.raises(ConfigError, match="kaggle_safe"):
        new_profile("trainer/mine", copy_from="kaggle_saf")
    assert not Path("profiles").exists()


def test_what_exists_is_never_overwritten(project: Path) -> None:
    profile, _, test = new_profile("trainer/mine")
    profile.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists"):
        new_profile("trainer/mine")
    assert profile.read_text(encoding="utf-8") == "mine"
    profile.unlink()
    with pytest.raises(ConfigError, match="exists"):
        new_profile("trainer/mine")
    assert not profile.exists(), f"{test} exists, so nothing is written"


def test_what_people_wrote_in_a_readme_stays(project: Path) -> None:
    readme = Path("profiles/trainer/README.md")
    readme.parent.mkdir(parents=True)
    readme.write_text("# Ours\n\nOur own words.\n", encoding="utf-8")
    new_profile("trainer/one")
    new_profile("trainer/two")
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# Ours\n\nOur own words.\n")
    assert text.count("| `one` |") == 1
    assert text.count("| `two` |") == 1


@pytest.mark.parametrize(
    "name",
    ["", "trainer", "/trainer/x", "../x/y", "trainer/../x", "trainer/..", "trainer/.x", "trainer/",
     "trainer//x", "trainer/x\x1b[31m", "trainer/x\n", "trainer/x y", "trainer\\x", "trainer/x.yaml",
     "trainer/null", "trainer/_self_", "a/" + "x" * 10_000, "trainer/\0", "trainer/a..b", "~/x",
     "trainer/C:x", "trainer/ü"],
)  # fmt: skip
def test_unsafe_names_are_refused(project: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        new_profile(name)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert list(project.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_so(project: Path) -> None:
    Path("profiles").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        new_profile("trainer/mine")


def test_other_folders_may_be_named(project: Path) -> None:
    made = new_profile("trainer/mine", folder=project / "conf", tests=project / "checks")
    assert made[0] == project / "conf" / "trainer" / "mine.yaml"
    assert made[2] == project / "checks" / "trainer" / "test_mine.py"
    assert '"conf"' in made[2].read_text(encoding="utf-8")
