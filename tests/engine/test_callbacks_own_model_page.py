"""docs/own-model.md: every file on the page is written, every command is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "own-model.md"
FILES = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"<!-- run -->\n```bash\n(.*?)```", re.DOTALL)


@pytest.fixture
def here(tmp_path):
    """A folder of a person's own, with all files of the page in it."""
    for name, text in FILES.findall(PAGE.read_text()):
        path = Path(name.replace("$XDG_CONFIG_HOME", str(tmp_path / "config")))
        path = path if path.is_absolute() else tmp_path / "work" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def execute(here, line):
    """Run one command line of the page as its reader would."""
    program, *arguments = line.split()
    start = {"traindeck": ["-m", "trainer.cli"], "python": []}[program]
    known = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDECK_")}
    paths = {"XDG_CONFIG_HOME": str(here / "config"), "PYTHONPATH": f"{ROOT}:{here / 'work'}"}
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        env={**known, **paths, "OMP_NUM_THREADS": "1"},
        cwd=here / "work",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def steps_of(events):
    rows = [json.loads(line) for line in events.read_text().splitlines()]
    return [
        row["step"] for row in rows if row["event"] == "metrics" and "train/loss" in row["metrics"]
    ]


def test_the_page_has_three_ways():
    assert len(COMMANDS.findall(PAGE.read_text())) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("way", "steps"), [(0, 48), (1, 36), (2, 200)])
def test_a_way(here, way, steps):
    commands = COMMANDS.findall(PAGE.read_text())[way].strip().splitlines()
    shown = [execute(here, command) for command in commands]
    (events,) = (here / "work" / "runs").rglob("events.jsonl")
    assert steps_of(events) == list(range(1, steps + 1))
    if way == 0:
        assert "width" in shown[1]
        config = (events.parent.parent / "config.yaml").read_text()
        assert "width: 64" in config
    elif way == 1:
        assert "waves" in shown[1]
        assert "completed" in shown[2]


@pytest.mark.slow
def test_a_loss_of_several_terms(here):
    (commands,) = re.findall(r"<!-- run terms -->\n```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for command in commands.strip().splitlines():
        execute(here, command)
    (events,) = (here / "work" / "runs").rglob("events.jsonl")
    text = events.read_text()
    for name in ("train/loss/mse", "train/loss_weighted/within", "val/l1"):
        assert f'"{name}":' in text


def test_a_package_that_nobody_trusts_is_not_loaded(here):
    (here / "config" / "traindeck" / "settings.yaml").unlink()
    with pytest.raises(AssertionError) as caught:
        execute(here, "traindeck config validate waves")
    assert "allowed_prefixes" in str(caught.value)
