"""A transit's depth in every channel by least squares: what the model starts from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Depths(NamedTuple):
    """What the light curves of a batch say by themselves.

    Attributes:
        white: Depth of AIRS-CH0's white light, (batch,).
        channels: Depth of each channel, FGS1 first, (batch, wavelengths).
        errors: Their standard errors from what the fit leaves over, (batch, wavelengths).
        shapes: White light of AIRS-CH0 and FGS1 during the transit, detrended and divided by the
            white depth: 0 outside, about 1 inside, (batch, 2, time_bins).
    """

    white: Tensor
    channels: Tensor
    errors: Tensor
    shapes: Tensor


class TransitFit(nn.Module):
    """Fits level + slope · t + bend · t² − depth · s(t) to each channel's light curve.

    The shape s(t) is the planet's own: the white light of all channels of AIRS-CH0, less a parabola
    through what lies outside the transit, with a mean of 1 inside. So no orbit has to be known, a
    drift of the detector falls out, and a channel's depth beside the white light's is the linear
    estimate of least variance. Limb darkening stays in: depths come out a little too large. Nothing
    here is learnt.

    Args:
        least_depth: Depth, of white light, below which a transit counts as not seen.
    """

    def __init__(self, least_depth: float = 1e-5) -> None:
        super().__init__()
        self.least_depth = least_depth

    @torch.no_grad()
    def forward(self, airs: Tensor, fgs: Tensor) -> Depths:
        """Fit light curves whose level outside the transit is about 1.

        Args:
            airs: (batch, time_bins, channels).
            fgs: (batch, time_bins, 1).
        """
        # Differences of a millionth count: half precision would lose them.
        with torch.autocast(airs.device.type, enabled=False):
            return self._fit(airs.float(), fgs.float())

    def _fit(self, airs: Tensor, fgs: Tensor) -> Depths:
        bins = airs.shape[1]
        t = torch.linspace(-1, 1, bins, device=airs.device)
        trend = torch.stack((torch.ones_like(t), t, t.square()), dim=-1)  # (time, 3)
        # Light less 1 keeps single precision exact to about 1e-9.
        lost = 1 - airs.mean(dim=-1)
        level = torch.zeros_like(lost)
        for _ in range(2):  # a drift may hide where the transit begins until it is known
            inside = self._inside(lost - level)  # (batch, time)
            outside = 1 - functional.max_pool1d(inside[:, None], 3, stride=1, padding=1)[:, 0]
            level = (_least_squares(trend, lost[..., None], outside) @ trend.T)[:, 0]
        shape = (lost - level) * (1 - outside)
        white = ((shape * inside).sum(dim=-1) / inside.sum(dim=-1)).clamp_min(self.least_depth)
        shape = shape / white[:, None]

        curves = torch.cat((fgs, airs), dim=-1) - 1
        design = torch.cat((trend.expand(len(airs), -1, -1), shape[..., None]), dim=-1)
        found = _least_squares(design, curves, torch.ones_like(lost))  # (batch, channels, 4)
        left = curves - (found @ design.mT).mT
        freedom = max(1, bins - design.shape[-1])
        variance = left.square().sum(dim=1) / freedom * _inverse(design)[:, -1, -1, None]
        fgs_shape = -(curves[..., 0] - (found[:, 0, None, :3] @ trend.T)[:, 0]) / white[:, None]
        return Depths(
            white,
            -found[..., -1],
            variance.sqrt(),
            torch.stack((shape, fgs_shape * (1 - outside)), dim=1),
        )

    def _inside(self, lost: Tensor) -> Tensor:
        """Say which time bins lie in the transit: deeper than half its depth, smoothed a little.

        Returns:
            1 or 0, (batch, time_bins), with at least one of each.
        """
        bins = lost.shape[-1]
        width = max(1, bins // 24) * 2 + 1
        smooth = functional.avg_pool1d(
            lost[:, None], width, stride=1, padding=width // 2, count_include_pad=False
        )[:, 0]
        edge = max(1, bins // 8)
        before, after = (
            part.mean(dim=-1, keepdim=True) for part in (smooth[:, :edge], smooth[:, -edge:])
        )
        share = torch.linspace(0, 1, bins, device=lost.device)
        smooth = smooth - before - (after - before) * share
        inside = (smooth > smooth.amax(dim=-1, keepdim=True) / 2).float()
        # The observation begins and ends outside; noise may say otherwise.
        inside[:, 0] = inside[:, -1] = 0.0
        middle = torch.zeros_like(inside)
        middle[:, bins // 2] = 1.0
        return torch.where(inside.sum(dim=-1, keepdim=True) > 0, inside, middle)


def _inverse(design: Tensor) -> Tensor:
    """Give the inverse of DᵀD with a trace of ridge, for the case that columns are alike."""
    normal = design.mT @ design
    ridge = 1e-6 * torch.eye(normal.shape[-1], device=normal.device)
    found: Tensor = torch.linalg.inv(normal + ridge)
    return found


def _least_squares(design: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Fit values by the columns of a design.

    Args:
        design: (time, terms) or (batch, time, terms).
        values: (batch, time, channels).
        weights: 1 for what counts and 0 for what does not, (batch, time).

    Returns:
        Coefficients, (batch, channels, terms).
    """
    weighted = design * weights[..., None]
    found: Tensor = _inverse(weighted) @ (weighted.mT @ values)
    return found.mT
