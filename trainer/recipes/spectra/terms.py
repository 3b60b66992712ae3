"""What a spectrum is judged by: likelihood under the model's own sigma, symmetry of its bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainer.engine.losses.outputs import Outputs
from trainer.engine.losses.terms import Term, needs_target
from trainer.errors import ConfigError, Problem, nearest
from trainer.recipes.spectra.bands import BANDS, ariel_wavelengths, window

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class GLL(Term):
    """Gaussian log-likelihood of the target y under (μ, σ), negated and averaged.

    mean ½ ((y − μ) / s)² + log s + ½ log 2π, with s = √(σ² + `sigma_floor`²): the floor keeps a
    model that is sure of itself from overflowing, and unlike a cut leaves σ a gradient below it.
    The density of the normal distribution (document 001, "GLL"; Nix and Weigend 1994).

    Args:
        sigma_floor: Least σ, in the unit of the prediction; above 0.
    """

    unit = "nats"

    def __init__(self, sigma_floor: float = 0.01) -> None:
        super().__init__()
        if not sigma_floor > 0:
            raise ConfigError(
                Problem(f"sigma_floor is {sigma_floor:g}, and must be above 0.", key="loss")
            )
        self.sigma_floor = sigma_floor

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean over all elements, in nats."""
        mu, target, sigma = mu_target_sigma(self, outputs)
        variance = sigma.square() + self.sigma_floor**2
        return (0.5 * ((target - mu).square() / variance + variance.log()) + HALF_LOG_2PI).mean()


class BandTerm(Term):
    """Base of terms that know where molecules absorb.

    They stand on the nominal wavelengths until they are shown data with `wavelengths` of its own.

    Args:
        molecules: Whose bands count; None: all of the table's.
    """

    def __init__(self, molecules: Sequence[str] | None = None) -> None:
        super().__init__()
        self.molecules = tuple(BANDS) if molecules is None else tuple(molecules)
        for name in self.molecules:
            if name not in BANDS:
                raise ConfigError(
                    Problem(
                        f"There is no molecule '{name}'.",
                        "",
                        nearest(str(name), BANDS) or f"There are {', '.join(BANDS)}.",
                        "loss",
                    )
                )
        self.wavelengths: list[float] = []
        self.look(ariel_wavelengths())

    def see_data(self, data: Any) -> None:
        """Take over the data's wavelengths, µm."""
        wavelengths = getattr(data, "wavelengths", None)
        if wavelengths is not None:
            self.look([float(w) for w in wavelengths])

    def look(self, wavelengths: list[float]) -> None:
        """Stand on these wavelengths, µm."""
        self.wavelengths = wavelengths

    def spectra(self, values: Tensor) -> Tensor:
        """Give a tensor of spectra (…, wavelengths) as it is, once it is one.

        Raises:
            ConfigError: It has another number of wavelengths.
        """
        if values.ndim == 0 or values.shape[-1] != len(self.wavelengths):
            raise ConfigError(
                Problem(
                    f"{type(self).__name__} looks at spectra of {len(self.wavelengths)} "
                    f"wavelengths, and the model gave shape {tuple(values.shape)}.",
                    "",
                    "Choose a model of spectra, such as model=spectra_small, or leave it out.",
                    "loss",
                )
            )
        return values

    def _keep(self, name: str, values: Tensor) -> None:
        """Keep a tensor that follows the wavelengths: it moves along, and is in no checkpoint."""
        old = getattr(self, name, None)
        self.register_buffer(
            name, values if old is None else values.to(old.device), persistent=False
        )


class Asymmetry(BandTerm):
    """Mean over windows of mean |μ − flip(μ)|^p, each window turned around its own centre.

    Document 001 names the term and does not define it. Here: around the centre of each molecular
    band lies a window (`bands.window`), in which the spectrum is compared with its mirror image. A
    band that stands alone and is seen well is nearly symmetric. Windows of neighbouring bands
    overlap, so that true spectra are not free of it: a small weight is meant.

    Args:
        p: Power; 1 or more.
        molecules: Whose bands count; None: all of the table's.
    """

    left: Tensor
    right: Tensor
    share: Tensor

    def __init__(self, p: float = 2.0, molecules: Sequence[str] | None = None) -> None:
        if not p >= 1:
            raise ConfigError(Problem(f"p is {p:g}, and must be 1 or more.", key="loss"))
        super().__init__(molecules)
        self.p = p

    def look(self, wavelengths: list[float]) -> None:
        """Find the windows among these wavelengths, µm."""
        super().look(wavelengths)
        bands = [band for name in self.molecules for band in BANDS[name]]
        found = [(a, b) for a, b in (window(band, wavelengths) for band in bands) if b > a]
        if not found:
            raise ConfigError(
                Problem("Asymmetry finds no band within the wavelengths of the data.", key="loss")
            )
        # One gather for all windows: positions, their mirror images, and what each counts for.
        left = [i for a, b in found for i in range(a, b)]
        right = [a + b - 1 - i for a, b in found for i in range(a, b)]
        share = [1 / (b - a) / len(found) for a, b in found for _ in range(a, b)]
        self._keep("left", torch.tensor(left))
        self._keep("right", torch.tensor(right))
        self._keep("share", torch.tensor(share, dtype=torch.float64))

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean over the batch and all windows."""
        mu = self.spectra(outputs.prediction)
        apart = (mu[..., self.left] - mu[..., self.right]).abs().pow(self.p)
        return (apart * self.share.to(apart.dtype)).sum(dim=-1).mean()


def mu_target_sigma(term: nn.Module, outputs: Outputs) -> tuple[Tensor, Tensor, Tensor]:
    """Give prediction, target and σ of a forward pass, all of one shape.

    Raises:
        ConfigError: There is no target, the model tells no σ, or the shapes differ.
    """
    name, sigma = type(term).__name__, outputs.extra.get("sigma")
    if outputs.target is None:
        raise ConfigError(needs_target(term))
    if not isinstance(sigma, Tensor):
        raise ConfigError(
            Problem(
                f"{name} needs a model that tells its own sigma beside the prediction.",
                "",
                "Let the ForwardPass that loss._target_ names give it as extra['sigma'], as "
                "trainer.recipes.spectra.forward.SpectraPass does.",
                "loss",
            )
        )
    mu, target = outputs.prediction, outputs.target.to(outputs.prediction.dtype)
    if not mu.shape == target.shape == sigma.shape:
        raise ConfigError(
            Problem(
                f"{name} compares a prediction of shape {tuple(mu.shape)} and a sigma of shape "
                f"{tuple(sigma.shape)} with a target of shape {tuple(target.shape)}.",
                "",
                "They must be equal.",
                "loss",
            )
        )
    return mu, target, sigma
