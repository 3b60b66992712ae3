"""`traindeck ablate` while trials train: a sweep is driven from here, or from a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from trainer.commands import ablate_board
from trainer.commands import ablate_text as text
from trainer.commands.follow import Interrupts
from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Problem, RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from trainer.runs.warm import WarmPool
    from trainer.sweeps.drive import Asked, Outcome
    from trainer.sweeps.folder import Sweep

# A busy machine takes its time to load the driver.
_UP_WITHIN = 60.0


def go(
    sweep: Sweep,
    *,
    as_json: bool,
    resumed: bool = False,
    detach: bool = False,
    fresh: bool = False,
    parallel: int | None = None,
    interval: float | None = None,
    retry_failed: bool = False,
) -> int:
    """Drive a sweep from here, or from a process of its own.

    Args:
        sweep: The sweep.
        as_json: Whether to write JSON lines.
        resumed: Whether it had begun before.
        detach: Whether a process without this terminal drives it.
        fresh: Whether each trial starts in a fresh process.
        parallel: Trials at the same time; as planned if None.
        interval: Seconds between progress lines.
        retry_failed: Whether trials that failed are taken up, too.

    Returns:
        The exit code.

    Raises:
        RunError: Somebody else drives it, its folder cannot be written, or no driver comes up.
        ConfigError: The profiles have changed: what is missing would be another sweep.
    """
    if detach:
        return _detached(sweep, as_json, parallel=parallel, retry_failed=retry_failed, fresh=fresh)
    from trainer.sweeps.drive import run

    teller = text.Teller(sweep, parallel or sweep.parallel, as_json=as_json, interval=interval)
    with Interrupts() as interrupts:

        def asked() -> Asked:
            if interrupts.leave == "SIGHUP":
                # The terminal is gone; the sweep needs none.
                interrupts.leave = None
                _no_terminal()
            if interrupts.leave or interrupts.count > 1:
                return "leave"
            return "stop" if interrupts.count else ""

        _say(teller.begin, resumed=resumed)
        # Only trials need the warm server: its memory is free for what draws the plots.
        with _launcher(sweep, fresh) as launcher:
            outcome = run(
                sweep,
                parallel,
                launcher,
                retry_failed=retry_failed,
                told=lambda told: _say(teller.tell, told),
                asked=asked,
            )
        # Who leaves at once does not wait for a page, and trials still train.
        files, reason = (
            ([], "") if outcome.asked == "leave" else ablate_board.at_end(sweep, outcome)
        )
        if reason:
            _say(note, f"traindeck: {reason}")
        _say(teller.end, outcome, files)
        before = interrupts.count
        _say(teller.model, ablate_board.publish_at_end(sweep, outcome))
        code = _exit_code(outcome, interrupted=bool(before or interrupts.leave))
        drawn = ablate_board.plots_at_end(
            sweep, outcome, lambda: asked() == "leave" or interrupts.count > before
        )
        _say(teller.close, outcome, files, drawn)
        return code


def _launcher(sweep: Sweep, fresh: bool) -> AbstractContextManager[WarmPool | None]:
    """Give what starts the trials: a pool of warm workers, or nothing for fresh processes."""
    if fresh or not sweep.warm_workers:
        return nullcontext()
    from trainer.runs.warm import WarmPool

    log = sweep.path / "logs" / "warm.log"
    return WarmPool(
        sweep.where.get("cwd"), log=log, said=lambda text: _say(note, f"traindeck: {text}")
    )


def _say(speak: Callable[..., None], *words: Any, **more: Any) -> None:
    """Tell something; that nobody reads any more is no reason to stop."""
    try:
        speak(*words, **more)
    except OSError:
        _no_terminal()


def _exit_code(outcome: Outcome, *, interrupted: bool) -> int:
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if outcome.failed else EXIT_OK


def _no_terminal() -> None:
    """Write into nothing from now on."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def _detached(
    sweep: Sweep, as_json: bool, *, parallel: int | None, retry_failed: bool, fresh: bool
) -> int:
    """Start a driver that needs no terminal, and wait until it has the sweep."""
    from trainer.runs.ending import last_lines
    from trainer.sweeps.lock import driver

    words = ["ablate", "--resume", str(sweep.path), "--runs-dir", str(sweep.runs_dir)]
    words += ["--parallel", str(parallel)] if parallel else []
    words += ["--retry-failed"] if retry_failed else []
    words += ["--fresh"] if fresh else []
    sweep.driver_log.parent.mkdir(exist_ok=True)
    with sweep.driver_log.open("ab") as log:
        since = log.tell()
        # -P: see `trainer.runs.launch.start`.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trainer.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _UP_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        who = driver(sweep.path)
        if who is not None and who.pid == process.pid:
            break
        time.sleep(0.05)
    else:
        if process.poll() is None:
            raise RunError(
                Problem(
                    f"the sweep's driver, process {process.pid}, has not taken the sweep up within "
                    f"{_UP_WITHIN:g} seconds; it may still do so.",
                    str(sweep.driver_log),
                    f"See `traindeck ablate --status {sweep.id}`.",
                )
            )
    if process.poll() not in (None, EXIT_OK, EXIT_FAILED):
        said = last_lines(sweep.driver_log, since=since)
        raise RunError(
            Problem(
                "the sweep's driver did not come up" + (f": {said[-1]}" if said else ""),
                str(sweep.path),
                f"Try `traindeck ablate --resume {sweep.id}`.",
            )
        )
    if as_json:
        json_line({"sweep_id": sweep.id, "path": str(sweep.path), "pid": process.pid})
    else:
        line(sweep.id)
    return EXIT_OK
