"""How often health's detectors are right: small real trainings, well and ill, and real runs.

Every training is a plain torch loop whose rows (loss, gradient norm, learning rate, validation) go
to `HealthWatch` with its default settings, as rows of a run would. Whether a training that was
broken is ill is told by how it ends, never by an alert: `health_lab` defines it. Of those that are
ill, how many were found is counted; those that came round have recovered, told of or not. Trainings
as people do them must raise nothing above `info`, however they end.

Thresholds are settled on `health_tasks.DEVELOPMENT` alone. `HELD_OUT` has other data, models, losses,
optimisers, schedules and seeds; it was written down before the thresholds were last changed, and
judged once they were settled. Whoever changes a detector after a look at it must evaluate on
`RESERVE` instead: of that only has been looked at that its tasks can be learned.

    python -m benchmarks.health              # the table, and each training that was judged wrongly
    python -m benchmarks.health --runs       # each training with its end and its alerts
    python -m benchmarks.health --jobs 4     # in so many processes (2)
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.health_lab import Plan, Trace, train
from benchmarks.health_plans import (
    FRESH_WAYS,
    HOT,
    WAYS,
    Case,
    broken,
    constructed,
    healthy,
)
from benchmarks.health_runs import RECORDINGS, quickstart, recording
from benchmarks.health_tasks import DEVELOPMENT, HELD_OUT
from trainer.config.schema_health import Health
from trainer.health import Alert
from trainer.health.stall import StallClock
from trainer.health.window import median

Row = tuple[str, str, str]
# The sets of tasks, the ways that they are trained in, and seeds.
SETS = {
    "development": (DEVELOPMENT, WAYS, (0,)),
    "held out": (HELD_OUT, FRESH_WAYS, (11, 12)),
}
# Seeds of the quickstart, and how many times its learning rate.
QUICKSTARTS = ((11, 1.0), (12, 1.0), (13, 0.3), (11, 100.0), (12, 100.0))
# Of the recordings, the one that was made with far too high a learning rate.
SICK_RECORDING = "too-hot"


def worth(alerts: Sequence[Alert]) -> list[Alert]:
    """Give the alerts that ask for attention."""
    return [alert for alert in alerts if alert.level != "info"]


def told(alerts: Sequence[Any]) -> str:
    """Name alerts with their steps."""
    return ", ".join(f"{a.kind}@{a.step} ({a.level})" for a in alerts if not a.over) or "-"


@dataclass
class Group:
    """How trainings that were broken in one way came out."""

    ill: int = 0
    delays: list[int] = field(default_factory=list)
    well: int = 0
    told_though_well: int = 0

    def words(self) -> str:
        """Say it in a line."""
        parts = []
        if self.ill:
            late = f", after {median(self.delays):.0f} steps" if self.delays else ""
            parts.append(f"{len(self.delays)} of {self.ill} ill found{late}")
        if self.well:
            parts.append(f"{self.well} recovered ({self.told_though_well} told of on the way)")
        return "; ".join(parts)


class Bench:
    """All trainings, each plan once.

    Args:
        jobs: Processes.
        tell: Whether every training is printed.
    """

    def __init__(self, jobs: int, tell: bool) -> None:
        self._tell = tell
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, context, initializer=_alone)
        self._named: dict[str, Any] = {}
        self.rows: list[Row] = []

    def run(self) -> list[Row]:
        """Train and judge all of them."""
        with self._pool as pool:
            for title in SETS:
                for kind, count in _sizes(title):
                    for number in range(count):
                        key = (title, kind, number)
                        self._named[str(key)] = pool.submit(_work, *key)
            runs = {at: pool.submit(quickstart, *at) for at in QUICKSTARTS}
            for title in SETS:
                self._healthy(title)
                self._ill(title)
            self._quickstarts(runs)
        self._stalls()
        self._recordings()
        return self.rows

    def _trace(self, title: str, kind: str, number: int) -> Trace:
        trace: Trace = self._named[str((title, kind, number))].result()
        return trace

    def _say(self, wrong: bool, text: str) -> None:
        if wrong or self._tell:
            print(("WRONG " if wrong else "      ") + text, flush=True)

    def _healthy(self, title: str) -> None:
        count = notes = false = 0
        tasks, ways, seeds = SETS[title]
        for number, (name, _) in enumerate(healthy(tasks, ways, seeds)):
            trace = self._trace(title, "healthy", number)
            alerts = trace.judge()
            loud = worth(alerts)
            count, false = count + 1, false + bool(loud)
            notes += any(a.level == "info" and not a.over for a in alerts)
            self._say(bool(loud), f"well, {title}: {name}: end {trace.end:.3g}: {told(alerts)}")
        self.rows.append((f"healthy, {title}: with a false alarm", f"{false} of {count}", "0"))
        self.rows.append((f"… with a note (`info`), {title}", f"{notes} of {count}", ""))

    def _ill(self, title: str) -> None:
        groups: dict[str, Group] = {}
        twins = {plan: number for number, plan in enumerate(_twins(title))}
        for number, case in enumerate(_cases(title)):
            trace = self._trace(title, "case", number)
            ill = True
            if case.judged:
                ill = trace.ill(self._trace(title, "twin", twins[case.plan.twin()]))
            alerts = trace.judge()
            right = [a for a in alerts if a.kind in case.kinds and not a.over]
            group = groups.setdefault(case.group, Group())
            if ill:
                group.ill += 1
                group.delays += [(right[0].step or 0) - case.begins] if right else []
            else:
                group.well += 1
                group.told_though_well += bool(right)
            word = "ill" if ill else "recovered"
            self._say(
                ill and not right,
                f"{word}, {title}: {case.group}: {case.name}: end {trace.end:.3g}: {told(alerts)}",
            )
        judged = [group for group in groups.values() if group.ill]
        found, ill_count = sum(len(g.delays) for g in judged), sum(g.ill for g in judged)
        self.rows.append((f"ill, {title}: found", f"{found} of {ill_count}", "all"))
        self.rows += [(f"… {name}", group.words(), "") for name, group in groups.items()]

    def _quickstarts(self, runs: dict[tuple[int, float], Any]) -> None:
        twin = runs[QUICKSTARTS[0]].result()[0]
        well = false = 0
        hot = Group()
        for (seed, times), future in runs.items():
            trace, alerts = future.result()
            loud = [a for a in alerts if a["level"] != "info"]
            kinds = ", ".join(f"{a['kind']}@{a['step']}" for a in loud) or "-"
            text = f"quickstart, seed {seed}, rate x{times:g}: end {trace.end:.3g}: {kinds}"
            if times <= 1.0:
                well, false = well + 1, false + bool(loud)
                self._say(bool(loud), text)
                continue
            right = [a["step"] for a in loud if a["kind"] in HOT]
            if trace.ill(twin):
                hot.ill += 1
                hot.delays += right[:1]
                self._say(not right, text + " (ill)")
            else:
                hot.well += 1
                hot.told_though_well += bool(right)
                self._say(False, text + " (recovered)")
        what = "quickstart with gpt_nano through the engine"
        self.rows.append((f"{what}: with a false alarm", f"{false} of {well}", "0"))
        self.rows.append((f"{what}: learning rate x100", hot.words(), "all"))

    def _stalls(self) -> None:
        delays, false = stalls()
        late = f"{min(delays):.0f} to {max(delays):.0f} s later" if delays else ""
        self.rows.append(("a step that stands still", f"{len(delays)} of 4 found, {late}", "all"))
        self.rows.append(("… false alarms in 4 healthy patterns of 100 minutes", str(false), "0"))

    def _recordings(self) -> None:
        for folder in sorted(path for path in RECORDINGS.iterdir() if path.is_dir()):
            alerts = recording(folder).judge()
            kinds = ", ".join(dict.fromkeys(a.kind for a in worth(alerts)))
            wanted = "divergence or NaN" if folder.name == SICK_RECORDING else "none"
            self.rows.append((f"recording `{folder.name}`", kinds or "none", wanted))


def _alone() -> None:
    torch.set_num_threads(1)


def _cases(title: str) -> list[Case]:
    tasks, _, seeds = SETS[title]
    cases = list(broken(tasks, seeds))
    return cases + list(constructed(seeds)) if title == "held out" else cases


def _twins(title: str) -> list[Plan]:
    return list(dict.fromkeys(case.plan.twin() for case in _cases(title) if case.judged))


def _sizes(title: str) -> list[tuple[str, int]]:
    ways = sum(1 for _ in healthy(*SETS[title]))
    return [("healthy", ways), ("case", len(_cases(title))), ("twin", len(_twins(title)))]


def _work(title: str, kind: str, number: int) -> Trace:
    """Train one plan, in a process of the pool, which makes the same lists."""
    if kind == "healthy":
        return train([plan for _, plan in healthy(*SETS[title])][number])
    plans = _twins(title) if kind == "twin" else [case.plan for case in _cases(title)]
    return train(plans[number])


def stalls() -> tuple[list[float], int]:
    """Let steps of many lengths stand still, on a clock that is turned by hand.

    Returns:
        Seconds from the standstill to its alert, one for each that was found; false alarms in
        healthy patterns (validations, slow first steps, epochs, a process stopped for an hour).
    """
    delays: list[float] = []
    false = 0
    for pace in (0.01, 0.3, 2.0, 20.0):
        clock = StallClock(Health())
        now, sign, step = 0.0, 0.0, 0
        for second in range(6000):
            now += 1.0
            if second == 2000:
                now += 3600.0  # the process itself was stopped
            busy = second < 400  # the first step compiles
            validates = second % 1000 > 940 and pace < 1  # a minute of validation
            if not busy and not validates and now - sign >= pace:
                sign, step = now, step + max(1, int(1.0 / pace))
            false += sum(finding.sick for finding in clock.look(now, sign, step, "training"))
        began = now
        while now - began < 4000:
            now += 1.0
            if any(finding.sick for finding in clock.look(now, sign, step, "training")):
                delays.append(now - began)
                break
    return delays, false


def main(jobs: int = 2, tell: bool = False) -> list[Row]:
    """Train and judge all of them, and give the table."""
    began = time.perf_counter()
    rows = Bench(jobs, tell).run()
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.health", description=__doc__)
    parser.add_argument("--runs", action="store_true", help="print every training")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    for what, measured, wanted in main(options.jobs, options.runs):
        print(f"{what:66} {measured:60} {wanted}")
