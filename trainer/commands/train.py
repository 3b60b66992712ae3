"""`traindeck train`, `resume` and `rerun`: compose, make the run folder, start, follow."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.follow import Interrupts, follow_run, past, telling
from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_OK, Problem, RunError, TraindeckError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.config.compose import Composed
    from trainer.runs.layout import RunFolder


def train(
    *,
    overrides: tuple[str, ...],
    config_file: Path | None,
    profiles_dir: Path | None,
    runs_dir: Path,
    name: str | None,
    tags: tuple[str, ...],
    no_tui: bool,
    as_json: bool,
    detach: bool,
    dry_run: bool,
    queue: bool,
    interval: float | None,
    multirun: bool,
) -> int:
    """Compose, launch and follow; see `traindeck train --help`."""
    if multirun:
        raise TraindeckError(
            Problem(
                "-m asks for a sweep, and this version trains one run at a time.",
                "-m",
                "Give one value for each key, and launch several runs with --detach --queue.",
            )
        )
    from trainer.config.compose import compose

    composed = compose(overrides, config_file=config_file, profiles_dir=profiles_dir)
    command = command_line(
        overrides, config_file, profiles_dir, runs_dir=runs_dir, name=name, tags=tags
    )
    if dry_run:
        return _dry_run(composed, command, as_json)
    for text in composed.notes:
        note(f"note: {text}")
    _need_training_packages()
    from trainer.runs.launch import create

    run = create(
        composed,
        runs_dir=runs_dir,
        name=name or composed.config["run"]["name"] or default_name(composed),
        tags=[tag for tag in tags if tag.strip()],
        command=command,
        queued=queue,
    )
    return _start_and_follow(
        run,
        runs_dir,
        no_tui=no_tui,
        detach=detach,
        as_json=as_json,
        interval=interval,
        queue=queue,
    )


def resume(
    *,
    run: str,
    overrides: tuple[str, ...],
    runs_dir: Path,
    no_tui: bool,
    as_json: bool,
    detach: bool,
    queue: bool,
    interval: float | None,
) -> int:
    """Go on with a run; see `traindeck resume --help`."""
    from trainer.runs.index import find
    from trainer.runs.manage import checkpoint_folder, find_checkpoint, prepare_resume
    from trainer.runs.status import State, read_status

    old = _ours(find(runs_dir, run))
    _need_training_packages()
    if not overrides:
        if read_status(old).state == State.COMPLETED:
            raise RunError(
                Problem(
                    f"run {old.id} has completed; there is nothing left to do.",
                    remedy=f"Train it for longer: traindeck resume {old.id} trainer.max_steps=N",
                )
            )
        prepare_resume(old)
        return _start_and_follow(
            old,
            runs_dir,
            no_tui=no_tui,
            detach=detach,
            as_json=as_json,
            interval=interval,
            queue=queue,
        )
    checkpoint = find_checkpoint(old)
    if checkpoint is None:
        raise RunError(
            Problem(
                f"run {old.id} has no whole checkpoint in {checkpoint_folder(old)}.",
                remedy=f"Start it again from the beginning: traindeck rerun {old.id}",
            )
        )
    from trainer.config.onto import compose_onto

    composed = compose_onto(old.path, [*overrides, f"run.resume={quoted(str(checkpoint))}"])
    for text in composed.notes:
        note(f"note: {text}")
    new = _copy_of(
        old,
        composed,
        runs_dir=runs_dir,
        command=["traindeck", "resume", old.id, *overrides],
        parent={"resume": old.id},
        queued=queue,
    )
    return _start_and_follow(
        new,
        runs_dir,
        no_tui=no_tui,
        detach=detach,
        as_json=as_json,
        interval=interval,
        queue=queue,
    )


def rerun(
    *,
    run: str,
    runs_dir: Path,
    name: str | None,
    tags: tuple[str, ...],
    no_tui: bool,
    as_json: bool,
    detach: bool,
    queue: bool,
    interval: float | None,
) -> int:
    """Repeat a run from its folder alone; see `traindeck rerun --help`."""
    from trainer.config.onto import compose_onto
    from trainer.runs.index import find

    old = _ours(find(runs_dir, run))
    _need_training_packages()
    new = _copy_of(
        old,
        compose_onto(old.path),
        runs_dir=runs_dir,
        command=["traindeck", "rerun", old.id],
        parent={"rerun": old.id},
        queued=queue,
        name=name,
        tags=tags,
    )
    return _start_and_follow(
        new,
        runs_dir,
        no_tui=no_tui,
        detach=detach,
        as_json=as_json,
        interval=interval,
        queue=queue,
    )


def _ours(run: RunFolder) -> RunFolder:
    """Give the run back if traindeck launched it; a script's run only the script can repeat."""
    if run.identity().get("launcher") == "script" or not run.config.is_file():
        raise RunError(
            Problem(
                f"run {run.id} was made by a program of its own, not launched by traindeck.",
                remedy="Start that program again.",
            )
        )
    return run


