"""How surprised the model is by the next byte."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional


class NextByteLoss(nn.Module):
    """Cross entropy of the next token, in nats; in evaluation also in bits per byte.

    Args:
        label_smoothing: Share of the probability that is spread over all tokens, in training.
        name: What profiles call it.
    """

    metric_info: ClassVar[dict[str, dict[str, Any]]] = {
        "train/loss": {"unit": "nats", "goal": "min"},
        "val/loss": {"unit": "nats", "goal": "min"},
        "val/bits_per_byte": {"unit": "bits/byte", "goal": "min"},
    }

    def __init__(self, label_smoothing: float = 0.0, name: str = "next_token") -> None:
        super().__init__()
        self.name = name
        self.label_smoothing = label_smoothing

    def forward(
        self, model: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the mean loss (a scalar) and its metrics.

        Args:
            model: Gives logits (batch, length, vocabulary) for tokens (batch, length).
            batch: Tokens and the tokens that follow them, each int64 (batch, length).
        """
        inputs, targets = batch
        logits = model(inputs).float()
        smoothing = self.label_smoothing if model.training else 0.0
        loss = functional.cross_entropy(
            logits.flatten(0, -2), targets.flatten(), label_smoothing=smoothing
        )
        if model.training:
            return loss, {}
        return loss, {"bits_per_byte": loss.detach() / math.log(2.0)}
