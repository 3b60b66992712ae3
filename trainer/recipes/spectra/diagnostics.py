"""What a trained model says of planets it has not seen: their spectra, and what it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.recipes.spectra.bands import BANDS, FGS, window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

    from trainer.recipes.spectra.data import SpectraData

Floats = NDArray[np.float64]

#: Planets whose spectra are drawn, and those whose residuals are.
SHOWN, ASKED = 4, 64
_PPM = 1e6
# Okabe and Ito's; molecules differ by their row as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
_PREDICTED, _TRUE = "#0072B2", "#000000"


@dataclass(frozen=True)
class Predictions:
    """Spectra of planets, in the order of wavelengths.

    Attributes:
        planets: Their ids.
        wavelengths: µm, (wavelengths,).
        mu: Predicted depths in ppm, (planets, wavelengths).
        sigma: Their uncertainty in ppm, (planets, wavelengths).
        target: True depths in ppm, (planets, wavelengths).
        molecules: The molecules of each planet; None where nobody knows.
    """

    planets: tuple[int, ...]
    wavelengths: Floats
    mu: Floats
    sigma: Floats
    target: Floats
    molecules: tuple[tuple[str, ...] | None, ...]

    @property
    def residuals(self) -> Floats:
        """Predicted less true depths in ppm, (planets, wavelengths)."""
        return self.mu - self.target


@dataclass(frozen=True)
class Spectrum:
    """The power of residuals along AIRS-CH0, by frequency.

    Attributes:
        frequencies: Cycles per wavelength bin, without zero, (frequencies,).
        power: |DFT|² / bins of the residuals less their mean, ppm², (planets, frequencies).
        white: What it would be at all frequencies, had the residuals the σ predicted and nothing in
            common with their neighbours: mean σ², ppm².
    """

    frequencies: Floats
    power: Floats
    white: float


def predict(model: nn.Module, data: SpectraData, most: int = ASKED) -> Predictions:
    """Ask a model for the spectra of validation planets.

    Args:
        model: Gives μ and σ for `airs`, `fgs` and `star`.
        data: The planets, prepared.
        most: How many at most, the first ones.
    """
    side = data.val_dataset()
    samples = [side[number] for number in range(min(most, len(side)))]
    batch = {name: torch.stack([each[name] for each in samples]) for name in samples[0]}
    with torch.no_grad():
        mu, sigma = model(batch["airs"], batch["fgs"], batch["star"])

    def ppm(values: torch.Tensor) -> Floats:
        return values.double().numpy() * _PPM

    return Predictions(
        planets=tuple(batch["planet_id"].tolist()),
        wavelengths=np.asarray(data.wavelengths, dtype=np.float64),
        mu=ppm(mu),
        sigma=ppm(sigma),
        target=ppm(batch["target"]),
        molecules=tuple(_molecules(row) for row in batch["molecules"].tolist()),
    )


def spectrum_of(found: Predictions) -> Spectrum:
    """Divide the residuals along AIRS-CH0 into frequencies.

    By Parseval's theorem the power, averaged over all frequencies of a two-sided transform, is the
    residuals' variance; white residuals have the same power everywhere.
    """
    airs = found.residuals[:, FGS:]
    airs = airs - airs.mean(axis=-1, keepdims=True)
    power = np.abs(np.fft.rfft(airs, axis=-1)[:, 1:]).astype(np.float64) ** 2 / airs.shape[-1]
    frequencies = np.fft.rfftfreq(airs.shape[-1])[1:].astype(np.float64)
    return Spectrum(frequencies, power, float(np.mean(found.sigma[:, FGS:] ** 2)))


def figures(model: nn.Module, data: SpectraData) -> dict[str, Figure]:
    """Draw predicted against true spectra, and the frequencies of what is between them.

    Args:
        model: Gives μ and σ, in evaluation mode.
        data: The planets, prepared.
    """
    found = predict(model, data)
    return {"spectra": draw_spectra(found), "residuals_fft": draw_residuals(found)}


def draw_spectra(found: Predictions) -> Figure:
    """Draw the first planets' spectra with σ, under the molecules' bands."""
    from matplotlib.figure import Figure

    shown = min(SHOWN, len(found.planets))
    made = Figure(figsize=(10.0, 1.9 + 2.0 * shown), layout="constrained")
    made.suptitle("Spectra of validation planets: true, and predicted ± σ")
    grid = made.subplots(
        shown + 1,
        2,
        squeeze=False,
        sharex="col",
        sharey="row",
        width_ratios=[1, 14],
        height_ratios=[0.75, *[2.0] * shown],
    )
    grid[0][0].set_axis_off()
    _draw_bands(grid[0][1], found.wavelengths)
    # The neighbour that shares the rows keeps their names to itself.
    grid[0][1].tick_params(axis="y", labelleft=True)
    x = found.wavelengths
    for place in range(shown):
        narrow, wide = grid[place + 1]
        mu, sigma, target = found.mu[place], found.sigma[place], found.target[place]
        narrow.errorbar(x[:FGS], mu[:FGS], yerr=sigma[:FGS], color=_PREDICTED, fmt="o", capsize=3)
        narrow.plot(x[:FGS], target[:FGS], color=_TRUE, linestyle="none", marker="_", markersize=14)
        for width, alpha, label in ((2, 0.15, "± 2 σ"), (1, 0.3, "± σ")):
            low, high = (mu + sign * width * sigma for sign in (-1, 1))
            wide.fill_between(
                x[FGS:], low[FGS:], high[FGS:], color=_PREDICTED, alpha=alpha, lw=0, label=label
            )
        wide.plot(x[FGS:], mu[FGS:], color=_PREDICTED, linewidth=1.3, label="predicted")
        wide.plot(x[FGS:], target[FGS:], color=_TRUE, linewidth=1.0, label="true")
        _limit(wide, mu, sigma, target)
        _mark_bands(wide, found.wavelengths, found.molecules[place] or ())
        wide.set_title(_title(found, place), loc="left", fontsize=9)
        narrow.set_ylabel("depth (ppm)")
    low, high = float(x[:FGS].min()), float(x[:FGS].max())
    grid[-1][0].set_xlim(low - 0.1, high + 0.1)
    grid[-1][0].set_xticks([round((low + high) / 2, 2)])
    grid[-1][0].set_xlabel("FGS1")
    grid[-1][1].set_xlim(float(x[FGS:].min()), float(x[FGS:].max()))
    grid[-1][1].set_xlabel("AIRS-CH0, wavelength (µm)")
    handles, labels = grid[1][1].get_legend_handles_labels()
    made.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=4)
    return made


def draw_residuals(found: Predictions) -> Figure:
    """Draw the residuals along the wavelengths, and their power by frequency."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(10.0, 6.6), layout="constrained")
    many = len(found.planets)
    planets = "1 validation planet" if many == 1 else f"{many} validation planets"
    made.suptitle(f"Residuals, predicted less true, of {planets}")
    strip, top, bottom = made.subplots(3, 1, height_ratios=[0.55, 2, 2])
    _draw_bands(strip, found.wavelengths)
    strip.set_xticklabels([])
    x, airs = found.wavelengths[FGS:], found.residuals[:, FGS:]
    strip.set_xlim(float(x.min()), float(x.max()))
    top.set_xlim(float(x.min()), float(x.max()))
    for place, row in enumerate(airs):
        top.plot(x, row, color="#B5B5B5", linewidth=0.7, label=None if place else "each planet")
    sigma = np.sqrt(np.mean(found.sigma[:, FGS:] ** 2, axis=0))
    top.fill_between(
        x, -sigma, sigma, color=_PREDICTED, alpha=0.2, lw=0, label="± σ predicted, rms"
    )
    top.plot(x, np.sqrt(np.mean(airs**2, axis=0)), color="#D55E00", label="rms", linewidth=1.4)
    top.plot(x, airs.mean(axis=0), color=_TRUE, label="mean", linewidth=1.2, linestyle=(0, (4, 1)))
    top.set_ylabel("residual (ppm)")
    top.set_xlabel("wavelength (µm)")
    top.legend(ncols=4, loc="upper right")

    power = spectrum_of(found)
    least = np.finfo(float).tiny
    low, high = np.quantile(power.power, [0.1, 0.9], axis=0).clip(least)
    f = power.frequencies
    if many > 1:
        bottom.fill_between(
            f, low, high, color=_PREDICTED, alpha=0.2, lw=0, label="80 % of the planets"
        )
    mean = power.power.mean(axis=0).clip(least)
    bottom.plot(f, mean, color=_PREDICTED, linewidth=1.4, label="mean power")
    if power.white > 0:
        bottom.axhline(
            power.white, color="#D55E00", linestyle=(0, (5, 2)), label="white noise of predicted σ"
        )
    bottom.set_yscale("log")
    bottom.set_xlim(0.0, 0.5)
    bottom.set_xlabel("frequency along the wavelengths of AIRS-CH0 (cycles per bin)")
    bottom.set_ylabel("power (ppm²)")
    bottom.yaxis.set_major_formatter(_power)
    bottom.yaxis.set_minor_formatter(lambda *_: "")
    bottom.legend(ncols=3, loc="upper right")
    return made


