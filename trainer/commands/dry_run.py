"""What `traindeck train --dry-run` and `--verbose` show of a config that is not launched, or not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_OK, TraindeckError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.config.compose import Composed


def told(composed: Composed) -> list[str]:
    """Say which files were read, in order, and where each value comes from that is no default."""
    from trainer.config.compose import defaults_of
    from trainer.config.diff import diff
    from trainer.runs.plan import diff_lines

    files = ", ".join(dict.fromkeys(composed.files))
    changes = diff(defaults_of(composed), composed)
    return [f"files: {files}", *diff_lines(changes), f"config hash: {composed.hash}"]


def show(composed: Composed, command: Sequence[str], as_json: bool, verbose: bool = False) -> int:
    """Show config, diff and command of what would run, and what stands against it on this machine."""
    from trainer.commands.config import change_rows
    from trainer.config.compose import defaults_of
    from trainer.config.diff import diff
    from trainer.runs.plan import batch_facts, dry_run_lines

    changes = diff(defaults_of(composed), composed)
    lacking = _lacking(composed)
    if as_json:
        json_line(
            {
                "config": composed.config,
                "hash": composed.hash,
                "diff": change_rows(changes),
                "clamped": change_rows(composed.clamped),
                "batch": batch_facts(composed.config),
                "notes": list(composed.notes),
                "lacking": lacking,
                "command": list(command),
            }
        )
        return EXIT_OK
    for text in dry_run_lines(composed, changes, command):
        line(text)
    if verbose:
        line("\n# files, the lowest first")
        for file in dict.fromkeys(composed.files):
            line(file)
    for text in lacking:
        note(f"note: it cannot start here yet: {text}")
    return EXIT_OK


def _lacking(composed: Composed) -> list[str]:
    """Say what a launch would be refused for on this machine, as it is now."""
    from trainer.runs.again import need_training_packages

    try:
        need_training_packages(composed.config, composed.provenance)
    except TraindeckError as error:
        return [str(problem) for problem in error.problems]
    return []
