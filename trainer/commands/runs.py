"""`traindeck runs`, `show` and `logs`: what there is, how it ended, what it printed."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.output import age, duration, json_line, line, note, number, plural, table
from trainer.errors import EXIT_INTERRUPTED, EXIT_OK, Problem, RunError
from trainer.events.text import clean
from trainer.runs.index import RunIndex, find
from trainer.runs.status import TERMINAL, State, read_status
from trainer.runs.summary import summarise

if TYPE_CHECKING:
    from trainer.runs.index import RunSummary
    from trainer.sweeps.folder import Sweep

BLOCK = 1 << 16
FOLLOW_POLL = 0.2


def list_runs(
    *,
    runs_dir: Path,
    states: tuple[str, ...],
    tags: tuple[str, ...],
    name: str | None,
    sweep: str | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """List runs; see `traindeck runs --help`."""
    known = {str(state) for state in State}
    states = tuple(word.strip() for state in states for word in state.split(","))
    for state in states:
        if state not in known:
            from trainer.errors import nearest

            hint = nearest(state, known) or f"States: {', '.join(sorted(known))}."
            raise RunError(Problem(f"no state is called '{state}'.", "--state", hint))
    of = None
    if sweep:
        from trainer.sweeps.folder import find as find_sweep

        of = find_sweep(runs_dir, sweep).id
    rows = [
        row
        for row in RunIndex(runs_dir).list()
        if (not states or str(row.state) in states)
        and all(tag in row.tags for tag in tags)
        and (name is None or name in row.name)
        and (of is None or row.parent.get("sweep") == of)
    ][:limit]
    if as_json:
        json_line([summary_row(row) for row in rows])
        return EXIT_OK
    if not rows:
        note(f"no runs in {runs_dir}" if not (states or tags or name or sweep) else "no such runs")
        return EXIT_OK
    now = time.time()
    table(
        ["STATE", "ID", "NAME", "STEP", "TRAIN", "VAL", "SMP/S", "ETA", "AGE", "TAGS"],
        [_cells(row, now) for row in rows],
        right=(3, 4, 5, 6, 7, 8),
        expendable=(9, 6, 4, 8),
    )
    return EXIT_OK


def summary_row(row: RunSummary) -> dict[str, Any]:
    """Give a run's summary as a JSON row."""
    return {
        "id": row.id,
        "name": row.name,
        "state": str(row.state),
        "path": str(row.path),
        "tags": list(row.tags),
        "preset": row.preset,
        "recipe": row.recipe,
        "host": row.host,
        "created": row.created,
        "started": row.started,
        "ended": row.ended,
        "exit_code": row.exit_code,
        "reason": row.reason,
        "attempt": row.attempt,
        "config_hash": row.config_hash,
        "parent": row.parent,
        "progress": asdict(row.progress),
        "problem": row.problem,
    }


def _cells(row: RunSummary, now: float) -> list[str]:
    step, total = row.progress.step, row.progress.total_steps
    steps = "" if step is None else f"{step}/{total}" if total else str(step)

    if row.live and row.progress.phase:
        steps = clean(row.progress.phase)

    def metric(name: str) -> str:
        value = row.progress.metrics.get(name)
        return "" if value is None else number(value)

    left = row.progress.remaining if row.state == State.RUNNING else None
    eta = "" if left is None else duration(left)
    return [
        str(row.state),
        row.id,
        row.name[:40],
        steps,
        metric("train/loss"),
        metric("val/loss"),
        metric("perf/samples_per_sec"),
        eta,
        age(now - row.created) if row.created else "",
        ",".join(row.tags),
    ]


