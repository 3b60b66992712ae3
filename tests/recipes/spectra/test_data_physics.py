"""Generated planets: transits against integration on a grid, spectra against what bands must do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainer.recipes.spectra import physics
from trainer.recipes.spectra.bands import BANDS, ariel_wavelengths
from trainer.recipes.spectra.physics import MOLECULES, Planet

WAVELENGTHS = np.array(ariel_wavelengths())
HOT = Planet(
    star_radius=1.0,
    star_mass=1.0,
    star_temperature=5800.0,
    radius=12.0,
    mass=200.0,
    period=3.5,
    impact=0.3,
    mu=2.3,
    mixing=(0.0,) * len(MOLECULES),
    cloud_pressure=1e5,
)


def on_a_grid(distance: float, ratio: float, u1: float, u2: float, size: int = 1501) -> float:
    """Count the hidden light point by point."""
    places = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    x, y = np.meshgrid(places, places)
    r2 = x**2 + y**2
    shade = 1.0 - np.sqrt(np.clip(1.0 - r2, 0.0, 1.0))
    light = np.where(r2 < 1.0, 1.0 - u1 * shade - u2 * shade**2, 0.0)
    hidden = (x - distance) ** 2 + y**2 < ratio**2
    return float(1.0 - light[hidden].sum() / light.sum())


@pytest.mark.parametrize("distance", [0.0, 0.05, 0.3, 0.9, 0.97, 1.05])
@pytest.mark.parametrize("ratio", [0.05, 0.14, 0.3])
def test_a_transit_hides_what_a_grid_counts(distance, ratio):
    light = physics.transit(
        np.array([distance]), np.array([ratio**2]), np.array([0.4]), np.array([0.25])
    )
    assert light[0, 0] == pytest.approx(on_a_grid(distance, ratio, 0.4, 0.25), abs=5e-5)


def test_without_limb_darkening_a_transit_is_as_deep_as_the_planet_is_large():
    depths = np.array([0.001, 0.0105, 0.02])
    none = np.zeros(3)
    light = physics.transit(np.array([0.0, 0.5, 1.2]), depths, none, none)
    np.testing.assert_allclose(1.0 - light[:2], [depths, depths], rtol=1e-5)
    np.testing.assert_array_equal(light[2], 1.0)


def test_interpolating_between_depths_costs_nothing_to_speak_of():
    distance = np.linspace(0.0, 1.2, 60)
    depths = np.linspace(0.0100, 0.0106, 40)
    u1, u2 = physics.limb_darkening(5500.0, np.linspace(1.95, 3.9, 40))
    together = physics.transit(distance, depths, u1, u2)
    alone = np.concatenate(
        [
            physics.transit(distance, depths[n : n + 1], u1[n : n + 1], u2[n : n + 1])
            for n in range(40)
        ],
        1,
    )
    assert np.abs(together - alone).max() < 1e-7


def test_a_transit_lasts_as_long_as_its_planet_says():
    hours = np.linspace(-4.0, 4.0, 8001)
    dimmed = physics.separation(HOT, hours) < 1.0 + HOT.ratio
    assert np.ptp(hours[dimmed]) == pytest.approx(HOT.duration, abs=0.02)


def test_the_earth_has_its_year_and_its_distance():
    earth = replace(HOT, radius=1.0, mass=1.0, period=365.25, star_temperature=5772.0)
    assert earth.sma == pytest.approx(215.0, rel=0.005)
    assert earth.temperature == pytest.approx(278.6, rel=0.01)
    assert replace(earth, mu=28.97).scale_height == pytest.approx(8_140.0, rel=0.02)


@pytest.mark.parametrize("molecule", MOLECULES)
def test_a_molecule_shows_in_its_bands(molecule):
    mixing = tuple(1e-4 if name == molecule else 0.0 for name in MOLECULES)
    more = physics.spectrum(replace(HOT, mixing=mixing), WAVELENGTHS) - physics.spectrum(
        HOT, WAVELENGTHS
    )
    assert (more >= 0.0).all()
    strongest = max(BANDS[molecule], key=lambda band: band.strength)
    peak = WAVELENGTHS[1:][more[1:].argmax()]
    assert abs(peak - strongest.centre) < strongest.width
    assert more.max() > 1e-4


def test_clouds_flatten_a_spectrum():
    clear = replace(HOT, mixing=(1e-3, 0.0, 1e-5, 0.0, 0.0))
    spans = [
        np.ptp(physics.spectrum(replace(clear, cloud_pressure=at), WAVELENGTHS))
        for at in (1e5, 1e3, 10.0)
    ]
    assert spans[0] > 1.2 * spans[1] > 2.4 * spans[2] > 0.0


def test_limb_darkening_falls_towards_the_infrared():
    u1, u2 = physics.limb_darkening(5000.0, WAVELENGTHS)
    assert (np.diff(u1) < 0).all()
    assert ((u1 + u2 < 1.0) & (u1 > 0) & (u2 > 0)).all()
