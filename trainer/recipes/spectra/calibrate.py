"""From counts to light curves, in the steps that the challenge's hosts published.

Frames are arrays of shape (frames, rows, columns), the start and the end of an exposure by turns;
electrons are float32, sums over pixels float64. Each step undoes one step of `detector`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import Problem
from trainer.recipes.spectra import parquet
from trainer.recipes.spectra.layout import (
    AIRS,
    FGS1,
    LINEAR_ORDERS,
    Instrument,
    Observation,
    Unreadable,
)
from trainer.recipes.spectra.tables import Tables

#: Frames that are held at once at most: about 50 MB of AIRS-CH0's.
_CHUNK = 512
#: Seconds of FGS1's two reads after a reset; the files do not tell them.
_FGS_READS = (0.1, 0.2)
#: AIRS-CH0's second read comes so much later than its integration time says.
_LATER = 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """What calibration is told.

    Attributes:
        time_bins: Points of a light curve.
        aperture: Rows around the middle of the frames that are summed, and columns of FGS1's.
        hot_sigma: A pixel is hot whose dark current lies so many standard deviations off.
        linearity: Whether non-linearity is corrected.
        dark: Whether the dark current is taken off.
        flat: Whether pixels are divided by their flat field.
    """

    time_bins: int = 48
    aperture: int = 16
    hot_sigma: float = 5.0
    linearity: bool = True
    dark: bool = True
    flat: bool = True

    def key(self) -> dict[str, Any]:
        """Give the settings as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Frames:
    """An instrument's calibration frames, cut to the pixels that are used.

    Attributes:
        dark: Electrons per second, of shape (rows, columns).
        good: Whether a pixel is neither dead nor hot.
        flat: About 1; positive where good.
        linear: Coefficients, the constant first, of shape (6, rows, columns).
    """

    dark: NDArray[np.float32]
    good: NDArray[np.bool_]
    flat: NDArray[np.float32]
    linear: NDArray[np.float32]


def electrons(counts: NDArray[Any], gain: float, offset: float) -> NDArray[np.float32]:
    """Turn counts into electrons: counts / gain + offset."""
    return np.asarray(counts, dtype=np.float32) / np.float32(gain) + np.float32(offset)


def hot_pixels(dark: NDArray[Any], sigma: float) -> NDArray[np.bool_]:
    """Find pixels whose dark current is out of line.

    Values more than `sigma` standard deviations from the median are set aside five times over, as
    astropy's `sigma_clip` does.

    Args:
        dark: Dark current, of any shape.
        sigma: Standard deviations.
    """
    kept = np.isfinite(dark)
    for _ in range(5):
        middle, spread = np.median(dark[kept]), np.std(dark[kept])
        still = kept & (np.abs(dark - middle) <= sigma * spread)
        if still.sum() == kept.sum():
            break
        kept = still
    return np.asarray(~kept)


