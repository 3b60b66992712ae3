"""Small sets of generated planets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trainer.recipes.spectra.make import make

FRAMES = 32


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four planets of few frames; not to be changed."""
    root = tmp_path_factory.mktemp("spectra") / "planets"
    assert make(root, 4, seed=5, frames=FRAMES, fgs_frames=FRAMES) == 4
    return root


@pytest.fixture
def planets(made: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "planets"))
