"""Random tokens among the inputs: the model learns not to trust every byte it is shown."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainer.errors import ConfigError, Problem


class TokenCorruption(nn.Module):
    """Replaces each input token, with a probability that moves as training does, by any token.

    Only in training. Targets stay what they are. The probability goes in a straight line from
    `p_start` to `p_end`; what is drawn comes from torch's own generator, which checkpoints keep.

    Args:
        vocab_size: Number of tokens.
        enabled: Whether to do it at all.
        p_start: Probability at the start of training, 0 to 1.
        p_end: Probability at its end, 0 to 1.

    Raises:
        ConfigError: A probability is none.
    """

    def __init__(
        self, vocab_size: int, enabled: bool = True, p_start: float = 0.0, p_end: float = 0.0
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        # A tensor, so that a compiled model need not be compiled anew when it moves.
        self.register_buffer("probability", torch.zeros(()), persistent=False)
        self.set(enabled, p_start, p_end)

    def set(self, enabled: bool, p_start: float, p_end: float) -> None:
        """Go on by other settings."""
        for name, value in (("p_start", p_start), ("p_end", p_end)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0.0 <= value <= 1.0:
                raise ConfigError(
                    Problem(
                        f"`{name}` of the token corruption is a probability, not {value!r}.",
                        remedy="Give a number from 0 to 1.",
                        key=f"model.token_corruption.{name}",
                    )
                )
        self.enabled, self.p_start, self.p_end = bool(enabled), float(p_start), float(p_end)
        self.progress(0.0)

    def settings(self) -> dict[str, Any]:
        """Give the settings by name."""
        return {"enabled": self.enabled, "p_start": self.p_start, "p_end": self.p_end}

    def progress(self, share: float) -> None:
        """Move the probability to where training is, a share from 0 to 1."""
        self.get_buffer("probability").fill_(self.p_start + (self.p_end - self.p_start) * share)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give tokens (int64, any shape), some of them replaced in training."""
        if not (self.enabled and self.training):
            return tokens
        odds = torch.rand(tokens.shape, device=tokens.device)
        others = torch.randint(self.vocab_size, tokens.shape, device=tokens.device)
        return torch.where(odds < self.get_buffer("probability"), others, tokens)
