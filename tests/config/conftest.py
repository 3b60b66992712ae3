"""Profiles made for one test, and no others: nobody's own folders take part."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[Path, dict[str, str]], Path]


@pytest.fixture(autouse=True)
def no_profiles_of_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the user's folder at an empty place; gives where its profiles would lie."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    return home / ".config" / "traindeck" / "profiles"


@pytest.fixture
def write() -> Write:
    """Give a function that writes files below a folder, their texts dedented."""

    def files(folder: Path, texts: dict[str, str]) -> Path:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return folder

    return files


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