def band_ends(name: str, wavelengths: Floats) -> list[tuple[float, float, float]]:
    """Give first and last wavelength, µm, and strength of each of a molecule's bands that is seen."""
    grid = wavelengths.tolist()
    found = []
    for band in BANDS[name]:
        first, behind = window(band, grid)
        if first < behind:
            low, high = sorted((grid[first], grid[behind - 1]))
            found.append((low, high, band.strength))
    return found


def _mark_bands(axes: Axes, wavelengths: Floats, molecules: Sequence[str]) -> None:
    """Mark along the lower edge where the molecules absorb that a planet has."""
    for row, name in enumerate(BANDS):
        for low, high, strength in band_ends(name, wavelengths) if name in molecules else ():
            axes.plot(
                [low, high],
                [0.02 + 0.03 * row] * 2,
                color=_COLOURS[row % len(_COLOURS)],
                alpha=0.25 + 0.65 * strength,
                linewidth=3,
                solid_capstyle="butt",
                transform=axes.get_xaxis_transform(),
            )


def _draw_bands(axes: Axes, wavelengths: Floats) -> None:
    """Draw where each molecule absorbs, a row each; strong bands are dark."""
    for row, name in enumerate(BANDS):
        for low, high, strength in band_ends(name, wavelengths):
            axes.barh(
                row,
                high - low,
                left=low,
                height=0.7,
                color=_COLOURS[row % len(_COLOURS)],
                alpha=0.25 + 0.65 * strength,
            )
    axes.set_yticks(range(len(BANDS)), list(BANDS), fontsize=7)
    axes.set_ylim(len(BANDS) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="both", length=0)
    axes.set_title("molecular bands, darker where stronger", fontsize=8, loc="right")


