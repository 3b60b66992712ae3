"""Planets in front of stars: transmission spectra and limb-darkened transits.

The formulas are those of the literature, named where they stand. Cross-sections are templates: bands
at their known places with strengths of the right order, no line lists. So spectra look and scale
like real ones, and are no retrieval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.recipes.spectra.bands import BANDS

Array = NDArray[np.floating[Any]]

#: Molecules whose bands a planet may show, in the order of every list of flags.
MOLECULES = tuple(BANDS)
_CENTRES = {name: np.array([band.centre for band in found]) for name, found in BANDS.items()}
_WIDTHS = {name: np.array([band.width for band in found]) for name, found in BANDS.items()}
_STRENGTHS = {name: np.array([band.strength for band in found]) for name, found in BANDS.items()}

G = 6.674_30e-11  # m³/(kg s²)
BOLTZMANN = 1.380_649e-23  # J/K
ATOMIC_MASS = 1.660_539e-27  # kg
SUN_RADIUS = 6.957e8  # m
SUN_MASS = 1.988_4e30  # kg
EARTH_RADIUS = 6.378_1e6  # m
EARTH_MASS = 5.972_2e24  # kg
DAY = 86_400.0  # s

#: Pressure at the planet's reference radius, Pa.
REFERENCE_PRESSURE = 1e5
#: Optical depth at which a limb turns opaque, Lecavelier des Etangs et al. 2008 (A&A 481, L83).
_OPAQUE = 0.56
#: Peak cross-section of each molecule's strongest band, cm², of the order that ExoMol's have at
#: 1000 K and a resolving power of 100. Where the bands lie is `bands.BANDS`.
_PEAKS = {"H2O": 4e-20, "CO2": 3e-20, "CH4": 8e-20, "CO": 2e-21, "NH3": 3e-20}
#: Bands within FGS1's passband: (centre in µm, width in µm, cross-section in cm²).
_VISIBLE = {"H2O": (0.72, 0.012, 3e-25), "CH4": (0.727, 0.010, 3e-25)}
#: Rayleigh scattering by H2, cm² at 0.75 µm; Lecavelier des Etangs et al. 2008.
_RAYLEIGH = 2.52e-28
#: Stands for the continuum of colliding H2, cm² per molecule of the atmosphere at 1 bar.
_CONTINUUM = 3e-28


@dataclass(frozen=True, slots=True)
class Planet:
    """A star with a planet in front of it.

    Attributes:
        star_radius: In radii of the Sun.
        star_mass: In masses of the Sun.
        star_temperature: Effective temperature, K.
        radius: The planet's at 1 bar, in radii of the Earth.
        mass: In masses of the Earth.
        period: Days.
        impact: Impact parameter b, in radii of the star.
        mu: Mean molecular weight of the atmosphere, atomic masses.
        mixing: Share of the atmosphere's molecules, for each of `MOLECULES`; 0 where it has none.
        cloud_pressure: Pressure at the top of the cloud deck, Pa.
    """

    star_radius: float
    star_mass: float
    star_temperature: float
    radius: float
    mass: float
    period: float
    impact: float
    mu: float
    mixing: tuple[float, ...]
    cloud_pressure: float

    @property
    def sma(self) -> float:
        """Semi-major axis in radii of the star, by Kepler's third law."""
        mass = G * self.star_mass * SUN_MASS
        axis = (mass * (self.period * DAY / (2.0 * np.pi)) ** 2) ** (1.0 / 3.0)
        return float(axis / (self.star_radius * SUN_RADIUS))

    @property
    def inclination(self) -> float:
        """Degrees between the orbit's axis and the line of sight, of a circular orbit."""
        return float(np.degrees(np.arccos(self.impact / self.sma)))

    @property
    def temperature(self) -> float:
        """Equilibrium temperature, K, of a black planet that spreads its heat evenly."""
        return float(self.star_temperature * np.sqrt(1.0 / (2.0 * self.sma)))

    @property
    def scale_height(self) -> float:
        """Scale height of the atmosphere, m: H = kT / (μ g)."""
        gravity = G * self.mass * EARTH_MASS / (self.radius * EARTH_RADIUS) ** 2
        return float(BOLTZMANN * self.temperature / (self.mu * ATOMIC_MASS * gravity))

    @property
    def ratio(self) -> float:
        """The planet's radius in radii of the star."""
        return self.radius * EARTH_RADIUS / (self.star_radius * SUN_RADIUS)

    @property
    def duration(self) -> float:
        """Hours from first to last contact, of a circular orbit (Winn 2010, arXiv:1001.2010)."""
        chord = np.sqrt((1.0 + self.ratio) ** 2 - self.impact**2)
        sine = chord / (self.sma * np.sin(np.radians(self.inclination)))
        return float(self.period * 24.0 / np.pi * np.arcsin(min(1.0, sine)))


