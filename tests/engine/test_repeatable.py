"""Two runs with the same config and seed give the same figures to the last bit, in two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

MIXED = {"type": "MixupDataLoader", "batch_size": 4, "mixup_alpha": 0.4, "mixup_prob": 0.8}
WORKERS = {"batch_size": 4, "num_workers": 2}
PERSISTENT = {**WORKERS, "persistent_workers": True}
TEXT = {
    "data": {
        "_target_": "trainer.recipes.text.data.PyStdlib",
        "context": 16,
        "max_items": 12,
        "val_windows": 16,
    },
    "model": {
        "_target_": "trainer.recipes.text.model.GPT",
        "vocab_size": 256,
        "context": 16,
        "dim": 16,
        "layers": 1,
        "heads": 2,
        "dropout": 0.2,
    },
    "loss": {"_target_": "trainer.recipes.text.loss.NextByteLoss"},
    "trainer.max_steps": 12,
}
MODULE = "enginelab.chance.Module"
OWN = {"model": {"_target_": "enginelab.chance.Own"}, "loss": {}}
SCENES = {
    "plain": {},
    "workers": {"dataloader": WORKERS},
    "persistent workers": {"dataloader": PERSISTENT},
    "mixed": {"dataloader": MIXED},
    "mixed in workers": {"dataloader": {**MIXED, "num_workers": 2}},
    "a loader of its own": {"data": {"_target_": MODULE, "kind": "weighted", "workers": 2}},
    "a stream": {"data": {"_target_": MODULE, "kind": "iterable", "workers": 2}},
    "a stream in persistent workers": {
        "data": {"_target_": MODULE, "kind": "iterable", "workers": 2, "persistent": True},
    },
    "a module of its own": OWN,
    "a module of its own in workers": {**OWN, "dataloader": PERSISTENT},
    "text": TEXT,
    "text in workers": {**TEXT, "dataloader": PERSISTENT},
}
# Where samples are fetched does not matter either: one process trains the first of these, the
# other one the rest, and all must be the same.
ALIKE = (
    ("plain", "workers", "persistent workers"),
    ("mixed", "mixed in workers"),
    ("a module of its own", "a module of its own in workers"),
    ("text", "text in workers"),
)
PROGRAM = """
import os, sys
from pathlib import Path
from trainer.engine.fit import fit
from trainer.runs.orders import ENV_RUN
for folder in sys.argv[1:]:
    os.environ[ENV_RUN] = folder
    assert fit(Path(folder)) == 0, folder
"""


def figures(folder):
    """Give every figure that is no measure of time or memory, in order."""
    events = [json.loads(line) for line in (folder / "logs" / "events.jsonl").open()]
    return [
        (event["step"], name, value)
        for event in events
        if event["event"] == "metrics"
        for name, value in event["metrics"].items()
        if not name.startswith(("perf/", "gpu/", "mem"))
    ]


def train(folders, **env):
    """Begin to train in some folders, one after the other, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, folders)],
        env={**os.environ, "TRAINDECK_SUPERVISOR": "", **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_give_the_same_figures(lab):
    kin = {name for names in ALIKE for name in names}
    groups = [*ALIKE, *((name, name) for name in SCENES if name not in kin)]

    def scene(name, which):
        slug = f"{name} {which}".replace(" ", "-")
        return lab(slug, **{"trainer.max_epochs": 2, **SCENES[name]})

    firsts = {names[0]: scene(names[0], "a") for names in groups}
    others = {names[0]: [scene(name, "b") for name in names[1:]] for names in groups}
    seeded = lab("another seed", **{"seed": 8, "trainer.max_epochs": 2})
    # Texts hash otherwise in each process: an order that hangs on that would show.
    processes = [
        train([*firsts.values(), seeded], PYTHONHASHSEED="1"),
        train([each for some in reversed(others.values()) for each in some], PYTHONHASHSEED="2"),
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]

    for name, first in firsts.items():
        found = figures(first)
        assert [f for f in found if f[1] == "train/loss"], name
        for other in others[name]:
            assert found == figures(other), other.name
    assert figures(firsts["plain"]) != figures(seeded)
