"""Completion as a real bash does it, breaking words at `=`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASH = shutil.which("bash")


def complete(line: str, folder: Path) -> list[str]:
    """Ask bash for what it would offer at the end of a line."""
    script = f"""
traindeck() {{ {sys.executable} -m trainer.cli "$@"; }}
eval "$(traindeck completion bash)"
compopt() {{ :; }}
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
_traindeck_completion traindeck
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [str(BASH), "-c", script],
        cwd=folder,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("traindeck tra", "train"),
        ("traindeck train quick", "quickstart"),
        ("traindeck train trainer=k", "kaggle_safe"),
        ("traindeck train trainer.max_ep", "trainer.max_epochs="),
        ("traindeck train quickstart dataloader.pin_memory=t", "true"),
        ("traindeck config where optimizer.ty", "optimizer.type"),
        ("traindeck profiles list tr", "trainer"),
        ("traindeck profiles new tr", "trainer/"),
        ("traindeck runs --state run", "running"),
        ("traindeck check repro quick", "quickstart"),
        ("traindeck check repro la", "last"),
    ],
)
def test_bash_offers(line: str, offers: str, tmp_path: Path) -> None:
    found = complete(line, tmp_path)
    assert offers in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script(shell: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trainer.cli", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_TRAINDECK_COMPLETE" in done.stdout


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_a_broken_project_offers_nothing_and_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("a file where a folder should be")
    assert "quickstart" in complete("traindeck train quick", tmp_path)
