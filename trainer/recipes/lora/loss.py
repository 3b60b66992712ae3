"""How surprised the model is by the tokens that count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.recipes.lora.data import IGNORE


class AnswerLoss(nn.Module):
    """Cross entropy of the tokens that a batch names, in nats; in evaluation also the perplexity.

    `data.response_only` decides which tokens those are. The mean is over the tokens of a batch; that
    of a validation over its batches, by their rows.

    Args:
        label_smoothing: Share of the probability that is spread over all tokens, in training.
        name: What profiles call it.
    """

    metric_info: ClassVar[dict[str, dict[str, Any]]] = {
        "train/loss": {"unit": "nats", "goal": "min"},
        "val/loss": {"unit": "nats", "goal": "min"},
        "val/perplexity": {"goal": "min"},
    }
    #: Of the mean of a whole validation, not of each batch.
    finishers: ClassVar[dict[str, Callable[[Tensor], Tensor]]] = {"perplexity": torch.exp}

    def __init__(self, label_smoothing: float = 0.0, name: str = "answer") -> None:
        super().__init__()
        self.name = name
        self.label_smoothing = label_smoothing

    def forward(
        self, model: nn.Module, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the mean loss (a scalar) and its metrics.

        Args:
            model: Gives logits (rows, targets, vocabulary) at the batch's `positions`.
            batch: See `trainer.recipes.lora.data.Instructions`.
        """
        logits = model(batch["input_ids"], batch["positions"], batch.get("position_ids"))
        loss = functional.cross_entropy(
            logits.flatten(0, -2).float(),
            batch["labels"].flatten(),
            ignore_index=IGNORE,
            label_smoothing=self.label_smoothing if model.training else 0.0,
        )
        return loss, {} if model.training else {"perplexity": loss.detach()}
