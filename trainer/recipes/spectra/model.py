"""A network that reads the spectrum of a planet, with its uncertainty, off two light curves."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.errors import ConfigError, Problem
from trainer.recipes.spectra.bands import FGS, WAVELENGTHS
from trainer.recipes.spectra.fit import TransitFit

_POINTS = 16  # of a transit's shape, whatever the number of time bins
_REACH = (1.0, 3.0, 8.0, 20.0)  # of the smoothings that are mixed, in wavelengths
_FIRST = 1  # the one of them that the untrained model takes
_WAVES = 6  # cosines along AIRS-CH0 that make up the limb darkening


class SpectraNet(nn.Module):
    """Gives μ and σ of the transit depth at every wavelength.

    It starts from what the light curves say by themselves (`TransitFit`): the white-light depth of
    AIRS-CH0 and how far each channel lies off it. What is learnt is the rest, in a branch for each
    instrument: AIRS-CH0's looks along the wavelengths and takes the noise off the channels' offsets;
    FGS1's, one channel, is dense. Both see the star and the shape of the transit, from which comes
    too by how much limb darkening has deepened the transit, smoothly along the wavelengths. Offsets
    are in units of the planet's own scatter, so that a small planet is read like a large one.

    Untrained, μ is the white-light depth with the channels' offsets smoothed over a few wavelengths,
    and σ their scatter: a sound answer, which training makes better from its first step.

    Args:
        width: Channels of the layers along the wavelengths.
        layers: How many of these there are, each looking twice as far as the one before.
        kernel: Their reach in wavelengths; odd.
        context: Width of what is known of star and transit.
        star: Features of the star.
        dropout: Share of the context that is dropped in training.
    """

    kernels: Tensor
    waves: Tensor

    def __init__(
        self,
        width: int = 48,
        layers: int = 4,
        *,
        kernel: int = 7,
        context: int = 64,
        star: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ConfigError(
                Problem(f"kernel is {kernel}, and must be odd.", "", "", "model.kernel")
            )
        self.star = star
        self.fit = TransitFit()
        self.context = nn.Sequential(
            nn.Linear(star + 2 * _POINTS + 5, context),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(context, context),
            nn.GELU(),
        )
        airs = WAVELENGTHS - FGS
        self.places = nn.Parameter(0.1 * torch.randn(4, airs))
        self.enter = nn.Conv1d(3 + 4, width, 1)
        self.blocks = nn.ModuleList(
            Block(width, context, kernel, dilation=2**n) for n in range(layers)
        )
        self.leave = nn.Conv1d(width, 2, 1)
        self.fgs = nn.Sequential(
            nn.Linear(context + 2, context), nn.GELU(), nn.Linear(context, 2 * FGS)
        )
        self.mix = nn.Linear(context, len(_REACH))
        self.limb = nn.Linear(context, _WAVES + FGS)
        self.register_buffer("kernels", _kernels(), persistent=False)
        self.register_buffer("waves", _waves(), persistent=False)
        for last in (self.leave, self.fgs[-1], self.mix, self.limb):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]  # a Sequential's items are Modules to mypy
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        nn.init.ones_(self.mix.bias[_FIRST : _FIRST + 1].data)

    def forward(self, airs: Tensor, fgs: Tensor, star: Tensor) -> tuple[Tensor, Tensor]:
        """Read spectra off light curves.

        Args:
            airs: Light beside that out of transit, (batch, time_bins, 282).
            fgs: The same, (batch, time_bins, 1).
            star: Features of the star, (batch, star).

        Returns:
            μ and σ, both depths (Rp/Rs)², (batch, 283); σ is positive.
        """
        self._check(airs, fgs, star)
        found = self.fit(airs, fgs)
        white = found.white[:, None]
        off, error = found.channels - white, found.errors
        # A planet's own unit: how far its channels scatter, noise included.
        unit = (off.square().mean(dim=-1, keepdim=True) + (1e-3 * white).square()).sqrt()
        off, error = off / unit, error / unit
        spread = error.mean(dim=-1, keepdim=True)
        shapes = functional.adaptive_avg_pool1d(found.shapes, _POINTS).flatten(1)
        known = torch.cat(
            (
                star,
                shapes,
                (white / 5e-3).log(),
                (unit / 1e-4).log(),
                spread.clamp_min(1e-6).log(),
                (white / unit / 30).log(),
                off[:, :FGS].mean(dim=-1, keepdim=True).clamp(-10, 10),
            ),
            dim=-1,
        )
        context = self.context(known)

        rows = torch.stack((off, off.asinh(), error), dim=1)[..., FGS:]
        x = self.enter(torch.cat((rows, self.places.expand(len(rows), -1, -1)), dim=1))
        for block in self.blocks:
            x = block(x, context)
        airs_off, airs_sigma = self.leave(x).unbind(dim=1)
        airs_off = airs_off + (self.mix(context)[..., None] * self._smooth(off[:, FGS:])).sum(dim=1)
        own = torch.cat((context, off[:, :FGS].clamp(-10, 10), error[:, :FGS].clamp(0, 10)), dim=-1)
        fgs_off, fgs_sigma = self.fgs(own).split(FGS, dim=-1)
        fgs_off = fgs_off + off[:, :FGS]

        limb = 1 + 0.1 * self.limb(context) @ self.waves
        mu = white * limb + unit * torch.cat((fgs_off, airs_off), dim=-1)
        # exp is steep; a softplus would not reach ten times down within a short training.
        log_sigma = torch.cat((fgs_sigma, airs_sigma), dim=-1).clamp(-math.log(1e4), math.log(1e4))
        return mu, unit * log_sigma.exp()

    def diagnostic_figures(self, data: Any) -> dict[str, Any]:
        """Draw spectra of validation planets against the truth, and the residuals' frequencies."""
        from trainer.recipes.spectra.diagnostics import figures

        return figures(self, data)

    def _smooth(self, off: Tensor) -> Tensor:
        """Smooth offsets (batch, channels) by each kernel: (batch, kernels, channels)."""
        reach = self.kernels.shape[-1] // 2
        wide = functional.pad(off[:, None], (reach, reach), mode="replicate")
        return functional.conv1d(wide, self.kernels)

    def _check(self, airs: Tensor, fgs: Tensor, star: Tensor) -> None:
        wanted = {
            "airs": (airs, (None, None, WAVELENGTHS - FGS)),
            "fgs": (fgs, (len(airs), airs.shape[1] if airs.ndim > 1 else None, FGS)),
            "star": (star, (len(airs), self.star)),
        }
        for name, (tensor, shape) in wanted.items():
            fits = tensor.ndim == len(shape) and all(
                size in (None, found) for size, found in zip(shape, tensor.shape, strict=True)
            )
            if not fits:
                what = ", ".join("any" if size is None else str(size) for size in shape)
                raise ConfigError(
                    Problem(
                        f"SpectraNet takes `{name}` of shape ({what}), and was given "
                        f"{tuple(tensor.shape)}.",
                        "",
                        "Choose data of spectra, such as data=spectra.",
                        "model",
                    )
                )