def cross_section(molecule: str, wavelengths: Array) -> Array:
    """Give a molecule's cross-section, cm², at wavelengths in µm; any shape."""
    away = (np.asarray(wavelengths, dtype=np.float64)[..., None] - _CENTRES[molecule]) / _WIDTHS[
        molecule
    ]
    # Gaussian cores with faint Lorentzian wings: bands have no sharp ends.
    shape = np.exp(-0.5 * away**2) + 1e-4 / (1.0 + away**2)
    total: Array = _PEAKS[molecule] * (shape * _STRENGTHS[molecule]).sum(-1)
    if molecule in _VISIBLE:
        centre, width, peak = _VISIBLE[molecule]
        total = total + peak * np.exp(-0.5 * ((wavelengths - centre) / width) ** 2)
    return total


def spectrum(planet: Planet, wavelengths: Array) -> Array:
    """Give the transit depth (Rp/Rs)² of each wavelength.

    The limb of an isothermal atmosphere is opaque up to the height
    z(λ) = H ln(n₀ σ(λ) √(2π Rp H) / 0.56), Lecavelier des Etangs et al. 2008, equation 1. A cloud
    deck is a grey opacity that alone would reach to the height of its pressure.

    Args:
        planet: The planet.
        wavelengths: µm, of shape (wavelengths,).
    """
    height, radius = planet.scale_height, planet.radius * EARTH_RADIUS
    sigma = _RAYLEIGH * (wavelengths / 0.75) ** -4 + _CONTINUUM
    for molecule, share in zip(MOLECULES, planet.mixing, strict=True):
        if share > 0.0:
            sigma = sigma + share * cross_section(molecule, wavelengths)
    density = REFERENCE_PRESSURE / (BOLTZMANN * planet.temperature)
    gas = density * sigma * 1e-4 * np.sqrt(2.0 * np.pi * radius * height) / _OPAQUE
    cloud = REFERENCE_PRESSURE / planet.cloud_pressure
    top = radius + height * np.log(gas + cloud)
    depth: Array = (top / (planet.star_radius * SUN_RADIUS)) ** 2
    return depth


def limb_darkening(star_temperature: float, wavelengths: Array) -> tuple[Array, Array]:
    """Give the coefficients u1 and u2 of the quadratic law, of shape (wavelengths,) each.

    A smooth approximation of how they fall from the visible to the infrared and rise for cool
    stars, within about 0.1 of the tables of Claret and Bloemen 2011 (A&A 529, A75).
    """
    cool = np.clip((6000.0 - star_temperature) / 3000.0, -0.3, 1.0)
    first = (0.06 + 0.04 * cool) + (0.26 + 0.12 * cool) * (0.705 / wavelengths) ** 1.2
    second = 0.12 + 0.14 * (0.705 / wavelengths) ** 0.8 - 0.05 * cool
    return first, second


