"""A project folder with small data, in which commands are typed as the documents print them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.cli import main
from trainer.commands import train as train_command
from trainer.runs.layout import RunFolder
from trainer.runs.orders import ENV_RUN, ENV_SUPERVISOR
from trainer.runs.proc import process_start_time

LAB = str(Path(__file__).parent)

# In place of the documents' data and models: a sum of four numbers.
POINTS = ("data=points", "model=plain", "loss=mse", "callbacks=none", "trainer.max_steps=3")

PROFILES = {
    # The default composition as it is, but on four small planets and with a tiny network.
    "data/spectra.yaml": (
        "# @package _global_\n# A few planets.\n"
        "defaults:\n  - override /loss: composite\n  - _self_\n"
        "data:\n  _target_: trainer.recipes.spectra.data.SpectraData\n  name: spectra\n  root: null\n"
        "  planets: 4\n  frames: 32\n  val_fraction: 0.25\n  max_items: null\n  time_bins: 16\n"
        "trainer:\n  monitor: val/score\n  monitor_mode: max\n"
        "run:\n  recipe: spectra\n  num_threads: 1\n  hash_file: run_hash_summary_v50.json\n"
        "  debug_log: v50_debug_log.md\n"
    ),
    "model/spectra_small.yaml": (
        "# A tiny network.\n_target_: trainer.recipes.spectra.model.SpectraNet\n"
        "name: spectra_small\nwidth: 8\nlayers: 1\nkernel: 3\ncontext: 8\n"
    ),
    "data/points.yaml": "# Points.\n_target_: documentlab.small.Points\n",
    "model/plain.yaml": "# A linear map.\n_target_: documentlab.small.Autoencoder\n",
    "model/vae.yaml": "# One with a bottleneck.\n_target_: documentlab.small.Autoencoder\nbottleneck: true\n",
    "loss/mse.yaml": "# Squared errors.\ncomposite:\n  mse: {}\n",
}


@dataclass
class Typed:
    """What a typed command came to."""

    code: int
    out: str
    err: str
    run: RunFolder | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of the run."""
        assert self.run is not None, self.err
        config = yaml.safe_load(self.run.config.read_text(encoding="utf-8"))
        assert isinstance(config, dict)
        return config

    def told(self, metric: str) -> dict[int, float]:
        """Give a metric by step."""
        return {
            e["step"]: e["metrics"][metric]
            for e in self.events
            if e["event"] == "metrics" and metric in e["metrics"]
        }

    @property
    def ended(self) -> tuple[str, str]:
        """How the run ended, and why."""
        (last,) = [e for e in self.events if e["event"] == "run_finished"]
        return last["status"], last["reason"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where planets are generated on first use, once for all commands."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with small data and profiles of one's own."""
    for name, text in PROFILES.items():
        file = tmp_path / "profiles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    settings = tmp_path / "home" / "traindeck"
    settings.mkdir(parents=True)
    (settings / "settings.yaml").write_text("allowed_prefixes: [documentlab]\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("PYTHONPATH", LAB)
    monkeypatch.syspath_prepend(LAB)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def typed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Typed]:
    """Type a command; all of it is real, but that the training happens in this process."""
    began: list[tuple[RunFolder, int]] = []

    def here(run: RunFolder, *_: Any, **__: Any) -> int:
        pytest.importorskip("torch")
        from trainer.engine.fit import fit

        monkeypatch.setenv(ENV_RUN, str(run.path))
        monkeypatch.setenv(ENV_SUPERVISOR, f"{os.getppid()}:{process_start_time(os.getppid())}")
        began.append((run, fit(run.path)))
        return began[-1][1]

    monkeypatch.setattr(train_command, "_start_and_follow", here)

    def enter(line: str, *more: str) -> Typed:
        program, *arguments = shlex.split(line.replace("\\\n", ""))
        assert program == "traindeck"
        began.clear()
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([*arguments, *more])
        printed = capsys.readouterr()
        done = Typed(int(stop.value.code or 0), printed.out, printed.err)
        if began:
            done.run = began[0][0]
            lines = done.run.events.read_text(encoding="utf-8").splitlines()
            done.events = [json.loads(line) for line in lines]
        return done

    return enter


if LAB not in sys.path:
    sys.path.insert(0, LAB)
