"""Makes up planets and their observations, each from its seed and number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.recipes.spectra import detector as pixels
from trainer.recipes.spectra import physics
from trainer.recipes.spectra.bands import FGS, ariel_wavelengths
from trainer.recipes.spectra.detector import Detector
from trainer.recipes.spectra.layout import AIRS, FGS1, INSTRUMENTS, Instrument
from trainer.recipes.spectra.physics import MOLECULES, Planet

#: Rises whenever the same settings give other planets.
VERSION = 1
#: Hours that an observation lasts.
HOURS = 7.5
#: Seconds from reset to each read of a pair: of AIRS-CH0 the second integration comes after another
#: 0.1 s, as the challenge's calibration counts them.
READS = {AIRS.name: (0.1, 4.6), FGS1.name: (0.1, 0.2)}
#: The challenge's integration times of a pair's reads, seconds.
INTEGRATION = {AIRS.name: (0.1, 4.5), FGS1.name: (0.1, 0.1)}
#: Pairs of reads that are simulated at once.
_CHUNK = 128
#: Width of a star's image on the detector, pixels.
_BLUR = {AIRS.name: 1.6, FGS1.name: 2.0}
#: A pixel's most electrons of the brightest and the faintest star at the second read.
_BRIGHTEST, _FAINTEST = 8e4, 2.5e4


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides how a data set looks, besides its size.

    Attributes:
        seed: Of all planets.
        frames: Frames of AIRS-CH0 in an observation, even; the challenge has 11250. Fewer frames
            are means over as many of the challenge's, with the noise of means.
        fgs_frames: Frames of FGS1, even; the challenge has 135000.
        noise: Factor of everything random in the measurement: photons, reads, jitter. 0 is none.
    """

    seed: int = 0
    frames: int = 96
    fgs_frames: int = 192
    noise: float = 1.0

    def of(self, instrument: Instrument) -> int:
        """Give an instrument's frames."""
        return self.frames if instrument is AIRS else self.fgs_frames


def planet_id(seed: int, number: int) -> int:
    """Give the id of planet `number`: no two planets of a seed share one."""
    # An odd factor permutes the numbers below 2**31.
    return (number * 1_664_525 + 1_013_904_223 + 7_919 * seed) % 2**31


def draw(seed: int, number: int) -> Planet:
    """Draw planet `number` of a seed: a star of the main sequence, from a small Neptune to a giant."""
    rng = np.random.default_rng([VERSION, seed, number, 0])
    while True:
        mass = rng.uniform(0.6, 1.3)
        radius = 10.0 ** rng.uniform(np.log10(2.5), np.log10(15.0))
        if radius < 6.0:
            # Wolfgang, Rogers and Ford 2016 (arXiv:1504.07557): M = 2.7 R^1.3, spread by 1.9.
            weight = max(1.5, 2.7 * radius**1.3 + rng.normal(0.0, 1.9))
        else:
            weight = 10.0 ** rng.uniform(np.log10(60.0), np.log10(500.0))
        mixing = tuple(
            10.0 ** rng.uniform(-6.5, -3.0) if rng.random() < 0.5 else 0.0 for _ in MOLECULES
        )
        found = Planet(
            star_radius=mass**0.85,
            star_mass=mass,
            star_temperature=5772.0 * mass**0.6 + rng.normal(0.0, 80.0),
            radius=radius,
            mass=weight,
            period=10.0 ** rng.uniform(np.log10(1.2), np.log10(8.0)),
            impact=rng.uniform(0.0, 0.6),
            mu=rng.uniform(2.2, 3.5 if radius < 6.0 else 2.4),
            mixing=mixing,
            cloud_pressure=10.0 ** rng.uniform(2.0, 5.0),
        )
        # Enough of the star has to be seen before and after, and an atmosphere has to hold together.
        seen, held = 1.5 <= found.duration <= 4.2, found.scale_height <= 1e6
        if seen and held and found.ratio <= 0.14:
            return found


def wavelengths() -> NDArray[np.float64]:
    """Give the wavelengths of a spectrum's bins, µm, of shape (283,)."""
    return np.array(ariel_wavelengths())


def airs_axis() -> NDArray[np.float64]:
    """Give the wavelength of each column of AIRS-CH0, µm, of shape (356,)."""
    airs = wavelengths()[FGS:]
    step = (airs[-1] - airs[0]) / (len(airs) - 1)
    found: NDArray[np.float64] = airs[0] + step * (np.arange(AIRS.columns) - AIRS.first)
    return found


def hours(pairs: int) -> NDArray[np.float64]:
    """Give the middle of each pair's time, hours from the middle of the observation."""
    return ((np.arange(pairs) + 0.5) / pairs - 0.5) * HOURS


