"""A composed config becomes a run folder; a detached supervisor is started for it.

The launcher is nobody's parent that matters: once `start` has returned it may be killed.
"""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import Problem, RunError
from trainer.paths import at_home
from trainer.runs import devices as device_names
from trainer.runs import environment, provenance
from trainer.runs.ending import last_lines
from trainer.runs.folders import make_folder, shown_name
from trainer.runs.layout import (
    CODE_PATCH,
    DEBUG_LOG,
    ENVIRONMENT,
    ENVIRONMENT_SEEN,
    HASH_SUMMARY,
    REQUIREMENTS,
    RunFolder,
    dumps,
    open_output,
    read_json_or_empty,
    write_json_atomic,
)
from trainer.runs.program import command_line, secrets_in
from trainer.runs.settled import settled
from trainer.runs.status import State
from trainer.runs.values import printable
from trainer.secrets import mask, mask_words

if TYPE_CHECKING:
    from trainer.config.compose import Composed

_READY_TIMEOUT = 30.0

StartSupervisor = Callable[[list[str], int, int], Callable[[bool], None]]
"""Starts `python -m trainer.runs.supervisor` with the words, an open file to print to, and the
descriptor to answer on. Gives what is called after the answer, with whether there was any: it lets
go of the process, or kills it."""


def prepare(
    composed: Composed,
    *,
    runs_dir: Path | str,
    name: str = "",
    tags: Iterable[str] = (),
    command: Sequence[str] = (),
    parent: Mapping[str, str] | None = None,
    argv: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    queued: bool = False,
) -> Callable[[], RunFolder]:
    """Find out what a run folder is to hold; nothing is written yet.

    Args:
        composed: The resolved config with its provenance.
        runs_dir: The folder of runs.
        name: The run's name; `run.name` or the recipe's if empty.
        tags: Words to find it by.
        command: What the person typed; secrets in it are masked.
        parent: `{"sweep": id}` or `{"resume": id}`.
        argv: The program to run, with `{run}` for the run folder; the engine if None.
        env: Extra variables for the program; they are written down, so no secrets.
        cwd: Where the program runs; the working directory if None.
        queued: Whether it will wait in a queue; the first state then says so.

    Returns:
        What makes the folder, once, whole from the first moment it can be seen. It raises RunError
        if the folder cannot be made.

    Raises:
        RunError: A variable looks like a secret, or a file's name cannot be one.
    """
    place = Path(cwd or Path.cwd()).absolute()
    root = at_home(runs_dir).absolute()
    composed = settled(composed)
    config = composed.config
    section = config.get("run") or {}
    secret = secrets_in(env or {})
    if secret:
        raise RunError(
            Problem(
                f"the variable {secret[0]} looks like a secret and would be written to run.json",
                remedy="Set it in the shell instead; the run inherits the environment.",
            )
        )
    found = environment.lock(section.get("num_threads"), env)
    summary = provenance.hash_summary(config, cwd=place, runs_dir=root, environment=found)
    patch = provenance.keep_patch(summary, cwd=place, runs_dir=root)
    title = name or str(section.get("name") or "") or composed.choices.get("preset") or "run"
    names = {
        "hash_summary": _file_name(section.get("hash_file"), HASH_SUMMARY, "run.hash_file"),
        "debug_log": _file_name(section.get("debug_log"), DEBUG_LOG, "run.debug_log"),
    }
    written = composed.yaml()
    identity = {
        "tags": sorted({shown_name(tag) for tag in tags} | set(_words(section.get("tags")))),
        "cwd": str(place),
        "env": dict(env or {}),
        "command": mask_words(command),
        "parent": dict(parent) if parent else None,
        "preset": composed.choices.get("preset"),
        "recipe": section.get("recipe"),
        "config_hash": summary["config"]["hash"],
        "hash": summary["hash"],
        "choices": dict(composed.choices),
        "devices": list(device_names.of(config)),
        "limits": _limits(config),
        "files": names,
    }

    def files(run: RunFolder, run_id: str) -> dict[str, bytes | str]:
        # The identity is complete only now that the folder's name is known.
        identity["argv"] = command_line(argv, run, place)
        identity["runs_dir"] = str(root)
        identity["checkpoint_dir"] = _checkpoint_dir(config, place, run)
        return {
            "config.yaml": written,
            "overrides.yaml": _yaml_list([mask(word) for word in composed.overrides]),
            "provenance.json": dumps(_origins(composed)) + "\n",
            names["hash_summary"]: dumps(summary) + "\n",
            ENVIRONMENT: json.dumps(found, indent=1) + "\n",
            REQUIREMENTS: environment.requirements(found),
            **({CODE_PATCH: patch} if patch else {}),
            "command.sh": _command_script(identity),
            f"logs/{names['debug_log']}": _debug_log(run_id, title, identity, composed, written),
        }

    def make() -> RunFolder:
        state = State.QUEUED if queued else State.STARTING
        try:
            run = make_folder(root, title, identity, files, state=state)
            run.command.chmod(0o755)
        except OSError as error:
            raise RunError(
                Problem(
                    f"the run folder could not be made in {root}: {error.strerror or error}",
                    remedy="Check the disk and the rights, or choose another folder (--runs-dir).",
                )
            ) from error
        return run

    return make


