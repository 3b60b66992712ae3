"""Which wavelengths there are, and where molecules absorb among them: the one table of both.

Standard library only, so that whoever makes planets and whoever judges spectra read the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WAVELENGTHS = 283
"""Bins of a spectrum: FGS1's one, then AIRS-CH0's."""

FGS = 1
"""Bins that are FGS1's: the first ones, index 0."""

AIRS_RANGE = (1.95, 3.9)
"""First and last wavelength of AIRS-CH0, µm."""

FGS_WAVELENGTH = 0.705
"""Middle of FGS1's passband (0.60 to 0.80 µm), µm."""


@dataclass(frozen=True, slots=True)
class Band:
    """One absorption band.

    Attributes:
        centre: µm.
        width: Standard deviation of the Gaussian that stands for the band, µm.
        strength: Height beside the molecule's strongest band within AIRS-CH0.
    """

    centre: float
    width: float
    strength: float


# Band heads from HITRAN/ExoMol overviews of the near infrared, widths at about 1000 K by eye: a
# molecule's fingerprint, not its opacity.
BANDS: dict[str, tuple[Band, ...]] = {
    "H2O": (Band(1.90, 0.08, 0.60), Band(2.67, 0.16, 1.00), Band(3.15, 0.18, 0.30)),
    "CO2": (Band(2.01, 0.04, 0.30), Band(2.72, 0.07, 1.00)),
    "CH4": (Band(2.32, 0.09, 0.55), Band(3.33, 0.14, 1.00)),
    "CO": (Band(2.34, 0.05, 1.00),),
    "NH3": (Band(2.00, 0.05, 0.70), Band(2.25, 0.06, 0.50), Band(3.00, 0.10, 1.00)),
}
"""The molecules of the recipe, each with its bands."""


def ariel_wavelengths() -> list[float]:
    """Give the wavelengths of a spectrum's bins, µm, as far as no `wavelengths.csv` says better."""
    low, high = AIRS_RANGE
    airs = WAVELENGTHS - FGS
    return [FGS_WAVELENGTH, *(low + (high - low) * i / (airs - 1) for i in range(airs))]


def template(molecule: str, wavelengths: Sequence[float]) -> list[float]:
    """Give how strongly a molecule absorbs at each wavelength, 1 at its strongest band's centre.

    Args:
        molecule: One of `BANDS`.
        wavelengths: µm.
    """
    return [
        sum(b.strength * math.exp(-0.5 * ((w - b.centre) / b.width) ** 2) for b in BANDS[molecule])
        for w in wavelengths
    ]


def window(band: Band, wavelengths: Sequence[float]) -> tuple[int, int]:
    """Give a band's window in bins of AIRS-CH0: two widths on either side, centred on a bin.

    Where an end of the detector cuts it, the other side is cut as well: a window is symmetric
    around its centre.

    Returns:
        Its first bin and the bin behind its last; both the same if the band lies outside or is
        narrower than three bins.
    """
    inside = range(FGS, len(wavelengths))
    if not inside:
        return 0, 0
    low, high = sorted((wavelengths[inside[0]], wavelengths[inside[-1]]))
    if not low <= band.centre <= high:
        return 0, 0
    centre = min(inside, key=lambda i: abs(wavelengths[i] - band.centre))
    half = sum(1 for i in inside if abs(wavelengths[i] - band.centre) <= 2 * band.width) // 2
    half = min(half, centre - inside[0], inside[-1] - centre)
    return (centre - half, centre + half + 1) if half >= 1 else (0, 0)
