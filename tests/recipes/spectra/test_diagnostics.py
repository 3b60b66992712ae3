"""What the spectra recipe draws of itself: the numbers first, then that a picture comes of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from trainer.engine.protocols import DrawsDiagnostics
from trainer.recipes.spectra.bands import BANDS, ariel_wavelengths
from trainer.recipes.spectra.diagnostics import (
    Predictions,
    band_ends,
    draw_residuals,
    draw_spectra,
    figures,
    predict,
    spectrum_of,
)
from trainer.recipes.spectra.model import SpectraNet

pytest.importorskip("matplotlib")


def made(residuals: Any, sigma: float = 10.0, molecules: Any = None) -> Predictions:
    rows = np.asarray(residuals, dtype=float)
    target = 5000.0 + np.zeros_like(rows)
    return Predictions(
        planets=tuple(range(len(rows))),
        wavelengths=np.array(ariel_wavelengths()),
        mu=target + rows,
        sigma=np.full_like(rows, sigma),
        target=target,
        molecules=tuple(molecules or [None] * len(rows)),
    )


def test_a_wave_in_the_residuals_is_found_at_its_frequency() -> None:
    bins = np.arange(282)
    wave = np.concatenate(([99.0], 30.0 * np.sin(2 * np.pi * 47 / 282 * bins) + 7.0))
    found = spectrum_of(made([wave]))
    assert found.frequencies[0] > 0
    at = int(found.power[0].argmax())
    assert found.frequencies[at] == pytest.approx(47 / 282)
    assert found.white == pytest.approx(100.0)


def test_white_residuals_of_the_predicted_sigma_lie_on_the_line() -> None:
    noise = np.random.default_rng(0).normal(scale=10.0, size=(200, 283))
    found = spectrum_of(made(noise))
    assert found.power.mean() == pytest.approx(found.white, rel=0.02)


def test_bands_lie_where_molecules_absorb() -> None:
    grid = np.array(ariel_wavelengths())
    assert band_ends("CO", grid) == [
        (pytest.approx(2.24, abs=0.01), pytest.approx(2.44, abs=0.01), 1.0)
    ]
    # Water's first band is centred before the detector's first wavelength.
    assert len(band_ends("H2O", grid)) == len(BANDS["H2O"]) - 1


class Side(list[dict[str, torch.Tensor]]):
    """Validation planets."""


def data(count: int) -> Any:
    generator = torch.Generator().manual_seed(0)
    rows = Side(
        {
            "airs": 1.0 - 0.01 * torch.rand(24, 282, generator=generator),
            "fgs": 1.0 - 0.01 * torch.rand(24, 1, generator=generator),
            "star": torch.zeros(8),
            "target": torch.full((283,), 0.005),
            "molecules": torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0]) if n else torch.full((5,), -1.0),
            "planet_id": torch.tensor(n),
        }
        for n in range(count)
    )
    return SimpleNamespace(val_dataset=lambda: rows, wavelengths=ariel_wavelengths())


def test_a_model_is_asked_for_its_validation_planets_in_ppm() -> None:
    model = SpectraNet(width=8, layers=1, context=8).eval()
    assert isinstance(model, DrawsDiagnostics)
    found = predict(model, data(3), most=2)
    assert found.planets == (0, 1)
    assert found.molecules == (None, ("H2O", "NH3"))
    assert found.mu.shape == found.sigma.shape == found.residuals.shape == (2, 283)
    assert found.target[0, 0] == pytest.approx(5000.0)
    assert found.residuals == pytest.approx(found.mu - 5000.0, abs=1e-2)
    drawn = model.diagnostic_figures(data(1))
    assert list(drawn) == ["spectra", "residuals_fft"] == list(figures(model, data(1)))


@pytest.mark.filterwarnings("error")
def test_odd_numbers_are_drawn_all_the_same(tmp_path: Any) -> None:
    odd = np.zeros((2, 283))
    odd[1] = np.nan
    for found in (made(odd), made(np.zeros((1, 283)), sigma=0.0), made(np.ones((6, 283)), 1e9)):
        for number, figure in enumerate((draw_spectra(found), draw_residuals(found))):
            figure.savefig(tmp_path / f"{number}.png")
            assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