def _limit(axes: Axes, mu: Floats, sigma: Floats, target: Floats) -> None:
    """Keep the spectra readable where σ is far greater than they are."""
    values = np.concatenate((mu, target))
    low, high = float(values.min()), float(values.max())
    margin = max(3.0 * float(np.median(sigma)), 0.15 * (high - low), 1e-3)
    margin = min(margin, 2.0 * (high - low) or margin)
    if np.isfinite([low, high, margin]).all():
        axes.set_ylim(low - margin, high + margin)


def _title(found: Predictions, place: int) -> str:
    molecules = found.molecules[place]
    known = "" if molecules is None else f" with {', '.join(molecules) or 'none of the molecules'}"
    rms = float(np.sqrt(np.mean(found.residuals[place] ** 2)))
    sigma = float(np.sqrt(np.mean(found.sigma[place] ** 2)))
    return (
        f"planet {found.planets[place]}{known}: rms of residuals {rms:.3g} ppm, σ {sigma:.3g} ppm"
    )


def _molecules(flags: Sequence[float]) -> tuple[str, ...] | None:
    if any(flag < 0 for flag in flags):
        return None
    return tuple(name for name, flag in zip(BANDS, flags, strict=True) if flag > 0)


def _power(value: float, _: Any) -> str:
    return f"{value:.3g}"
