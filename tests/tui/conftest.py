"""The app's tests: real screens over run folders made by hand, and no time but their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainer.runs.layout import RunFolder

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the settings and memories of the person who runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("NO_COLOR", "COLORFGBG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def runs_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs, the usual one of commands."""
    folder = tmp_path / "project" / "runs"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", str(folder))
    return folder


@pytest.fixture
def some(runs_dir: Path) -> dict[str, RunFolder]:
    """A run of each kind, by name: one that trains, one that waits, one done, one that failed."""
    from runslab import four_runs

    return four_runs(runs_dir)
