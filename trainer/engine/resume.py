"""Which checkpoint to begin from, and whether it can be."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainer.engine import context, corruption
from trainer.errors import Problem, RunError
from trainer.paths import at_home

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytorch_lightning as pl
    from torch import nn

    from trainer.engine.data import EngineData
    from trainer.runs.layout import RunFolder

LAST = "last.ckpt"


def choose(written: str, run: RunFolder, folder: Path, chosen: str = "") -> Path | None:
    """Settle which checkpoint to begin from.

    Args:
        written: The config's `run.resume`: `never`, `auto` or a path.
        run: The run folder; relative paths are looked for in it, then in the working folder.
        folder: Where this run's own checkpoints lie.
        chosen: What the launcher chose for this attempt; goes before what is written.

    Returns:
        The file; None to begin anew.

    Raises:
        RunError: A path was given and there is no such file.
    """
    if chosen:
        return _existing(chosen, run)
    if written == "never":
        return None
    if written == "auto":
        own = folder / LAST
        return own if own.exists() else None
    return _existing(written, run)


def carried(path: Path) -> dict[str, Any]:
    """Give what a checkpoint keeps of what was settled once for its training.

    Raises:
        RunError: It is not whole, or holds more than plain data.
    """
    data = _load(path).get("EngineData")
    kept = data.get("carried") if isinstance(data, dict) else None
    return dict(kept) if isinstance(kept, dict) else {}


def prepare(
    path: Path,
    *,
    carried: Mapping[str, Any],
    trainer: pl.Trainer,
    module: pl.LightningModule,
    data: EngineData,
    section: Mapping[str, Any],
) -> None:
    """Make model and data ready for a checkpoint, and have its context grow if that is asked for.

    A model that was resized before is built as its config says, so it is brought to that size
    first; what the checkpoint then holds fits it, and is not resized again.

    Args:
        path: The checkpoint.
        carried: What it keeps, as `carried` gave it.
        trainer: Who will load it.
        module: What is trained, new.
        data: What it is trained on; takes up what this training's checkpoints are to keep.
        section: The config's `trainer` section.

    Raises:
        ConfigError: The model refuses what is asked for.
        RunError: The checkpoint does not fit.
    """
    before = context.known_before(carried)
    wanted = context.asked_for(section.get("resume_context"), before)
    if before:
        context.resize(module, before)
    check(path, module)
    if wanted:
        context.Growth(wanted).install(trainer, module)
    if before or wanted:
        data.carried["context"] = before | wanted
        context.resize_data(data.source, before | wanted)
    kept = corruption.on_resume(
        module, section.get("resume_token_corruption"), carried.get("token_corruption")
    )
    if kept is not None:
        data.carried["token_corruption"] = kept


def check(path: Path, module: nn.Module) -> None:
    """Make sure that a checkpoint is whole and fits the model, before anything is touched.

    The file is mapped, not read, as far as the platform allows.

    Raises:
        RunError: It is not whole, is no checkpoint of a training, or has other weights; says which.
    """
    state = _load(path)
    weights = state.get("state_dict")
    if not isinstance(weights, dict):
        raise _refusal(path, "is no training checkpoint: it has no 'state_dict'.", "")
    if "optimizer_states" not in state or "loops" not in state:
        raise _refusal(
            path,
            "holds weights only, so that training cannot go on from it.",
            "Resume from a checkpoint that a training has written.",
        )
    mine = module.state_dict()
    missing = [name for name in mine if name not in weights]
    extra = [name for name in weights if name not in mine]
    other = [
        f"{name} is {_shape(weights[name])} there and {_shape(mine[name])} here"
        for name in mine
        if name in weights and _shape(weights[name]) != _shape(mine[name])
    ]
    if missing or extra or other:
        parts = []
        if other:
            parts.append(_some(other))
        if missing:
            parts.append(f"it lacks {_some(missing)}")
        if extra:
            parts.append(f"it has {_some(extra)}, which the model lacks")
        raise _refusal(
            path,
            f"does not fit the model: {'; '.join(parts)}.",
            "Resume with the `model` and `loss` settings that it was made with.",
        )


def _load(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:  # the index lies at the end: torn files have none
            archive.infolist()
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise _refusal(
            path,
            f"holds more than plain data and is not loaded: {str(error).splitlines()[0]}",
            "Only checkpoints that `torch.load(weights_only=True)` accepts can be resumed.",
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _refusal(
            path,
            f"is not a whole checkpoint ({str(error).splitlines()[0] if str(error) else error!r}).",
            "Resume from another one of the run's checkpoints.",
        ) from error
    if not isinstance(state, dict):
        raise _refusal(path, "is no training checkpoint.", "")
    return state


def _existing(written: str, run: RunFolder) -> Path:
    given = at_home(written)
    for candidate in (run.path / given, given):
        if candidate.is_file():
            return candidate.absolute()
    raise RunError(
        Problem(
            f"There is no checkpoint '{written}'.",
            "",
            "Write `run.resume=auto`, `never`, or the path of a file.",
            "run.resume",
        )
    )


def _shape(value: Any) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__


def _some(names: list[str], count: int = 3) -> str:
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")


def _refusal(path: Path, what: str, remedy: str) -> RunError:
    return RunError(Problem(f"{path} {what}", "", remedy, "run.resume"))
