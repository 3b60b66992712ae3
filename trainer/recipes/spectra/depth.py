"""Depths read off light curves without a model: what a model has to beat.

Standard library and numpy or torch arrays alike are not mixed here: curves are numpy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def contacts(white: NDArray[np.floating[Any]]) -> tuple[int, int]:
    """Find where a transit begins and ends: the steepest fall and the steepest rise after it.

    Args:
        white: A light curve of shape (time_bins,).

    Returns:
        The middle of ingress and of egress, as indices, the first before the second.
    """
    bins = len(white)
    width = max(1, bins // 24)
    kernel = np.ones(width) / width
    smooth = np.convolve(np.pad(white, (width, width), mode="edge"), kernel, mode="same")
    slope = np.gradient(smooth[width:-width])
    lowest = bins // 4 + int(np.argmin(smooth[width:-width][bins // 4 : bins - bins // 4]))
    begin = int(np.argmin(slope[: lowest + 1]))
    end = lowest + int(np.argmax(slope[lowest:]))
    return begin, max(end, begin + 1)


def depth_of(curves: NDArray[np.floating[Any]], begin: int, end: int) -> NDArray[np.float64]:
    """Give 1 less the mean light within a transit beside a line through the light outside.

    Bins of ingress and egress count on neither side. Limb darkening is left in, so depths come out
    a little too large.

    Args:
        curves: Of shape (time_bins, wavelengths).
        begin: Middle of ingress, see `contacts`.
        end: Middle of egress.

    Returns:
        Of shape (wavelengths,).
    """
    bins = len(curves)
    margin = max(1, min(bins // 16, (end - begin) // 4))
    inside = np.arange(bins)[begin + margin : end - margin + 1]
    outside = np.r_[0 : max(1, begin - margin), min(bins - 1, end + margin + 1) : bins]
    if not len(inside):
        inside = np.array([(begin + end) // 2])
    places = np.stack([np.ones(bins), np.arange(bins) / bins - 0.5], 1)
    line, *_ = np.linalg.lstsq(places[outside], np.asarray(curves, dtype=np.float64)[outside])
    level = places @ line
    return np.asarray(1.0 - (curves[inside] / level[inside]).mean(0), dtype=np.float64)


def white_light_depth(airs: NDArray[np.floating[Any]], fgs: NDArray[np.floating[Any]]) -> float:
    """Give one depth of a planet, from its light of all wavelengths.

    Args:
        airs: Normalised light curves, of shape (time_bins, 282).
        fgs: Of shape (time_bins, 1); used to find the transit only where AIRS-CH0 sees none.

    Returns:
        The depth; as a spectrum, the same at all 283 wavelengths.
    """
    white = np.asarray(airs, dtype=np.float64).mean(1)
    both = white if white.std() > 0 else np.asarray(fgs, dtype=np.float64)[:, 0]
    begin, end = contacts(both)
    return float(depth_of(both[:, None], begin, end)[0])
