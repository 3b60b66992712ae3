"""Answers that need no network: what training has to beat."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainer.recipes.spectra.data import SpectraData, Transits
from trainer.recipes.spectra.depth import white_light_depth


class Answer(NamedTuple):
    """Spectra for the planets of the validation.

    Attributes:
        mu: Depths, (planets, wavelengths).
        sigma: Their uncertainty, (planets, wavelengths).
        target: The truth, (planets, wavelengths).
    """

    mu: Tensor
    sigma: Tensor
    target: Tensor


def constant_spectrum(data: SpectraData) -> Answer:
    """Give the mean spectrum of the training planets, with its spread, to every planet."""
    known, asked = _targets(data.train_dataset()), _targets(data.val_dataset())
    return Answer(
        known.mean(dim=0).expand_as(asked), known.std(dim=0).expand_as(asked).clone(), asked
    )


def white_light(data: SpectraData) -> Answer:
    """Give each planet its own white-light depth at all wavelengths.

    The depth is scaled by a line and σ taken, for each wavelength, from what that leaves over, both
    on the training planets: as good as a flat spectrum can be.
    """
    known, asked = _targets(data.train_dataset()), _targets(data.val_dataset())
    depths = [_depths(side) for side in (data.train_dataset(), data.val_dataset())]
    design, asking = (torch.stack((d, torch.ones_like(d)), dim=1) for d in depths)
    line = torch.linalg.lstsq(design, known.mean(dim=1, keepdim=True)).solution
    sigma = (known - design @ line).square().mean(dim=0).sqrt()
    return Answer((asking @ line).expand_as(asked), sigma.expand_as(asked), asked)


def _targets(side: Transits) -> Tensor:
    return torch.stack([side[n]["target"].double() for n in range(len(side))])


def _depths(side: Transits) -> Tensor:
    samples = (side[n] for n in range(len(side)))
    depths = [white_light_depth(s["airs"].numpy(), s["fgs"].numpy()) for s in samples]
    return torch.tensor(depths, dtype=torch.float64)