def straighten(seen: NDArray[np.float32], linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo non-linearity: the polynomial of each pixel, by Horner's rule.

    Args:
        seen: Electrons as read, of shape (frames, rows, columns).
        linear: Coefficients, the constant first, of shape (6, rows, columns).
    """
    found: NDArray[np.float32] = linear[-1] * seen + linear[-2]
    for coefficient in linear[-3::-1]:
        found *= seen
        found += coefficient
    return found


def take_off_dark(
    seen: NDArray[np.float32], dark: NDArray[np.float32], reads: tuple[float, float]
) -> NDArray[np.float32]:
    """Take off what the dark current has gathered until each read.

    Args:
        seen: Electrons, of shape (frames, rows, columns).
        dark: Electrons per second, of shape (rows, columns).
        reads: Seconds from the reset to the first and the second read.
    """
    found = seen.copy()
    for turn, seconds in enumerate(reads):
        found[turn::2] -= dark * np.float32(seconds)
    return found


def correlated_doubles(seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give what each exposure gathered: its end less its start, of shape (pairs, rows, columns).

    What the reset left in a pixel, and its noise, is in both and falls out.
    """
    return seen[1::2] - seen[::2]


def even_out(seen: NDArray[np.float32], flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide by the flat field, of shape (rows, columns)."""
    return seen / flat


def summed(
    seen: NDArray[np.float32], good: NDArray[np.bool_], *, columns: bool
) -> NDArray[np.float64]:
    """Sum the good pixels of each exposure over rows, and over columns as well where asked.

    A bad pixel is missing in every exposure alike, so a curve's shape does not feel it. A column
    without a good pixel gives NaN.

    Args:
        seen: Electrons, of shape (pairs, rows, columns).
        good: Of shape (rows, columns).
        columns: Whether all columns make one curve.

    Returns:
        Of shape (pairs, columns), or (pairs, 1).
    """
    light = np.where(good, seen, np.float32(0.0)).sum(1, dtype=np.float64)
    any_good = good.any(0)
    if columns:
        return np.asarray(
            light[:, any_good].sum(1, keepdims=True) if any_good.any() else light[:, :1] * np.nan
        )
    return np.where(any_good, light, np.nan)


def binned(curve: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Average a curve of shape (pairs, columns) into `bins` points; sizes differ by one at most."""
    edges = np.linspace(0, len(curve), bins + 1).round().astype(int)
    sums = np.add.reduceat(curve, edges[:-1], axis=0)
    return np.asarray(sums / np.diff(edges)[:, None])


def normalised(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each column by its light before and after: the mean of its first and last eighth.

    A column without light gives NaN.

    Args:
        curve: Of shape (points, columns).
    """
    edge = max(1, len(curve) // 8)
    level = (curve[:edge].mean(0) + curve[-edge:].mean(0)) / 2.0
    return np.asarray(curve / np.where(level > 0.0, level, np.nan))


def light_curves(seen: Observation, tables: Tables, settings: Settings) -> NDArray[np.float32]:
    """Calibrate one observation.

    Args:
        seen: The observation.
        tables: The data set's tables.
        settings: What to do.

    Returns:
        Light beside that out of transit, of shape (time_bins, 283): FGS1 first, then AIRS-CH0 in
        the order of `wavelengths.csv`.

    Raises:
        Unreadable: A file is missing, truncated or odd.
    """
    # AIRS-CH0 first: it has the fewer exposures, so a remedy for it serves both.
    airs, fgs = (_curve(seen, tables, settings, instrument) for instrument in (AIRS, FGS1))
    return np.concatenate((fgs, airs), 1).astype(np.float32)


def _curve(
    seen: Observation, tables: Tables, settings: Settings, instrument: Instrument
) -> NDArray[np.float64]:
    columns = tables.columns if instrument is AIRS else np.arange(FGS1.columns)
    reads = _FGS_READS if instrument is FGS1 else _airs_reads(tables)
    path = seen.signal(instrument)
    adc = tables.gain(seen.planet, instrument)
    if adc is None:
        what = f"adc_info.csv has no gain of {instrument.name} for planet {seen.planet}."
        raise Unreadable(Problem(what, str(seen.folder), key="data.root"))
    rows, columns = _cut(instrument, columns, settings.aperture)
    frames = read_frames(seen, instrument, rows, columns, settings)
    parts = []
    for counts in _pairs(parquet.frames(path, instrument, _CHUNK, rows, columns)):
        now = electrons(counts, *adc)
        if settings.linearity:
            now = straighten(now, frames.linear)
        if settings.dark:
            now = take_off_dark(now, frames.dark, reads)
        light = correlated_doubles(now)
        if settings.flat:
            light = even_out(light, frames.flat)
        parts.append(summed(light, frames.good, columns=instrument is FGS1))
    curve = np.concatenate(parts)
    if len(curve) < settings.time_bins:
        what = f"the file has {len(curve)} exposures, too few for {settings.time_bins} time bins."
        remedy = f"Set data.time_bins={len(curve)} or less."
        raise Unreadable(Problem(what, str(path), remedy, "data.time_bins"))
    found = normalised(binned(curve, settings.time_bins))
    dark = ~np.isfinite(found).all(0)
    if dark.all():
        raise Unreadable(Problem("the file holds no light.", str(path), key="data.root"))
    # A column that sees nothing borrows its neighbours' mean; the spectrum is smooth.
    for place in np.flatnonzero(dark):
        near = np.flatnonzero(~dark)
        found[:, place] = found[:, near[np.argsort(np.abs(near - place))[:2]]].mean(1)
    return found


def read_frames(
    seen: Observation,
    instrument: Instrument,
    rows: slice,
    columns: NDArray[np.int64],
    settings: Settings,
) -> Frames:
    """Read an instrument's calibration files, cut to `rows` and `columns`.

    Raises:
        Unreadable: A file is missing, truncated or odd.
    """

    def read(name: str, times: int = 1) -> NDArray[np.float64]:
        path = seen.calibration(instrument, name)
        return parquet.calibration_frame(path, times * instrument.rows, instrument.columns)

    dark = read("dark")
    hot = hot_pixels(dark, settings.hot_sigma)
    linear = read("linear_corr", LINEAR_ORDERS)
    linear = linear.reshape(LINEAR_ORDERS, instrument.rows, instrument.columns)
    flat = read("flat")
    good = ~(read("dead") > 0) & ~hot & np.isfinite(flat) & (flat > 0) & np.isfinite(linear).all(0)
    kept = good[rows][:, columns]
    return Frames(
        np.where(kept, dark[rows][:, columns], 0.0).astype(np.float32),
        kept,
        np.where(kept, flat[rows][:, columns], 1.0).astype(np.float32),
        np.where(kept, linear[:, rows][:, :, columns], 0.0).astype(np.float32),
    )


def _airs_reads(tables: Tables) -> tuple[float, float]:
    start, end = tables.integration
    return start, end + _LATER


def _cut(
    instrument: Instrument, columns: NDArray[np.int64], aperture: int
) -> tuple[slice, NDArray[np.int64]]:
    """Give the rows and columns around the star's image."""

    def middle(size: int) -> slice:
        kept = min(aperture, size)
        return slice((size - kept) // 2, (size - kept) // 2 + kept)

    return middle(instrument.rows), columns[middle(len(columns))] if instrument is FGS1 else columns


def _pairs(chunks: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Pass frames on in even numbers: a batch may end within a pair."""
    left = None
    for chunk in chunks:
        frames = chunk if left is None else np.concatenate([left, chunk])
        even = len(frames) // 2 * 2
        left = frames[even:] if even < len(frames) else None
        if even:
            yield frames[:even]
