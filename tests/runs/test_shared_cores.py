"""Processes that train side by side share the cores of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from trainer.config.compose import compose
from trainer.runs import launch, settled


@pytest.mark.parametrize(
    ("devices", "threads"), [("1", 8), ("2", 4), ("3", 2), ("16", 1), ("[0,1]", 4)]
)
def test_each_process_gets_its_share_of_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str, threads: int
) -> None:
    monkeypatch.setattr(settled, "usable_cores", lambda: 8)
    words = ["quickstart", "trainer.accelerator=gpu", f"trainer.devices={devices}"]
    run = launch.create(compose(words), runs_dir=tmp_path)
    assert yaml.safe_load(run.config.read_text())["run"]["num_threads"] == threads


def test_what_is_written_stays(tmp_path: Path) -> None:
    words = ["quickstart", "trainer.devices=2", "trainer.accelerator=gpu", "run.num_threads=3"]
    run = launch.create(compose(words), runs_dir=tmp_path)
    assert yaml.safe_load(run.config.read_text())["run"]["num_threads"] == 3
