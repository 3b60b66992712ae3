"""Depths read off light curves."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.recipes.spectra import physics
from trainer.recipes.spectra.depth import contacts, depth_of, white_light_depth


def curves(depth, noise=0.0, drift=0.0, late=0.0):
    hours = np.linspace(-3.75, 3.75, 48)
    distance = np.sqrt(0.04 + ((hours - late) / 1.4) ** 2)
    depths = np.full(10, depth)
    light = physics.transit(distance, depths, np.full(10, 0.1), np.full(10, 0.15))
    rng = np.random.default_rng(0)
    return light * (1.0 + drift * hours[:, None]) + rng.normal(0.0, noise, light.shape)


@pytest.mark.parametrize("depth", [0.001, 0.01, 0.02])
@pytest.mark.parametrize("late", [-0.5, 0.0, 0.5])
def test_a_depth_is_found_below_noise_and_drift(depth, late):
    light = curves(depth, noise=1e-4, drift=3e-4, late=late)
    found = white_light_depth(light, light[:, :1])
    assert found == pytest.approx(depth, rel=0.12, abs=5e-5)


def test_each_wavelength_has_its_depth():
    light = curves(0.01)
    light[:, 3] = 1.0 - 2.0 * (1.0 - light[:, 3])
    depths = depth_of(light, *contacts(light.mean(1)))
    np.testing.assert_allclose(depths[3] / depths[0], 2.0, rtol=1e-3)


@pytest.mark.parametrize("bins", [8, 16, 100])
def test_light_without_a_transit_does_no_harm(bins):
    rng = np.random.default_rng(1)
    begin, end = contacts(1.0 + rng.normal(0.0, 1e-4, bins))
    assert 0 <= begin < end <= bins
    flat = np.ones((bins, 3))
    assert white_light_depth(flat, flat[:, :1]) == pytest.approx(0.0, abs=1e-9)
