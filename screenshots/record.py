"""Record real runs: train them, and keep of each folder what the screens read.

Host, folders and process ids are those of one machine and nobody's business; they are replaced.
Everything else is as the run left it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainer.runs import proc
from trainer.runs.layout import RunFolder
from trainer.runs.status import TERMINAL, read_status

RECORDINGS = Path(__file__).with_name("recordings")
SWEEP = Path(__file__).with_name("recorded-sweep")
HOST = "box"
HOME = "/home/you/project"
#: The sweep, and how many of its trials have ended when it is recorded.
_SWEPT = ("optimizer.config.lr=1e-3,5e-3,2e-2", "loss.composite.smoothness.weight=0.0,0.1")
_SWEPT_DONE = 7
#: Of a trial, what the Sweep screen reads.
_KEPT_OF_TRIALS = ("run.json", "status.json", "status.trainer.json", "logs/events.jsonl")
#: Of a run folder, what the screens read.
KEPT = (
    "run.json",
    "status.json",
    "status.trainer.json",
    "config.yaml",
    "overrides.yaml",
    "provenance.json",
    "run_hash_summary.json",
    "logs/events.jsonl",
    "logs/output.log",
)
_FAST = ("trainer.val_check_interval=50", "trainer.max_steps=400")


def main() -> None:
    """Train all runs, one after the other, and replace the recordings."""
    with tempfile.TemporaryDirectory(prefix="traindeck-") as folder:
        project = Path(folder)
        _train(project, "quickstart")
        _train(project, "quickstart", *_FAST, "optimizer.config.lr=3e-4", name="lr-3e-4")
        _train(project, "quickstart", *_FAST, "optimizer.config.lr=1e-2", name="lr-1e-2")
        _train(project, "trainer=ci_fast", name="ci_fast")
        run = _start(project, "quickstart", *_FAST, name="interrupted")
        _when(run, lambda step: step >= 150)
        _traindeck(project, "stop", run.id)
        _traindeck(project, "resume", run.id, "--json")
        _keep(run, project)
        run = _start(project, "quickstart", *_FAST, name="killed")
        _when(run, lambda step: step >= 120)
        os.kill(read_status(run).pid or 0, signal.SIGKILL)
        _when(run, lambda step: False)
        _keep(run, project)
        _train(
            project,
            "quickstart",
            *_FAST,
            "trainer.gradient_clip_val=null",
            "optimizer.config.lr=1e30",
            name="too-hot",
        )
        run = _start(project, "quickstart", *_FAST, name="baseline")
        _when(run, lambda step: step >= 260)
        # As it is while it runs.
        _keep(run, project)
        _traindeck(project, "stop", run.id, "--now")


def record_sweep() -> None:
    """Train a sweep, and replace its recording by how it stands in the midst of it."""
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.lock import driver

    with tempfile.TemporaryDirectory(prefix="traindeck-") as folder:
        project = Path(folder)
        words = ("ablate", "-m", *_SWEPT, "--seeds", "0,1", "--name", "smoothness")
        made = json.loads(_traindeck(project, *words, "--detach", "--json"))
        sweep = Sweep.load(made["path"])
        print(sweep.id, *words, flush=True)
        trials = sweep.trials()
        # One that trains is in the picture as well.
        while sum(trial.done for trial in trials) < _SWEPT_DONE or not any(
            trial.live and trial.progress > 0.2 for trial in trials
        ):
            time.sleep(0.05)
            trials = sweep.trials()
        shutil.rmtree(SWEEP, ignore_errors=True)
        for trial in trials:
            if trial.run is not None:
                run = RunFolder(trial.run)
                _keep(run, project, SWEEP / f"trial-{trial.number:02}", _KEPT_OF_TRIALS)
        record = _neutral((sweep.path / "sweep.json").read_text(), project, proc.host_name())
        (SWEEP / "sweep.json.gz").write_bytes(gzip.compress(record.encode(), mtime=0))
        _traindeck(project, "ablate", "--stop", str(sweep.path))
        # Nobody may write into the folder any more when it goes.
        while (who := driver(sweep.path)) is not None and who.alive:
            time.sleep(0.1)


def _traindeck(project: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trainer.cli", *words, "--runs-dir", str(project / "runs")],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def _start(project: Path, *words: str, name: str = "") -> RunFolder:
    named = ("--name", name) if name else ()
    launched = json.loads(_traindeck(project, "train", *words, *named, "--detach", "--json"))
    print(launched["run_id"], *words, name, flush=True)
    return RunFolder(Path(launched["path"]))


def _train(project: Path, *words: str, name: str = "") -> None:
    run = _start(project, *words, name=name)
    _when(run, lambda step: False)
    _keep(run, project)


def _when(run: RunFolder, holds: Callable[[int], bool]) -> None:
    """Wait until the run has come so far, or has ended."""
    while True:
        status = read_status(run)
        if status.state in TERMINAL or holds(status.progress.step or 0):
            return
        time.sleep(0.1)


def _keep(
    run: RunFolder, project: Path, target: Path | None = None, kept: Sequence[str] = KEPT
) -> None:
    identity = run.identity()
    target = target or RECORDINGS / str(identity["name"])
    shutil.rmtree(target, ignore_errors=True)
    host = str(identity["host"])
    for name in kept:
        path = run.path / name
        if not path.exists():
            continue
        data = _neutral(path.read_text(), project, host)
        file = target / f"{name}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        # No time stamp inside: the same recording is the same file.
        file.write_bytes(gzip.compress(data.encode(), mtime=0))
    # Their sizes; of links what they point to.
    checkpoints = {
        path.name: path.readlink().name if path.is_symlink() else path.stat().st_size
        for path in sorted(run.checkpoints.glob("*.ckpt"))
    }
    (target / "checkpoints.json").write_text(json.dumps(checkpoints, indent=1) + "\n")


def _neutral(text: str, project: Path, host: str) -> str:
    text = text.replace(str(project.resolve()), HOME).replace(str(project), HOME)
    text = text.replace(sys.prefix, f"{HOME}/.venv").replace(sys.executable, "python")
    text = text.replace(str(Path(__file__).parents[1]), "/home/you/traindeck")
    text = text.replace(sys.base_prefix, "/usr")
    text = re.sub(rf'("host": ?)"{re.escape(host)}"', rf'\1"{HOST}"', text)
    return re.sub(r'("boot_id": ?)"[^"]*"', r'\1"recorded"', text)


def recorded(name: str) -> dict[str, Any]:
    """Give the `run.json` of a recording."""
    found = json.loads(gzip.decompress((RECORDINGS / name / "run.json.gz").read_bytes()))
    assert isinstance(found, dict)
    return found


if __name__ == "__main__":
    main()