def separation(planet: Planet, hours: Array) -> Array:
    """Give the distance between the centres of planet and star, in radii of the star.

    Args:
        planet: The planet, on a circular orbit.
        hours: Time from mid-transit, of any shape.
    """
    phase = 2.0 * np.pi * hours / (planet.period * 24.0)
    tilt = np.cos(np.radians(planet.inclination))
    distance: Array = planet.sma * np.sqrt(np.sin(phase) ** 2 + (tilt * np.cos(phase)) ** 2)
    return distance


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def occulted(distance: Array, ratio: float) -> Array:
    """Integrate 1, (1-μ) and (1-μ)² over the part of the star's disc that the planet hides.

    μ is the cosine of the angle from the star's centre. An annulus of radius r is hidden over the
    angle 2 arccos((r² + d² - p²) / (2 r d)), as in Kreidberg 2015 (arXiv:1507.08285), and the radii
    are integrated by Gauss and Legendre's rule in the angle θ of r = m - h cos θ, in which the
    integrand has no root at either end.

    Args:
        distance: Between the centres, in radii of the star, of shape (times,).
        ratio: The planet's radius p in radii of the star, below 1.

    Returns:
        Of shape (3, times).
    """
    d = np.abs(np.asarray(distance, dtype=np.float64))
    inner, outer = np.abs(d - ratio), np.minimum(d + ratio, 1.0)
    half = np.maximum(outer - inner, 0.0) / 2.0
    theta = (_NODES + 1.0) * (np.pi / 2.0)
    r = (inner + half)[:, None] - half[:, None] * np.cos(theta)
    safe = np.maximum(2.0 * r * d[:, None], 1e-12)
    angle = 2.0 * np.arccos(np.clip((r**2 + d[:, None] ** 2 - ratio**2) / safe, -1.0, 1.0))
    shade = 1.0 - np.sqrt(np.clip(1.0 - r**2, 0.0, None))
    area = angle * r * half[:, None] * np.sin(theta) * _WEIGHTS * (np.pi / 2.0)
    parts = np.stack([area.sum(1), (area * shade).sum(1), (area * shade**2).sum(1)])
    # A planet over the star's centre hides whole discs there.
    core = np.clip(ratio - d, 0.0, 1.0)
    rest = 1.0 - (1.0 - core**2) ** 1.5
    disc = np.pi * core**2
    whole = np.stack(
        [
            disc,
            disc - 2.0 * np.pi / 3.0 * rest,
            2.0 * disc - np.pi / 2.0 * core**4 - 4.0 * np.pi / 3.0 * rest,
        ]
    )
    total: Array = parts + whole
    return total


def transit(distance: Array, depths: Array, u1: Array, u2: Array) -> Array:
    """Give the star's light beside its light without the planet, by the quadratic law.

    I(μ) = 1 - u1 (1-μ) - u2 (1-μ)². The hidden light is nearly proportional to (Rp/Rs)², so it is
    computed for nine depths and interpolated between them.

    Args:
        distance: Between the centres, in radii of the star, of shape (times,).
        depths: (Rp/Rs)² of shape (wavelengths,).
        u1: Of shape (wavelengths,).
        u2: Of shape (wavelengths,).

    Returns:
        Of shape (times, wavelengths), 1 outside the transit.
    """
    low, high = float(depths.min()), float(depths.max())
    count = 9 if high - low > 1e-9 else 1
    grid = np.linspace(low, high, count)
    hidden = np.stack([occulted(distance, float(np.sqrt(depth))) for depth in grid])
    place = (depths - low) / (high - low) * (count - 1) if count > 1 else np.zeros_like(depths)
    left = np.clip(place.astype(int), 0, max(0, count - 2))
    share = (place - left)[:, None, None]
    right = np.minimum(left + 1, count - 1)
    parts = hidden[left] * (1.0 - share) + hidden[right] * share  # (wavelengths, 3, times)
    lost = parts[:, 0] - u1[:, None] * parts[:, 1] - u2[:, None] * parts[:, 2]
    light: Array = 1.0 - (lost / (np.pi * (1.0 - u1 / 3.0 - u2 / 6.0))[:, None]).T
    return light


def photons(temperature: float, wavelengths: Array) -> Array:
    """Give a black body's photons per µm, in any unit (Planck's law), of shape (wavelengths,)."""
    exponent = 14_387.77 / (wavelengths * temperature)  # hc/k in µm K
    rate: Array = wavelengths**-4 / np.expm1(exponent)
    return rate
