"""How long a trial may take: as long as runs on this machine that trained the same way."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from trainer.display import duration, plural

if TYPE_CHECKING:
    from trainer.runs.summary import RunSummary

#: What decides how much there is to reckon; other sections hardly do.
_SECTIONS = ("model", "data", "dataloader", "trainer")
#: Of these, keys that only say what is looked at.
_IDLE = frozenset({"trainer.monitor", "trainer.monitor_mode"})
#: Of how many earlier runs the configs are read, and how many tell the time.
_READ, _MOST = 60, 20
#: After so many seconds the runs are listed anew.
_FRESH_SECONDS = 30.0


@dataclass(frozen=True)
class Cost:
    """What earlier runs tell of a trial's time.

    Attributes:
        each: Median of their seconds.
        least: The shortest of them.
        most: The longest of them.
        runs: How many they are.
        apart: Whether a key varies on which the time may depend.
    """

    each: float
    least: float
    most: float
    runs: int
    apart: bool = False

    def total(self, trials: int, parallel: int) -> float:
        """Estimate the seconds of a sweep, if trials beside each other do not slow each other down."""
        return ceil(trials / max(1, parallel)) * self.each


def said(cost: Cost | None, trials: int, parallel: int) -> str:
    """Say how long a sweep may take, and how that is known."""
    if cost is None:
        return "time unknown: no run here has yet trained this model on these data so long"
    text = f"about {duration(cost.total(trials, parallel))}"
    text += f", from {plural(cost.runs, 'earlier run')} like it ({duration(cost.least)}"
    text += f" to {duration(cost.most)})" if cost.runs > 1 else ")"
    return text + (" with other values" if cost.apart else "")


class Costs:
    """Remembers what earlier runs took; threads wait for each other.

    Args:
        folders: The folders of runs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._runs: list[RunSummary] = []
        self._listed = float("-inf")
        self._works: OrderedDict[str, Mapping[str, str] | None] = OrderedDict()
        # A plan that was overtaken may still be looking while the next one is made.
        self._looking = threading.Lock()

    def of(self, config: Mapping[str, Any], varied: Collection[str]) -> Cost | None:
        """Tell what trials of a config may take.

        Args:
            config: The composed baseline.
            varied: The keys that vary: in these, earlier runs may differ.

        Returns:
            None if no earlier run on this machine trained the same model on the same data as long.
        """
        with self._looking:
            return self._of(config, varied)

    def _of(self, config: Mapping[str, Any], varied: Collection[str]) -> Cost | None:
        wanted = _work(config)
        free = {key for key in wanted if _varies(key, varied)}
        took: list[float] = []
        for run in self._earlier()[:_READ]:
            work = self._work_of(run)
            if work is None or run.started is None or run.ended is None:
                continue
            keys = (wanted.keys() | work.keys()) - free
            if all(wanted.get(key) == work.get(key) for key in keys if not _varies(key, varied)):
                took.append(run.ended - run.started)
            if len(took) >= _MOST:
                break
        if not took:
            return None
        return Cost(median(took), min(took), max(took), len(took), bool(free))

    def _earlier(self) -> list[RunSummary]:
        from trainer.runs import proc
        from tui.sources.newest import newest_runs

        now = time.monotonic()
        if now - self._listed > _FRESH_SECONDS:
            self._listed = now
            here = proc.host_name()
            self._runs = [
                run
                for run in newest_runs(self._folders, 2000)
                # One that was resumed trained longer than its last attempt tells.
                if run.state == "completed" and run.attempt == 1 and run.host == here
            ]
        return self._runs

    def _work_of(self, run: RunSummary) -> Mapping[str, str] | None:
        """Read what a run reckoned; it is over, so once is enough."""
        if run.path not in self._works:
            self._works[run.path] = _read(run.folder.config)
            while len(self._works) > 4 * _READ:
                self._works.popitem(last=False)
        return self._works[run.path]


def _read(path: Path) -> Mapping[str, str] | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if path.stat().st_size > 1 << 20:
            return None
        config = yaml.load(path.read_bytes(), Loader=loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    return _work(config) if isinstance(config, dict) else None


def _work(config: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}

    def gather(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping) and node:
            for key, value in node.items():
                gather(f"{prefix}.{key}", value)
        elif prefix not in _IDLE:
            found[prefix] = json.dumps(node, sort_keys=True, default=str)

    for section in _SECTIONS:
        gather(section, config.get(section))
    return found


def _varies(key: str, varied: Collection[str]) -> bool:
    """Tell whether a key varies: itself, or as one of a section or group that does."""
    return any(key == each or key.startswith(f"{each}.") for each in varied)