def _copy_of(
    old: RunFolder,
    composed: Composed,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    **options: Any,
) -> RunFolder:
    """Make a run that stands where the old one stood: the same folder to work in, the same name."""
    from trainer.runs.launch import create

    identity = old.identity()
    cwd = Path(str(identity.get("cwd") or "."))
    if not cwd.is_dir():
        raise RunError(
            Problem(
                f"run {old.id} worked in a folder that is gone: {cwd}.",
                str(old.path),
                f"Make it again, or train from the config: traindeck train --config {old.config}",
            )
        )
    kept, env = identity.get("tags"), identity.get("env")
    return create(
        composed,
        name=name or str(identity.get("name") or "run"),
        tags=list(tags) or (kept if isinstance(kept, list) else []),
        cwd=cwd,
        env=env if isinstance(env, dict) else {},
        **options,
    )


def default_name(composed: Composed) -> str:
    """Name a run after its preset, or the trainer profile where there is none."""
    return composed.choices.get("preset") or composed.choices.get("trainer") or "run"


def quoted(value: str) -> str:
    """Quote a value for Hydra's override grammar."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def command_line(
    overrides: Sequence[str],
    config_file: Path | None,
    profiles_dir: Path | None,
    *,
    runs_dir: Path | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
) -> list[str]:
    """Give the command that does the same again, as a list of words."""
    words = ["traindeck", "train", *overrides]
    if config_file is not None:
        words += ["--config", str(config_file)]
    if profiles_dir is not None:
        words += ["--profiles-dir", str(profiles_dir)]
    if runs_dir is not None and runs_dir != Path("runs"):
        words += ["--runs-dir", str(runs_dir)]
    if name:
        words += ["--name", name]
    for tag in tags:
        words += ["--tag", tag]
    return words


def _dry_run(composed: Composed, command: Sequence[str], as_json: bool) -> int:
    from trainer.commands.config import change_rows, print_changes
    from trainer.config.compose import defaults_of
    from trainer.config.diff import diff

    changes = diff(defaults_of(composed), composed)
    if as_json:
        json_line(
            {
                "config": composed.config,
                "hash": composed.hash,
                "diff": change_rows(changes),
                "notes": list(composed.notes),
                "command": list(command),
            }
        )
        return EXIT_OK
    line("# config")
    line(composed.yaml().rstrip())
    line("\n# diff against the defaults")
    print_changes(changes)
    for text in composed.notes:
        line(f"note: {text}")
    line(f"\n# config hash\n{composed.hash}")
    line(f"\n# command\n{shlex.join(command)}")
    return EXIT_OK


def _need_training_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("torch", "pytorch_lightning") if find_spec(name) is None]
    if missing:
        raise RunError(
            Problem(
                f"training needs {' and '.join(missing)}, which the base install leaves out.",
                sys.executable,
                "Install them: pip install 'traindeck[train]'",
            )
        )


def _start_and_follow(
    run: RunFolder,
    runs_dir: Path,
    *,
    no_tui: bool,
    detach: bool,
    as_json: bool,
    interval: float | None,
    queue: bool,
) -> int:
    from trainer.commands.terminal import app_fits, screen_on_stderr
    from trainer.runs.launch import start

    if app_fits(plain=no_tui or detach or as_json or interval is not None):
        from tui.entry import open_run

        start(run, queue="auto" if queue else None)
        with screen_on_stderr():
            return open_run(run, runs_dir, launched=True)
    told = telling(as_json, interval)
    reader = past(run, told)
    # From here on a Ctrl-C means the run, also while its supervisor is coming up.
    with Interrupts() as interrupts:
        if not as_json and not detach:
            line(f"run {run.id}  {run.path}")
        start(run, queue="auto" if queue else None)
        if detach and not interrupts.count:
            launched: dict[str, Any] = {"run_id": run.id, "path": str(run.path)}
            if as_json:
                json_line(launched)
            else:
                line(run.id)
            return EXIT_OK
        if not as_json and sys.stdout.isatty():
            line("Ctrl-C stops it with a checkpoint; closing this terminal does not hurt it.")
        return follow_run(run, told, own=True, reader=reader, interrupts=interrupts)
