"""Composition: 200 composes of a realistic override list, against Hydra's own in the same run.

The three ways take turns, round by round, so that whatever else the machine does hits all alike:

- ours: `trainer.config.compose.compose`, with schema defaults, aliases, provenance, finalising and
  validation, none of which the others do;
- Hydra's: `initialize_config_dir` and `compose`, resolved into plain values;
- merging OmegaConf parts that were loaded once, then setting overrides that were parsed once.

`python -m benchmarks.compose` prints the table.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import profiles

ROUNDS = 20
PER_ROUND = 10
TARGET = 8.0
CHOICES = ["trainer=kaggle_safe", "optimizer=sgd", "model=gpt_small", "logger=csv"]
VALUES = [
    "trainer.max_epochs=30",
    "optimizer.config.lr=3e-4",
    "data.name='my data, second try'",
    "trainer.gradient_clip_val=1.0",
]


def overrides(n: int) -> list[str]:
    """The list of the n-th compose: one value differs, as in a sweep."""
    return [*CHOICES, *VALUES, f"seed={n}"]


def ours(n: int) -> Any:
    from trainer.config.compose import compose

    return compose(overrides(n)).config


def hydra_s(n: int) -> Any:
    import hydra
    from omegaconf import OmegaConf

    forced = [text if text in CHOICES else f"++{text}" for text in overrides(n)]
    with hydra.initialize_config_dir(str(profiles.FOLDER), version_base="1.3"):
        config = hydra.compose("config", forced)
    return OmegaConf.to_container(config, resolve=True)


def merging() -> Callable[[int], Any]:
    """Load and parse once what merging needs; give the function that merges."""
    from omegaconf import OmegaConf

    from trainer.config.loader import load
    from trainer.config.merge import embed
    from trainer.config.overrides import Override, parse
    from trainer.config.primary import built_in_primary
    from trainer.config.provenance import Origin
    from trainer.config.sources import search_path
    from trainer.config.tree import build

    sources = search_path(cwd=profiles.FOLDER)
    first = built_in_primary(sources)
    parsed = [found for text in overrides(0) if isinstance(found := parse(text), Override)]
    tree = build(sources, parsed, None, first.path, first.extra)
    parts = []
    for name in tree.files:
        file = sources.find(name)
        if file is not None:
            profile = load(file)
            package = profile.package or str(Path(name).parent).replace("/", ".").strip(".")
            package = package.removeprefix("_global_")
            values, _ = embed(profile.values, {}, package, Origin(""))
            parts.append(OmegaConf.create(values))
    values = [(override.key, override.value) for override in parsed if override.text in VALUES]

    def merge(n: int) -> Any:
        config = OmegaConf.merge(*parts)
        for key, value in [*values, ("seed", n)]:
            OmegaConf.update(config, key, value, merge=True, force_add=True)
        return OmegaConf.to_container(config, resolve=True)

    return merge


def cold() -> float:
    """Time one compose in a fresh process, its imports included, without Python's own start."""
    code = (
        "import time; t = time.perf_counter(); from trainer.config.compose import compose; "
        f"compose({overrides(0)!r}); print(time.perf_counter() - t)"
    )
    times = []
    for _ in range(5):
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        times.append(float(result.stdout))
    return median(times)


def main() -> list[tuple[str, str, str]]:
    """Measure; gives rows of name, measured, target."""
    ways = {"ours": ours, "hydra": hydra_s, "merge": merging()}
    for way in ways.values():
        way(0)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            for n in range(PER_ROUND):
                way(turn * PER_ROUND + n)
            spent[name].append(time.perf_counter() - start)
    each = {name: median(times) / PER_ROUND for name, times in spent.items()}
    ratio = median(h / o for h, o in zip(spent["hydra"], spent["ours"], strict=True))
    parts = median(m / o for m, o in zip(spent["merge"], spent["ours"], strict=True))
    count = ROUNDS * PER_ROUND
    return [
        (
            f"{count} composes, Hydra's own against ours",
            f"{ratio:.1f}x ({sum(spent['hydra']):.2f} s against {sum(spent['ours']):.2f} s)",
            f"at least {TARGET:.0f}x",
        ),
        (
            "merging cached OmegaConf parts against ours",
            f"{parts:.1f}x ({each['merge'] * 1e3:.2f} ms against {each['ours'] * 1e3:.2f} ms)",
            "reported",
        ),
        ("one compose in a fresh process, imports included", f"{cold():.2f} s", "at most 0.4 s"),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        import os

        # Nobody's own profiles take part.
        os.environ["XDG_CONFIG_HOME"] = empty
        for row in main():
            print(
                "  ".join(part.ljust(width) for part, width in zip(row, (50, 40, 20), strict=True))
            )