def create(composed: Composed, **how: Any) -> RunFolder:
    """Make a run folder that holds everything a run needs; nothing is started.

    Args:
        composed: The resolved config with its provenance.
        how: As for `prepare`.

    Returns:
        The folder, whole from the first moment it can be seen.

    Raises:
        RunError: The folder cannot be made, or a variable looks like a secret.
    """
    return prepare(composed, **how)()


def start(
    run: RunFolder,
    *,
    queue: str | Sequence[str] | None = None,
    by: StartSupervisor | None = None,
) -> None:
    """Start the supervisor of a run, detached from this process and its terminal.

    Returns once it has the folder; the training process follows on its own.

    Args:
        run: A folder from `create`, or one that `prepare_resume` made ready.
        queue: Devices to wait for, first come, first served ("cuda:0", or several); "auto"
            for those that the config uses; None starts at once.
        by: What starts the supervisor; a fresh process if None.

    Raises:
        RunError: Another process uses the folder, or the supervisor did not come up.
    """
    words = _queue_devices(run, queue)
    reader, writer = os.pipe()
    try:
        run.logs.mkdir(exist_ok=True)
        with open_output(run) as output:
            since = output.tell()
            arguments = [
                str(run.path.absolute()),
                *(("--queue", ",".join(words)) if words else ()),
            ]
            settle = (by or _execute)(arguments, output.fileno(), writer)
    except OSError as error:
        os.close(reader)
        _mark_failed(run, f"the supervisor could not be started: {error}")
        raise RunError(f"the supervisor could not be started: {error}") from error
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        answer = _wait_for_answer(reader)
    finally:
        os.close(reader)
    # Too slow, or gone? If it still comes up it finds nobody listening and gives up.
    settle(bool(answer))
    if answer == "ok":
        return
    if not answer:
        lines = last_lines(run.output, since=since)
        answer = "the supervisor did not come up" + (f": {lines[-1]}" if lines else "")
        _mark_failed(run, answer)
    raise RunError(Problem(printable(answer), remedy="See `traindeck show` for its state."))


def supervisor_line(arguments: Sequence[str]) -> list[str]:
    """Give the command line of a supervisor."""
    # -P: a folder or file called "trainer" in the person's project must not be taken for ours.
    return [sys.executable, "-P", "-m", "trainer.runs.supervisor", *arguments]


def _execute(arguments: Sequence[str], output: int, ready: int) -> Callable[[bool], None]:
    process = subprocess.Popen(
        supervisor_line([*arguments, "--detach", "--ready-fd", str(ready)]),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=(ready,),
    )

    def settle(answered: bool) -> None:
        if not answered:
            process.kill()
        process.wait()

    return settle


def _wait_for_answer(reader: int) -> str:
    """Read what the supervisor says; empty if it ends or stays silent."""
    deadline = time.monotonic() + _READY_TIMEOUT
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], left)
        if not ready:
            break
        chunk = os.read(reader, 4096)
        if not chunk:
            break
        said += chunk
    return said.decode("utf-8", "replace")


def _mark_failed(run: RunFolder, reason: str) -> None:
    """Record that nothing was started, unless a supervisor has taken over after all."""
    record = read_json_or_empty(run.status)
    if record.get("writer") == "launcher":
        try:
            write_json_atomic(run.status, {**record, "state": State.FAILED, "reason": reason})
        except OSError:
            return