class Observed:
    """The light of a planet's star on both detectors, a few exposures at a time.

    Args:
        recipe: How the data set looks.
        number: Which planet.
    """

    def __init__(self, recipe: Recipe, number: int) -> None:
        self.recipe, self.number = recipe, number
        self.id = planet_id(recipe.seed, number)
        self.planet = draw(recipe.seed, number)
        rng = self._rng(1)
        self._late = rng.normal(0.0, 0.15)
        self._bright = {
            each.name: 10.0 ** rng.uniform(np.log10(_FAINTEST), np.log10(_BRIGHTEST))
            for each in INSTRUMENTS
        }
        self._drift = rng.normal(0.0, 3e-4, 2)
        self.detectors: dict[str, Detector] = {
            each.name: pixels.draw(each, self._rng(2 + n)) for n, each in enumerate(INSTRUMENTS)
        }

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([VERSION, self.recipe.seed, self.number, stream])

    def spectrum(self) -> NDArray[np.float64]:
        """Give the transit depths of the spectrum's bins, of shape (283,)."""
        return np.asarray(physics.spectrum(self.planet, wavelengths()), dtype=np.float64)

    def curves(self, instrument: Instrument, pairs: int) -> NDArray[np.float64]:
        """Give the star's light by time and column, 1 outside the transit.

        Returns:
            Of shape (pairs, 356) for AIRS-CH0 and (pairs, 1) for FGS1.
        """
        axis = airs_axis() if instrument is AIRS else wavelengths()[:FGS]
        depths = physics.spectrum(self.planet, axis)
        u1, u2 = physics.limb_darkening(self.planet.star_temperature, axis)
        # A pair that stands for minutes sees their mean.
        parts = max(1, min(9, round(2000 / pairs)))
        times = hours(pairs * parts) - self._late
        light = physics.transit(physics.separation(self.planet, times), depths, u1, u2)
        return np.asarray(light.reshape(pairs, parts, -1).mean(1), dtype=np.float64)

    def counts(self, instrument: Instrument) -> Any:
        """Give what the instrument reads, a few frames at a time.

        Yields:
            uint16 of shape (frames, rows, columns).
        """
        recipe = self.recipe
        pairs = recipe.of(instrument) // 2
        averaged = max(1.0, instrument.frames / recipe.of(instrument))
        rng = self._rng(4 + INSTRUMENTS.index(instrument))
        curve = self.curves(instrument, pairs)
        star = self._star(instrument)
        jitter = recipe.noise * _jitter(pairs, averaged, rng)
        time = hours(pairs) / (HOURS / 2.0)
        drift = 1.0 + self._drift[0] * time + self._drift[1] * time**2
        for at in range(0, pairs, _CHUNK):
            now = slice(at, at + _CHUNK)
            level = curve[now] * drift[now, None]
            light = _image(instrument, star, level, jitter[now])
            quiet = averaged / max(recipe.noise, 1e-6) ** 2
            detector, reads = self.detectors[instrument.name], READS[instrument.name]
            yield pixels.expose(light.astype(np.float32), detector, reads, rng, quiet)

    def _star(self, instrument: Instrument) -> NDArray[np.float64]:
        """Give photons per second of each column, of shape (columns,); of FGS1 all, of shape (1,)."""
        blur = _BLUR[instrument.name]
        share = 1.0 / (np.sqrt(2.0 * np.pi) * blur)
        if instrument is AIRS:
            axis = airs_axis()
            # The detector sees little beyond the ends of its channel.
            seen = (
                1.0 / (1.0 + np.exp(-(axis - 1.90) / 0.02)) / (1.0 + np.exp((axis - 3.95) / 0.02))
            )
            rate = physics.photons(self.planet.star_temperature, axis) * seen
            rate = rate / rate.max()
        else:
            rate, share = np.ones(1), share**2
        found: NDArray[np.float64] = rate * (
            self._bright[instrument.name] / share / READS[instrument.name][1]
        )
        return found


def _jitter(pairs: int, averaged: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Give where the star stands off its place at each exposure, pixels, of shape (pairs, 2).

    It wanders and is pulled back, about 0.05 pixels.
    """
    kept = 0.9
    kicks = rng.normal(0.0, 0.05 * np.sqrt(1.0 - kept**2), (pairs, 2))
    place = np.zeros((pairs, 2))
    for n in range(1, pairs):
        place[n] = kept * place[n - 1] + kicks[n]
    # Means over several exposures wander less.
    return np.asarray(place / np.sqrt(averaged))


def _image(
    instrument: Instrument,
    star: NDArray[np.float64],
    level: NDArray[np.float64],
    jitter: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Give photons per second of each pixel, of shape (pairs, rows, columns)."""

    def spread(size: int, off: NDArray[np.float64]) -> NDArray[np.float64]:
        blur = _BLUR[instrument.name]
        away = np.arange(size) - (size - 1) / 2.0 - off[:, None]
        return np.asarray(np.exp(-0.5 * (away / blur) ** 2) / (np.sqrt(2.0 * np.pi) * blur))

    rows = spread(instrument.rows, jitter[:, 0])
    if instrument is AIRS:
        # A shift along the spectrum shows the neighbouring wavelength's star.
        seen = star + np.gradient(star) * -jitter[:, 1:]
        return np.asarray(rows[:, :, None] * (seen * level)[:, None, :])
    return np.asarray(
        rows[:, :, None]
        * spread(instrument.columns, jitter[:, 1])[:, None, :]
        * (star * level)[:, :, None]
    )