def _kernels() -> Tensor:
    """Give Gaussians of sum 1, (kernels, 1, wavelengths)."""
    away = torch.arange(-3 * int(max(_REACH)), 3 * int(max(_REACH)) + 1).float()
    rows = torch.stack([(-0.5 * (away / reach).square()).exp() for reach in _REACH])
    return (rows / rows.sum(dim=-1, keepdim=True))[:, None]


def _waves() -> Tensor:
    """Give what limb darkening is made up of, (shapes, wavelengths).

    The first is the same everywhere, the next are cosines along AIRS-CH0, the last FGS1 alone.
    """
    airs = WAVELENGTHS - FGS
    place = (torch.arange(airs) + 0.5) / airs
    cosines = torch.stack([torch.cos(math.pi * n * place) for n in range(_WAVES)])
    rows = torch.zeros(_WAVES + FGS, WAVELENGTHS)
    rows[:_WAVES, FGS:] = cosines
    rows[0, :FGS] = 1.0
    rows[_WAVES:, :FGS] = torch.eye(FGS)
    return rows


class Block(nn.Module):
    """A step along the wavelengths: a dilated convolution that the context scales and shifts.

    Args:
        width: Channels.
        context: Width of the context.
        kernel: Reach; odd.
        dilation: Wavelengths between what is looked at.
    """

    def __init__(self, width: int, context: int, kernel: int, *, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.film = nn.Linear(context, 2 * width)
        self.along = nn.Conv1d(
            width, width, kernel, padding=kernel // 2 * dilation, dilation=dilation
        )
        self.across = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Give x (batch, width, wavelengths) with what this step has found added."""
        scale, shift = self.film(context)[..., None].chunk(2, dim=1)
        y = functional.gelu(self.along(self.norm(x) * (1 + scale) + shift))
        found: Tensor = x + self.across(y)
        return found
