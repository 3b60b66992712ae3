"""Symbolic rules: what physics says of a spectrum, measured as violations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.engine.losses.outputs import Outputs
from trainer.engine.losses.terms import Term, needs_target
from trainer.errors import ConfigError, Problem
from trainer.recipes.spectra.bands import FGS, template
from trainer.recipes.spectra.terms import BandTerm


class MolecularFingerprint(BandTerm):
    """Molecules leave their bands in a spectrum if they are there, and only then (document 001).

    With c the correlation (Pearson's, over AIRS-CH0) of μ with a molecule's band template, t the
    `threshold`, and the molecule said to be present or not:

    * present: `match_weight` · max(t − c, 0): its bands are lacking;
    * absent: `false_positive_weight` · max(c − t, 0): bands that nobody put there.

    Mean over molecules and batch. A molecule is said to be present where the *target's* own
    correlation reaches t; so the truth violates nothing, though bands of two molecules overlap.
    `present` says it for all planets at once instead, and no target is needed.

    Args:
        match_weight: Weight of lacking bands.
        false_positive_weight: Weight of bands of absent molecules.
        threshold: Correlation from which a molecule is seen, −1 to 1.
        floor: Standard deviation, in the unit of the prediction, below which a spectrum counts as
            flat: it correlates with nothing, and its gradient stays finite.
        present: Molecules said to be present in every planet; None: the target tells.
        molecules: Which are looked at; None: all of the table's.
    """

    templates: Tensor
    present: Tensor | None

    def __init__(
        self,
        match_weight: float = 1.0,
        false_positive_weight: float = 1.0,
        *,
        threshold: float = 0.3,
        floor: float = 0.5,
        present: Sequence[str] | None = None,
        molecules: Sequence[str] | None = None,
    ) -> None:
        for name, value in (
            ("match_weight", match_weight),
            ("false_positive_weight", false_positive_weight),
        ):
            if value < 0:
                raise _wrong(f"{name} is {value:g}, and must not be negative.")
        if not -1 < threshold < 1:
            raise _wrong(f"threshold is {threshold:g}, and must lie between -1 and 1.")
        if not floor > 0:
            raise _wrong(f"floor is {floor:g}, and must be above 0.")
        super().__init__(molecules)
        self.match_weight = match_weight
        self.false_positive_weight = false_positive_weight
        self.threshold = threshold
        self.floor = floor
        self.register_buffer("present", None, persistent=False)
        if present is not None:
            if unknown := [name for name in present if name not in self.molecules]:
                raise _wrong(
                    f"'{unknown[0]}' is said to be present, and is none of the molecules "
                    f"{', '.join(self.molecules)}."
                )
            self.present = torch.tensor([name in present for name in self.molecules])

    def look(self, wavelengths: list[float]) -> None:
        """Make the templates for these wavelengths, µm: each with mean 0 and length 1."""
        super().look(wavelengths)
        rows = torch.tensor(
            [template(name, wavelengths[FGS:]) for name in self.molecules], dtype=torch.float64
        )
        rows = rows - rows.mean(dim=-1, keepdim=True)
        self._keep("templates", rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12))

    def correlations(self, spectra: Tensor) -> Tensor:
        """Give the correlation of spectra (batch, wavelengths) with each molecule's template.

        Returns:
            (batch, molecules), −1 to 1.
        """
        x = self.spectra(spectra)[..., FGS:]
        x = x - x.mean(dim=-1, keepdim=True)
        length = (x.square().mean(dim=-1, keepdim=True) + self.floor**2).sqrt()
        found: Tensor = (x / length) @ self.templates.to(x.dtype).T / math.sqrt(x.shape[-1])
        return found

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean violation."""
        found = self.correlations(outputs.prediction)
        if self.present is not None:
            present = self.present.expand_as(found)
        elif outputs.target is not None:
            present = self.correlations(outputs.target.to(found.dtype)) >= self.threshold
        else:
            raise ConfigError(needs_target(self, "symbolic.rules"))
        lacking = self.match_weight * (self.threshold - found).clamp_min(0)
        invented = self.false_positive_weight * (found - self.threshold).clamp_min(0)
        return torch.where(present, lacking, invented).mean()


class GravitationalLensing(Term):
    """Lensing is achromatic: light that is too much at all wavelengths alike must have no colour.

    The documents give this rule only `bins` and a weight. Here: a spectrum of depths that is too
    low is a star that seems too bright. With b_k the mean of (target − μ) over bin k, the
    brightening that the prediction adds there, and m their mean:

        max(m, 0) · mean_k |b_k − m|, averaged over the batch.

    A prediction that brightens all bins alike, as a lens would, violates nothing, and neither does
    one without a common brightening, whose colours may be those of an atmosphere. What is punished
    is a common brightening that differs from bin to bin, which no lens makes.

    Args:
        bins: How many bins of neighbouring wavelengths the spectrum is divided into; 2 or more.
    """

    def __init__(self, bins: int = 8) -> None:
        super().__init__()
        if bins < 2:
            raise _wrong(f"bins is {bins}, and must be 2 or more: one bin has no colour.")
        self.bins = bins

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean violation, in the unit of the prediction squared."""
        if outputs.target is None:
            raise ConfigError(needs_target(self, "symbolic.rules"))
        brighter = outputs.target.to(outputs.prediction.dtype) - outputs.prediction
        if brighter.ndim == 0 or brighter.shape[-1] < self.bins:
            raise _wrong(f"A spectrum of shape {tuple(brighter.shape)} has no {self.bins} bins.")
        bins = torch.stack(
            [part.mean(dim=-1) for part in brighter.tensor_split(self.bins, dim=-1)], dim=-1
        )
        common = bins.mean(dim=-1, keepdim=True)
        colour = (bins - common).abs().mean(dim=-1)
        return (common.squeeze(-1).clamp_min(0) * colour).mean()


def _wrong(what: str) -> ConfigError:
    return ConfigError(Problem(what, key="symbolic.rules"))
