"""Each step of calibration undoes one step of the detector; all of them give back the light."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.recipes.spectra import calibrate, detector, generate, layout, tables, write
from trainer.recipes.spectra.calibrate import Settings
from trainer.recipes.spectra.layout import AIRS, FGS1


@pytest.fixture(scope="module")
def pixels():
    return detector.draw(FGS1, np.random.default_rng(0))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """One planet, measured without noise."""
    root = tmp_path_factory.mktemp("quiet")
    recipe = generate.Recipe(seed=3, frames=64, fgs_frames=64, noise=0.0)
    (root / "train").mkdir()
    write.write_planet(root / "train", recipe, 0)
    write.write_tables(root, recipe, 1)
    (seen,) = layout.observations(root)
    return generate.Observed(recipe, 0), seen, tables.read(root)


def test_counts_become_electrons():
    given = np.array([[0, 437, 65_535]], dtype=np.uint16)
    found = calibrate.electrons(given, 0.4369, -1000.0)
    np.testing.assert_allclose(found, given / 0.4369 - 1000.0, rtol=1e-6, atol=0.01)


def test_straightening_undoes_bending(pixels):
    rng = np.random.default_rng(1)
    given = rng.uniform(0.0, 1e5, (4, 32, 32)).astype(np.float32)
    bent = detector.bend(given, pixels.linear)
    assert (given - bent).max() > 1000.0  # it does something
    np.testing.assert_allclose(calibrate.straighten(bent, pixels.linear), given, atol=0.1)


def test_the_polynomials_constant_comes_first():
    linear = np.arange(6.0, dtype=np.float32).reshape(6, 1, 1)
    seen = np.full((1, 1, 1), 2.0, dtype=np.float32)
    assert calibrate.straighten(seen, linear)[0, 0, 0] == 2 + 2 * 4 + 3 * 8 + 4 * 16 + 5 * 32


def test_dark_current_gathers_until_each_read():
    seen = np.zeros((4, 1, 2), dtype=np.float32)
    dark = np.array([[1.0, 10.0]], dtype=np.float32)
    found = calibrate.take_off_dark(seen, dark, (0.5, 2.0))
    np.testing.assert_allclose(found[:, 0], [[-0.5, -5.0], [-2.0, -20.0]] * 2)
    assert not seen.any()


def test_doubles_are_end_less_start():
    seen = np.array([3.0, 10.0, 5.0, 25.0], dtype=np.float32).reshape(4, 1, 1)
    np.testing.assert_array_equal(calibrate.correlated_doubles(seen).ravel(), [7.0, 20.0])


def test_what_the_reset_leaves_falls_out(pixels):
    light = np.full((40, 32, 32), 3e4, dtype=np.float32)
    reads = (0.1, 1.1)
    counts = detector.expose(light, pixels, reads, np.random.default_rng(2), averaged=1e12)
    now = calibrate.electrons(counts, detector.GAIN, detector.OFFSET)
    now = calibrate.take_off_dark(calibrate.straighten(now, pixels.linear), pixels.dark, reads)
    found = calibrate.even_out(calibrate.correlated_doubles(now), pixels.flat)
    alive = ~pixels.dead
    # A count is 2.3 electrons.
    assert np.abs(found - light)[:, alive].max() < 4.0
    assert np.abs(found[:, pixels.dead]).max() < 30.0


def test_noise_is_that_of_photons_and_reads(pixels):
    light = np.full((400, 32, 32), 1e4, dtype=np.float32)
    counts = detector.expose(light, pixels, (0.1, 1.1), np.random.default_rng(4))
    now = calibrate.electrons(counts, detector.GAIN, detector.OFFSET)
    found = calibrate.correlated_doubles(calibrate.straighten(now, pixels.linear))
    spread = found.std(0)[~pixels.dead].mean()
    # The reset's noise of 25 is in both reads and adds nothing.
    assert spread == pytest.approx(np.sqrt(1e4 + 2 * 12.0**2), rel=0.05)


def test_hot_pixels_stand_out(pixels):
    hot = calibrate.hot_pixels(pixels.dark, 5.0)
    np.testing.assert_array_equal(hot, pixels.dark > 10.0)


def test_bad_pixels_are_left_out_of_sums():
    seen = np.arange(12.0, dtype=np.float32).reshape(2, 2, 3)
    good = np.array([[True, False, False], [True, True, False]])
    np.testing.assert_array_equal(
        calibrate.summed(seen, good, columns=False), [[3.0, 4.0, np.nan], [15.0, 10.0, np.nan]]
    )
    np.testing.assert_array_equal(calibrate.summed(seen, good, columns=True), [[7.0], [25.0]])


@pytest.mark.parametrize("pairs", [10, 12, 19])
def test_bins_hold_every_exposure_once(pairs):
    curve = np.random.default_rng(5).random((pairs, 3))
    found = calibrate.binned(curve, 10)
    sizes = np.diff(np.linspace(0, pairs, 11).round())
    np.testing.assert_allclose((found * sizes[:, None]).sum(0), curve.sum(0))


def test_frames_of_odd_batches_stay_in_pairs():
    frames = np.arange(10)
    parts = list(calibrate._pairs(iter([frames[:3], frames[3:4], frames[4:9], frames[9:]])))
    assert all(len(part) % 2 == 0 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), frames)


def test_the_light_comes_back(quiet):
    observed, seen, tables = quiet
    found = calibrate.light_curves(seen, tables, Settings(time_bins=16))
    airs = observed.curves(AIRS, 32)[:, AIRS.first : AIRS.last]
    true = np.concatenate([observed.curves(FGS1, 32), airs], 1)
    drift = found / calibrate.normalised(calibrate.binned(true, 16))
    # What is left is the star's own drift, the same at all wavelengths, and rounding to counts.
    assert found.shape == (16, 283)
    assert np.abs(drift - drift.mean(1, keepdims=True)).max() < 4e-4
    assert np.abs((drift - drift.mean(1, keepdims=True)).mean(0)).max() < 1e-4
    assert np.abs(drift - 1.0).max() < 2e-3


@pytest.mark.parametrize("step", ["linearity", "dark", "flat"])
def test_a_step_that_is_switched_off_is_missed(quiet, step):
    _, seen, tables = quiet
    whole = calibrate.light_curves(seen, tables, Settings(time_bins=16))
    without = calibrate.light_curves(seen, tables, Settings(time_bins=16, **{step: False}))
    assert np.abs(whole - without).max() > 1e-6


def test_wavelengths_may_run_either_way(quiet):
    _, _, found = quiet
    axis = generate.airs_axis()
    forth = tables.match(found.wavelengths, axis, None)
    back = tables.match(found.wavelengths, axis[::-1], None)
    np.testing.assert_array_equal(forth, np.arange(39, 321))
    np.testing.assert_array_equal(axis[::-1][back], axis[forth])
