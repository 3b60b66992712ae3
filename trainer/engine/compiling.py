"""`trainer.compile`: torch.compile in place, so that weights keep their names."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.compile import from_compiled

from trainer.engine.protocols import network
from trainer.errors import ConfigError, Problem, nearest

KEY = "trainer.compile"
DEFAULT_BACKEND = "inductor"


def compile_module(
    module: pl.LightningModule, written: bool | Mapping[str, Any] | None, device: torch.device
) -> None:
    """Compile what is trained, as `trainer.compile` says; nothing if it says no.

    A recipe's model is compiled where it is called; a LightningModule of one's own in its steps, as
    Lightning does it. Neither changes the names in a checkpoint.

    Args:
        module: What is trained; compiled in place, at its first step.
        written: True, or keywords of `torch.compile`; false for nothing.
        device: Where it will train.

    Raises:
        ConfigError: torch cannot compile here, or takes other values.
    """
    if written is None or written is False:
        return
    keywords = (
        {name: value for name, value in written.items() if value is not None}
        if isinstance(written, Mapping)
        else {}
    )
    if keywords.pop("enabled", True) is False:
        return
    _check(str(keywords.get("backend", DEFAULT_BACKEND)), device)
    # torch's own numerics advice, told once for each process and of no use in a log.
    warnings.filterwarnings("ignore", message=".*TensorFloat32 tensor cores.*")
    try:
        model = network(module)
        if model is module:
            from_compiled(torch.compile(module, **keywords))  # type: ignore[arg-type]  # of a module it is a module
        else:
            model.compile(**keywords)
    except (RuntimeError, TypeError, ValueError) as error:
        raise _refusal(f"torch.compile refuses its settings: {error}") from error


@contextmanager
def compiler_told(written: bool | Mapping[str, Any] | None) -> Iterator[None]:
    """Tell in a sentence what the compiler could not do: it is asked at the first step only.

    Raises:
        ConfigError: Compiling has failed.
    """
    try:
        yield
    except Exception as error:
        from torch._dynamo.exc import TorchDynamoException

        if not written or not isinstance(error, TorchDynamoException):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = lines[0] if lines else type(error).__name__
        raise _refusal(f"The model could not be compiled: {first}") from error


def _check(backend: str, device: torch.device) -> None:
    """Make sure, before anything is trained, that a backend is there and has what it needs."""
    known = torch._dynamo.list_backends(None)
    if backend not in known:
        remedy = nearest(backend, known) or f"There are {', '.join(known)}."
        what = f"torch.compile has no backend '{backend}'."
        raise ConfigError(Problem(what, "", remedy, f"{KEY}.backend"))
    if backend != DEFAULT_BACKEND:
        return
    if device.type == "cpu":
        from torch._inductor.cpp_builder import get_cpp_compiler
        from torch._inductor.exc import InvalidCxxCompiler

        try:
            get_cpp_compiler()
        except (InvalidCxxCompiler, OSError) as error:
            raise _refusal(
                "torch.compile needs a C++ compiler, and this machine has none"
            ) from error
    elif device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise _refusal(
                "torch.compile needs Triton for a GPU, and it is not installed or does not know "
                "this one"
            )


def _refusal(what: str) -> ConfigError:
    return ConfigError(
        Problem(
            what if what.endswith(".") else f"{what}.",
            "",
            "Set trainer.compile=false, or another backend (trainer.compile={backend: aot_eager}).",
            KEY,
        )
    )
