"""`python -m trainer.diagnostics SWEEP FORMATS METRIC GOAL`: draw the plots of a sweep.

Writes a line of JSON for each plot that lies in its place whole (`title`, `files`), for what could
not be drawn (`note`), and at its end (`done`). One plot that fails takes no other with it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from trainer.errors import EXIT_OK, EXIT_WRONG_INPUT, TraindeckError

#: Of how many combinations the best trial is asked for its predictions.
BEST = 3


def main(argv: list[str]) -> int:
    """Draw what `argv` names, and give the exit code."""
    if len(argv) != 4:
        print("usage: python -m trainer.diagnostics SWEEP FORMATS METRIC GOAL", file=sys.stderr)
        return EXIT_WRONG_INPUT
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    # What models and data print is no line of ours.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**fields: Any) -> None:
        out.write(json.dumps(fields) + "\n")
        out.flush()

    path, formats, metric, goal = argv
    try:
        draw(Path(path), formats.split(","), metric, goal, tell)
    except TraindeckError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    tell(done=True)
    return EXIT_OK


def draw(path: Path, formats: list[str], metric: str, goal: Any, tell: Callable[..., None]) -> None:
    """Draw all plots of a sweep.

    Args:
        path: The sweep's folder.
        formats: "png" and "svg".
        metric: What its trials are compared by.
        goal: "min" or "max".
        tell: Called with the fields of each line.

    Raises:
        RunError: There is no such sweep.
    """
    from trainer.diagnostics import style
    from trainer.diagnostics.plots import plots
    from trainer.sweeps.diagnostics import folder_of
    from trainer.sweeps.diagnostics.numbers import best_trials, gather
    from trainer.sweeps.folder import Sweep

    style.ready()
    sweep = Sweep.load(path, metric, goal)
    folder = folder_of(sweep)
    numbers = gather(sweep)

    def put(name: str, title: str, make: Callable[[], Any]) -> None:
        try:
            tell(title=title, files=style.save(make(), folder, name, formats))
        except OSError:
            raise
        except Exception as error:
            traceback.print_exception(error)
            tell(note=f"'{title}' could not be drawn: {_said(error)}")

    for name, title, make in plots(numbers):
        put(name, title, make)
    width = len(str(len(sweep.planned)))
    without: dict[str, list[int]] = {}
    for rank, row in best_trials(numbers.board, BEST):
        if row.run is None:
            continue
        try:
            for name, figure in _of_run(row.run):
                own = figure.get_suptitle()
                title = f"Trial {row.trial} (rank {rank}): {own or name.replace('_', ' ')}"
                if own:
                    figure.suptitle(title)
                put(f"trial_{row.trial:0{width}}_{name}", title, partial(_itself, figure))
        except Exception as error:
            # Models and data are anybody's code: whatever it raises is told.
            traceback.print_exception(error)
            without.setdefault(_said(error), []).append(row.trial)
    for why, trials in without.items():
        who = f"trial {trials[0]} gives no plots of its own"
        if len(trials) > 1:
            who = f"trials {', '.join(map(str, sorted(trials)))} give no plots of their own"
        tell(note=f"{who}: {why}")


def _of_run(run: Path) -> Iterator[tuple[str, Any]]:
    """Give the figures that a run's own model draws, by names that make good files."""
    try:
        from trainer.engine.diagnose import figures_of
    except ModuleNotFoundError as error:
        raise TraindeckError(
            f"predictions need {error.name}, which is not installed: pip install 'traindeck[train]'"
        ) from error
    for name, figure in figures_of(run).items():
        yield re.sub(r"[^\w-]+", "_", name)[:60].strip("_") or "figure", figure


def _itself(figure: Any) -> Any:
    return figure


def _said(error: Exception) -> str:
    if isinstance(error, TraindeckError):
        return str(error).splitlines()[0]
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def _follow(parent: int) -> None:
    """End with the process that asks."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
