"""What a model, or data, may offer besides what training needs; see docs/own-model.md.

Nothing has to be inherited: whoever has the methods takes part.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import nn

from trainer.engine.module import TrainModule


@runtime_checkable
class ResizesContext(Protocol):
    """A model whose context can grow; data may have the same method, to give longer samples."""

    def resize_context(self, **keys: Any) -> None:
        """Grow the context, in place.

        Called on a model that holds a checkpoint's weights, before optimisers exist. A parameter
        that changes its shape is replaced by one that keeps the old values in its low corner; the
        optimiser's state follows it. Called on the same model again, it goes on from there.

        Args:
            keys: What `trainer.resume_context` names; others are not passed.

        Raises:
            ConfigError: The model cannot be resized so. Only growth in time is legal.
        """


@runtime_checkable
class CorruptsTokens(Protocol):
    """A model that replaces some of its input tokens by others while it trains."""

    def own_token_corruption(self) -> dict[str, Any]:
        """Give the settings that the model was made with: `enabled`, `p_start`, `p_end`."""

    def set_token_corruption(self, **settings: Any) -> None:
        """Corrupt from now on by these settings.

        Raises:
            ConfigError: They are not legal.
        """


@runtime_checkable
class FollowsProgress(Protocol):
    """A model that changes with training, such as by a schedule of its own."""

    def training_progress(self, share: float) -> None:
        """Take note of how far training is; called before each batch.

        Args:
            share: Optimiser steps done over all that are planned, from 0 to 1; 0 where no end is
                planned. What is done with it must not wait for a GPU.
        """


@runtime_checkable
class SeesData(Protocol):
    """A model, a loss, or any module inside either, that depends on the data it will meet."""

    def see_data(self, data: Any) -> None:
        """Take what is needed from the recipe's data: a mean, a grid of wavelengths, a vocabulary.

        Called by every rank before each training, when the data is prepared and no optimiser
        exists; a checkpoint's weights are loaded afterwards. No parameter may change its shape.

        Args:
            data: The object that the config's `data` names.
        """


@runtime_checkable
class GivesExample(Protocol):
    """Data that can show what a batch looks like before there are any."""

    def example_batch(self, size: int) -> Any:
        """Give a batch as large as training may meet, on the host; shapes and types count.

        Called before `prepare`, to estimate a training's memory: nothing is fetched or made for it.

        Args:
            size: Samples.
        """


@runtime_checkable
class DrawsDiagnostics(Protocol):
    """A model, a loss, or any module inside either, that shows what it has learnt."""

    def diagnostic_figures(self, data: Any) -> Mapping[str, Any]:
        """Draw figures of the trained model, for the best trials of a sweep.

        Called in a process of its own, on the CPU, without gradients, in evaluation mode and with
        the weights of the run's best checkpoint.

        Args:
            data: The object that the config's `data` names, prepared.

        Returns:
            matplotlib figures by name; files are called by the names.
        """


def network(module: nn.Module) -> nn.Module:
    """Give the model that the config names: what the engine's own module trains, or a module itself."""
    return module.model if isinstance(module, TrainModule) else module


def keywords_of(method: Any) -> list[str] | None:
    """Give the keywords that a method takes; None if it takes any."""
    parameters = inspect.signature(method).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters]