def _queue_devices(run: RunFolder, queue: str | Sequence[str] | None) -> tuple[str, ...]:
    if queue is None:
        return ()
    if queue == "auto":
        recorded = run.identity().get("devices")
        return tuple(str(name) for name in recorded) if recorded else ("cpu",)
    words = queue.split(",") if isinstance(queue, str) else list(queue)
    for word in words:
        if not device_names.is_name(word):
            raise RunError(
                Problem(
                    f"'{printable(word)}' is no device to queue for",
                    remedy="Use cpu, mps, cuda:0, cuda:1 … or auto.",
                )
            )
    return tuple(words)


def _limits(config: Mapping[str, Any]) -> dict[str, Any]:
    limits = config.get("limits") or {}
    return {
        "wall_clock_s": limits.get("wall_clock"),
        "grace_s": limits.get("grace"),
        "memory_gb": limits.get("memory_gb"),
    }


def _checkpoint_dir(config: Mapping[str, Any], cwd: Path, run: RunFolder) -> str | None:
    """Give a folder of the run's own in `trainer.ckpt_dir`, which other runs may use as well."""
    named = (config.get("trainer") or {}).get("ckpt_dir")
    return str(cwd / at_home(str(named)) / run.path.name) if named else None


def _file_name(value: object, default: str, key: str) -> str:
    """Check a file name that the config chooses."""
    if value is None:
        return default
    name = str(value)
    reserved = {"run.json", "status.json", "config.yaml", "status.trainer.json", "events.jsonl"}
    reserved |= {ENVIRONMENT, ENVIRONMENT_SEEN, REQUIREMENTS, CODE_PATCH}
    if not re.fullmatch(r"[\w][\w.-]{0,99}", name) or name in reserved:
        raise RunError(
            Problem(
                f"'{printable(name)}' cannot be the name of a file in the run folder",
                remedy="Use letters, digits, '.', '_' and '-', and no name that is taken.",
                key=key,
            )
        )
    return name


def _words(value: object) -> list[str]:
    return [shown_name(str(word)) for word in value] if isinstance(value, list | tuple) else []


def _origins(composed: Composed) -> dict[str, dict[str, Any]]:
    return {
        key: {
            "origin": mask(str(origin)),
            "where": origin.where,
            "line": origin.line,
            "text": mask(origin.text),
            "kind": origin.kind,
        }
        for key, origin in composed.provenance.items()
    }


def _yaml_list(words: Sequence[str]) -> str:
    import yaml

    return str(yaml.safe_dump(list(words), allow_unicode=True)) if words else "[]\n"


def _command_script(identity: Mapping[str, Any]) -> str:
    """Write the script that runs this again: the same config, in a folder of its own."""
    typed = printable(shlex.join(identity["command"]).replace("\n", " "))
    exports = "".join(
        f"export {key}={shlex.quote(value)}\n"
        for key, value in identity["env"].items()
        if re.fullmatch(r"[A-Za-z_]\w*", key)
    )
    return (
        "#!/bin/sh\n"
        "# Runs this again: the same config, in a new run folder.\n"
        f"# It was started by: {typed}\n"
        'here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit\n'
        f"cd -- {shlex.quote(identity['cwd'])} || exit\n"
        f"{exports}"
        f"exec {shlex.quote(sys.executable)} -P -m trainer.cli rerun"
        f' --runs-dir {shlex.quote(identity["runs_dir"])} "$here" "$@"\n'
    )


def _debug_log(
    run_id: str, title: str, identity: Mapping[str, Any], composed: Composed, written: str
) -> str:
    """Begin the log for people; `written` is the config as YAML."""
    when = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    typed = printable(shlex.join(identity["command"]).replace("\n", " "))
    lines = [
        f"# {shown_name(title)} ({run_id})",
        "",
        f"- created: {when}",
        f"- command: `{typed}`",
        f"- folder: `{printable(identity['cwd'])}`",
        f"- config hash: `{identity['config_hash']}`",
        f"- hash of config, code, environment and data: `{identity['hash']}`",
        *(f"- {group}: {option}" for group, option in sorted(composed.choices.items())),
    ]
    if composed.overrides:
        asked = (f"- `{printable(mask(word))}`" for word in composed.overrides)
        lines += ["", "## Overrides", "", *asked]
    if composed.notes:
        lines += ["", "## Notes", "", *(f"- {printable(note)}" for note in composed.notes)]
    # Indented rather than fenced: nothing inside can end the block.
    lines += ["", "## Config", "", *(f"    {line}" for line in written.splitlines())]
    return "\n".join(lines) + "\n\n## Log\n\n"
