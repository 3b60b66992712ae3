"""The score of the Ariel Data Challenge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainer.engine.losses.outputs import Outputs
from trainer.engine.losses.terms import Measure
from trainer.errors import ConfigError, Problem
from trainer.recipes.spectra.terms import HALF_LOG_2PI, mu_target_sigma

_LEAST_SIGMA = 1e-15  # the challenge's own


class ChallengeScore(Measure):
    """Likelihood between a naive model (0) and an ideal one (1), clipped to 0…1.

    With L the Gaussian log-likelihood of the targets, summed over all planets and wavelengths:

        score = (L(μ, σ) − L(naive)) / (L(ideal) − L(naive))

    The naive model says the mean and the standard deviation of all depths in the training set, for
    every planet; the ideal one says the truth with a σ of `sigma_true`. The Ariel Data Challenge's
    evaluation (documents 000 and 001); it is a ratio of sums over the whole validation, not a mean
    of batches' scores, and clipped once.

    Args:
        sigma_true: σ of the ideal model, a depth (10 ppm in the challenge); above 0.
        naive_mean: The naive model's μ, a depth; None: the data tells.
        naive_sigma: The naive model's σ, a depth; None: the data tells.
    """

    goal = "max"

    def __init__(
        self,
        sigma_true: float = 1e-5,
        naive_mean: float | None = None,
        naive_sigma: float | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("sigma_true", sigma_true), ("naive_sigma", naive_sigma)):
            if value is not None and not value > 0:
                raise ConfigError(
                    Problem(f"{name} is {value:g}, and must be above 0.", key="eval_loss.score")
                )
        self.sigma_true = sigma_true
        self.naive_mean, self.naive_sigma = naive_mean, naive_sigma
        self._seen: tuple[float | None, float | None] = (None, None)

    def see_data(self, data: Any) -> None:
        """Take the naive model from the data's training targets."""
        mean, sigma = getattr(data, "naive_mean", None), getattr(data, "naive_sigma", None)
        self._seen = (
            None if mean is None else float(mean),
            None if sigma is None else float(sigma),
        )

    def forward(self, outputs: Outputs) -> Tensor:
        """Give what the model and what the ideal one are better than the naive one, each a mean.

        Returns:
            (2,), in nats.
        """
        mu, target, sigma = mu_target_sigma(self, outputs)
        mean = self._seen[0] if self.naive_mean is None else self.naive_mean
        spread = self._seen[1] if self.naive_sigma is None else self.naive_sigma
        if mean is None or spread is None:
            raise ConfigError(
                Problem(
                    "The score is measured against a naive model, and the data tells no "
                    "naive_mean and naive_sigma.",
                    "",
                    "Give them as eval_loss.score.naive_mean and naive_sigma.",
                    "eval_loss.score",
                )
            )
        unit = float(outputs.extra.get("unit", 1.0))  # of the prediction, as a depth
        naive = _gll(target, torch.full_like(mu, mean / unit), torch.full_like(mu, spread / unit))
        ideal = _gll(target, target, torch.full_like(mu, self.sigma_true / unit))
        own = _gll(target, mu, sigma.clamp_min(_LEAST_SIGMA / unit))
        return torch.stack((own - naive, ideal - naive))

    def finish(self, means: Tensor) -> Tensor:
        """Give the score, 0 to 1, from the means over the whole validation."""
        return (means[0] / means[1]).clamp(0.0, 1.0)


def _gll(target: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Give the mean log-density of the targets under normal distributions."""
    return (-0.5 * ((target - mu) / sigma).square() - sigma.log() - HALF_LOG_2PI).mean()