def show(run: str, runs_dir: Path, as_json: bool) -> int:
    """Show one run, or a sweep; see `traindeck show --help`."""
    try:
        folder = find(runs_dir, run)
    except RunError:
        sweep = _sweep(run, runs_dir)
        if sweep is None:
            raise
        from trainer.commands.ablate import show as show_sweep

        return show_sweep(sweep, as_json)
    from trainer.config.hardware_batch import batch_of
    from trainer.runs.again import config_of

    status = read_status(folder)
    identity = folder.identity()
    if as_json:
        json_line({"identity": identity, "status": asdict(status), "path": str(folder.path)})
        return EXIT_OK
    line(f"{folder.id}  {clean(str(identity.get('name', '')))}")
    rows: list[tuple[str, str]] = [("state", str(status.state))]
    if status.reason:
        rows.append(("reason", status.reason))
    if status.state is State.OUT_OF_MEMORY:
        from trainer.config.hardware_advice import advice
        from trainer.health import ADVICE

        own = advice(config_of(folder) or {})
        rows.append(("advice", " ".join(part for part in (own, ADVICE["out_of_memory"]) if part)))
    if status.started:
        end = status.ended or time.time()
        rows.append(("started", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.started))))
        rows.append(("took" if status.ended else "elapsed", duration(end - status.started)))
    cells = _cells(summarise(folder.path), time.time())
    rows += [
        (label, text)
        for label, text in (
            ("step", cells[3]),
            ("train/loss", cells[4]),
            ("val/loss", cells[5]),
            ("ETA", cells[7]),
            ("tags", cells[9]),
        )
        if text
    ]
    if (batch := batch_of(config_of(folder) or {})) is not None:
        rows.append(("batch", str(batch)))
    command = identity.get("command")
    if isinstance(command, list) and command:
        import shlex

        rows.append(("command", shlex.join(str(word) for word in command)))
    if identity.get("config_hash"):
        rows.append(("hash", str(identity["config_hash"])))
    rows.append(("folder", str(folder.path)))
    checkpoints = sorted(p.name for p in folder.checkpoints.glob("*.ckpt") if not p.is_symlink())
    rows.append(("checkpoints", ", ".join(checkpoints) or "none"))
    for label, text in rows:
        line(f"  {label:<13}{clean(text)}")
    return EXIT_OK


def _sweep(name: str, runs_dir: Path) -> Sweep | None:
    """Find a sweep; None if there is none of that name."""
    from trainer.sweeps.folder import find as find_sweep

    try:
        return find_sweep(runs_dir, name)
    except RunError:
        return None


def remove(names: tuple[str, ...], runs_dir: Path, yes: bool) -> int:
    """Delete runs; see `traindeck runs rm --help`."""
    from trainer.runs.manage import remove as delete

    folders = [find(runs_dir, name) for name in names]
    for folder in folders:
        state = read_status(folder).state
        if state not in TERMINAL:
            raise RunError(
                Problem(
                    f"run {folder.id} is {state}.",
                    str(folder.path),
                    f"Stop it first: traindeck stop {folder.id}",
                )
            )
    if not yes:
        import click

        if not sys.stdin.isatty():
            raise RunError(Problem("deleting needs a yes.", "runs rm", "Add --yes."))
        listing = ", ".join(folder.id for folder in folders)
        question = f"Delete {plural(len(folders), 'run')} with all checkpoints ({listing})?"
        if not click.confirm(question, err=True):
            return EXIT_OK
    for folder in folders:
        delete(folder)
        line(f"deleted {folder.id}")
    return EXIT_OK


def logs(run: str, runs_dir: Path, follow: bool, lines: int) -> int:
    """Show a run's output; see `traindeck logs --help`."""
    folder = find(runs_dir, run)
    if not follow and not (folder.output.exists() and folder.output.stat().st_size):
        note(f"run {folder.id} has printed nothing")
        return EXIT_OK
    position = _start_of_last(folder.output, lines)
    try:
        while True:
            ended = read_status(folder).state in TERMINAL
            position = _print_from(folder.output, position)
            if not follow or ended:
                return EXIT_OK
            time.sleep(FOLLOW_POLL)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _start_of_last(path: Path, lines: int) -> int:
    """Give the byte offset at which the last `lines` lines begin, reading from the end."""
    try:
        with path.open("rb") as file:
            end = position = file.seek(0, os.SEEK_END)
            # A closing newline ends the last line; it does not begin another.
            found = -1
            while position > 0:
                begin = max(0, position - BLOCK)
                file.seek(begin)
                block = file.read(position - begin)
                if position == end and not block.endswith(b"\n"):
                    found += 1
                at = len(block)
                while (at := block.rfind(b"\n", 0, at)) >= 0:
                    found += 1
                    if found == lines:
                        return begin + at + 1
                position = begin
    except OSError:
        pass
    return 0


def _print_from(path: Path, position: int) -> int:
    """Print what the file holds after `position`, harmless, whole lines only while it grows."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < position:
                position = 0
            file.seek(position)
            while block := file.read(BLOCK):
                text = block.decode("utf-8", "replace")
                sys.stdout.write(clean(text, keep_newlines=True))
                position += len(block)
    except OSError:
        return position
    sys.stdout.flush()
    return position
