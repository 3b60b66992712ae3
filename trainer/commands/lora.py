"""`traindeck evaluate`, `adapter`, `merge`, `data make-instruct` and `make-base`: hand over to a process with torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from trainer.errors import ConfigError, Problem, RunError
from trainer.paths import at_home
from trainer.runs.layout import RunFolder
from trainer.runs.program import python

_ROOM = "trainer.recipes.lora"
_NEEDED = ("torch", "transformers", "peft", "tokenizers", "safetensors")
ADAPTER = "adapter_config.json"


def make_instruct(*, out: Path, as_json: bool, **options: Any) -> NoReturn:
    """Write instructions; see `traindeck data make-instruct --help`."""
    _become("make", "instruct", options, as_json, "--", str(out))


def make_base(*, out: Path, as_json: bool, **options: Any) -> NoReturn:
    """Train a small base; see `traindeck data make-base --help`.

    Raises:
        ConfigError: transformers or torch is not installed.
    """
    _need_hf()
    _become("make", "base", options, as_json, "--", str(out))


def evaluate(*, run: str, runs_dir: Path, as_json: bool, **options: Any) -> NoReturn:
    """Evaluate a run's model; see `traindeck evaluate --help`.

    Raises:
        RunError: There is no such run, or it fine-tunes no language model.
        ConfigError: transformers or torch is not installed.
    """
    folder = _run(run, runs_dir)
    _check_checkpoint(folder, str(options["checkpoint"]))
    _need_hf()
    _become("evaluate", "", options, as_json, "--", str(folder.path))


def merge(*, adapter: str, out: Path, runs_dir: Path, as_json: bool, **options: Any) -> NoReturn:
    """Merge an adapter into its base; see `traindeck merge --help`.

    Raises:
        RunError: There is neither such a folder nor such a run, or the run has left no model.
        ConfigError: transformers or torch is not installed.
    """
    folder = at_home(adapter)
    if not (folder / ADAPTER).is_file():
        if folder.is_dir() and not (folder / "config.yaml").is_file():
            raise RunError(
                Problem(
                    f"the folder holds no {ADAPTER}: it is no adapter.",
                    str(folder),
                    "Name the folder that a fine-tuning has left, or its run.",
                )
            )
        run = _run(adapter, runs_dir)
        folder = run.path / "outputs" / "model"
        if not (folder / ADAPTER).is_file():
            raise _unfinished(run)
        folder = folder.resolve()
    _need_hf()
    _become("merge", "", {"out": out, **options}, as_json, "--", str(folder))


def adapter(*, run: str, runs_dir: Path, as_json: bool, **options: Any) -> NoReturn:
    """Write a model's folder from a checkpoint; see `traindeck adapter --help`.

    Raises:
        RunError: There is no such run or checkpoint, or it fine-tunes no language model.
        ConfigError: transformers or torch is not installed.
    """
    folder = _run(run, runs_dir)
    _check_checkpoint(folder, str(options["checkpoint"]))
    _need_hf()
    _become("leave", "", options, as_json, "--", str(folder.path))


def _unfinished(run: RunFolder) -> RunError:
    from trainer.runs.status import State, read_status

    state, name = read_status(run).state, run.path.name
    if state in (State.RUNNING, State.STARTING):
        what, remedy = "has not finished its model: it still trains", f"traindeck stop {name}"
        return RunError(Problem(f"{name} {what}", "", f"Wait for it, or end it early: {remedy}"))
    return RunError(
        Problem(
            f"{name} has left no finished model",
            "",
            f"Go on with it: traindeck resume {name}. Or take what its last checkpoint holds: "
            f"traindeck adapter {name}",
        )
    )


def _check_checkpoint(run: RunFolder, wanted: str) -> None:
    """Tell before torch is loaded that there is no such checkpoint, where that can be known."""
    path = at_home(wanted)
    if wanted in ("last", "best") or path.is_file():
        return
    raise RunError(
        Problem(
            f"there is no checkpoint '{wanted}' of {run.path.name}",
            str(path),
            "Name `last`, `best`, or the path of a file: they are in the run's checkpoints.",
        )
    )


def _run(key: str, runs_dir: Path) -> RunFolder:
    from trainer.config.schema import load_resolved
    from trainer.runs.index import find

    if (at_home(key) / ADAPTER).is_file():
        raise RunError(
            Problem(
                "this is a finished model's folder, and no run.",
                key,
                "Name the run that has left it: its metadata.json tells which.",
            )
        )
    found = find(runs_dir, key)
    recipe = load_resolved(found.config).run.recipe
    if recipe != "lora":
        raise RunError(
            Problem(
                f"{found.path.name} fine-tunes no language model",
                remedy="Its figures are those of its validations: traindeck show RUN",
            )
        )
    return found


def _need_hf() -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        lacks = " and ".join(missing)
        raise ConfigError(
            Problem(
                f"this needs {lacks}, which the base install leaves out.",
                sys.executable,
                "Install it: pip install 'traindeck[train,hf]'",
            )
        )


def _become(
    module: str, what: str, options: Mapping[str, Any], as_json: bool, *rest: str
) -> NoReturn:
    # Ctrl-C and signals then reach the one process there is.
    words = [*python(Path.cwd()), "-m", f"{_ROOM}.{module}", *([what] if what else [])]
    words += [
        f"--{name.replace('_', '-')}={value}"
        for name, value in options.items()
        if value is not None
    ]
    words += ["--json"] if as_json else []
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], [*words, *rest], dict(os.environ))
