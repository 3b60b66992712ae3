"""`traindeck train`, `resume` and `rerun`: compose, make the run folder, start, follow."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands import dry_run as dry
from trainer.commands.follow import Interrupts, follow_run, past, telling
from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_OK, ConfigError, Problem, RunError, TraindeckError
from trainer.start import LeavingAtOnce

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    clamp: bool,
    interval: float | None,
    multirun: bool,
    expert: str | None,
    hardware: str | None,
    verbose: bool,
) -> int:
    """Compose, launch and follow; see `traindeck train --help`."""
    overrides = with_named(overrides, expert, hardware)
    if multirun:
        return _sweep(
            overrides,
            queue=queue,
            clamp=clamp,
            config_file=config_file,
            profiles_dir=profiles_dir,
            runs_dir=runs_dir,
            name=name,
            tags=tags,
            as_json=as_json,
            detach=detach,
            dry_run=dry_run,
            interval=interval,
        )
    with LeavingAtOnce():
        from trainer.config.compose import compose
        from trainer.config.hardware_here import notes as device_notes
        from trainer.runs.again import need_training_packages
        from trainer.runs.launch import create
        from trainer.runs.plan import (
            batch_lines,
            clamped_lines,
            default_name,
            train_command,
            untold,
        )

        ask = partial(
            train_command,
            overrides,
            config_file,
            profiles_dir,
            runs_dir=runs_dir,
            name=name,
            tags=tags,
            queue=queue,
        )
        make = partial(compose, overrides, config_file=config_file, profiles_dir=profiles_dir)
        composed = _within_limits(make, clamp, shlex.join(ask(clamp=True)))
    command = ask(clamp=clamp)
    if dry_run:
        return dry.show(composed, command, as_json, verbose)
    if verbose:
        for text in dry.told(composed):
            note(text)
    for text in [*clamped_lines(composed), *batch_lines(composed)]:
        note(text)
    for text in filter(None, (untold(composed), *composed.notes, *device_notes(composed.config))):
        note(f"note: {text}")
    need_training_packages(composed.config, composed.provenance, network=True)

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
        profiles_dir=profiles_dir,
        config_file=config_file,
    )


def _within_limits(make: Callable[..., Composed], clamp: bool, clamped: str) -> Composed:
    """Compose; where only the hardware's limits stand against it, tell the command that keeps them.

    Args:
        make: Composes, lowered to the limits where it is called with `clamp=True`.
        clamp: Whether to lower.
        clamped: The command that does.

    Raises:
        ConfigError: The config is wrong.
    """
    try:
        return make(clamp=clamp)
    except ConfigError as error:
        if clamp:
            raise
        try:
            make(clamp=True)
        except ConfigError:
            raise error from None
        *most, last = error.problems
        remedy = f"{last.remedy} What the limits allow: {clamped}"
        raise ConfigError(*most, replace(last, remedy=remedy)) from None


def with_named(
    overrides: tuple[str, ...], expert: str | None, hardware: str | None
) -> tuple[str, ...]:
    """Put what was given as `--expert` and `--hardware` among the overrides.

    An expert alone, without a preset, is one to be fine-tuned.
    """
    from trainer.config.tables import RECIPE

    named = [f"expert={expert}"] if expert else []
    named += [f"hardware={hardware}"] if hardware else []
    presets = [word for word in overrides if "=" not in word or word.startswith("preset=")]
    return (*([RECIPE] if expert and not presets else []), *overrides, *named)


def _sweep(overrides: tuple[str, ...], *, queue: bool, **options: Any) -> int:
    """Sweep as `traindeck ablate` does, but with the trainer that a single run would have."""
    from trainer.commands.ablate import sweep_over

    if queue:
        raise TraindeckError(
            Problem(
                "--queue is for single runs; a sweep starts its trials one after the other.",
                "-m",
                "Leave it out, and say how many train at a time with `traindeck ablate --parallel`.",
            )
        )
    return sweep_over(overrides, default_profile=False, **options)


def resume(
    *,
    run: str,
    overrides: tuple[str, ...],
    runs_dir: Path,
    no_tui: bool,
    as_json: bool,
    detach: bool,
    queue: bool,
    clamp: bool,
    interval: float | None,
) -> int:
    """Go on with a run; see `traindeck resume --help`."""
    from trainer.config.onto import compose_onto
    from trainer.runs.again import make_ready, need_training_packages, ours
    from trainer.runs.index import find
    from trainer.runs.manage import checkpoint_folder, find_checkpoint
    from trainer.runs.plan import batch_lines, clamped_lines

    old = ours(find(runs_dir, run))
    need_training_packages()
    # What keeps to its profile as it is goes on in its own folder.
    if not overrides and not (clamp and compose_onto(old.path, clamp=True).clamped):
        make_ready(old)
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
                remedy=f"Start it again from the beginning: traindeck rerun {old.called()}",
            )
        )
    words = [*overrides, f"run.resume={quoted(str(checkpoint))}"]
    clamping = f"traindeck resume {old.called()} {shlex.join([*overrides, '--clamp'])}"
    composed = _within_limits(partial(compose_onto, old.path, words), clamp, clamping)
    for text in clamped_lines(composed):
        note(text)
    if composed.clamped:
        for text in batch_lines(composed):
            note(text)
    for text in composed.notes:
        note(f"note: {text}")
    need_training_packages(composed.config)
    new = _copy_of(
        old,
        composed,
        runs_dir=runs_dir,
        command=["traindeck", "resume", old.id, *overrides, *(["--clamp"] if clamp else [])],
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
    from trainer.runs.again import need_training_packages, ours
    from trainer.runs.index import find

    old = ours(find(runs_dir, run))
    composed = compose_onto(old.path)
    need_training_packages(composed.config)
    new = _copy_of(
        old,
        composed,
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


def quoted(value: str) -> str:
    """Quote a value for Hydra's override grammar."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _start_and_follow(
    run: RunFolder,
    runs_dir: Path,
    *,
    no_tui: bool,
    detach: bool,
    as_json: bool,
    interval: float | None,
    queue: bool,
    profiles_dir: Path | None = None,
    config_file: Path | None = None,
) -> int:
    from trainer.commands.terminal import app_fits, screen_on_stderr
    from trainer.runs.launch import start

    if app_fits(plain=no_tui or detach or as_json or interval is not None):
        from tui.entry import open_run

        start(run, queue="auto" if queue else None)
        with screen_on_stderr():
            return open_run(
                run,
                runs_dir,
                launched=True,
                profiles_dir=profiles_dir,
                config_file=config_file,
            )
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
