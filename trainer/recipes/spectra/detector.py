"""What a detector makes of light: the steps of calibration, backwards.

A pixel gathers electrons from its reset on and is read twice: at the start of an exposure and at its
end. What is read is bent by the pixel's non-linearity, blurred by the amplifier's noise and turned
into 16-bit counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.recipes.spectra.layout import LINEAR_ORDERS, Instrument

#: Counts per electron and electrons at count 0, which the challenge's 2025 data have.
GAIN, OFFSET = 0.4369, -1000.0
#: Electrons in a pixel after its reset.
_RESET = 1500.0
#: Its noise, the same in both reads of a pair, electrons.
_RESET_NOISE = 25.0
_FULL_WELL = 1e5


@dataclass(frozen=True, slots=True)
class Detector:
    """The pixels of a detector, each of shape (rows, columns).

    Attributes:
        dark: Dark current, electrons per second; hot pixels have far more.
        dead: Whether the pixel sees nothing.
        flat: Share of the light that the pixel turns into electrons, about 1.
        linear: Coefficients, the constant first, of the polynomial that turns electrons as read
            into electrons that were there; of shape (6, rows, columns).
        read: Noise of a read, electrons.
    """

    dark: NDArray[np.float32]
    dead: NDArray[np.bool_]
    flat: NDArray[np.float32]
    linear: NDArray[np.float32]
    read: NDArray[np.float32]


def draw(instrument: Instrument, rng: np.random.Generator) -> Detector:
    """Draw a detector: 0.3 % of its pixels are dead, 0.2 % hot."""
    shape = (instrument.rows, instrument.columns)
    dark = rng.normal(2.0, 0.2, shape).clip(0.0)
    hot = rng.random(shape) < 0.002
    dark[hot] = rng.uniform(40.0, 400.0, int(hot.sum()))
    linear = np.zeros((LINEAR_ORDERS, *shape))
    linear[1] = 1.0
    # Two digits: the files stay small, as pixels share values.
    linear[2] = np.round(rng.normal(0.030, 0.003, shape), 3) / _FULL_WELL
    linear[3] = 0.004 / _FULL_WELL**2
    linear[4] = 0.001 / _FULL_WELL**3
    return Detector(
        dark.astype(np.float32),
        rng.random(shape) < 0.003,
        rng.normal(1.0, 0.01, shape).astype(np.float32),
        linear.astype(np.float32),
        rng.normal(12.0, 1.0, shape).clip(5.0).astype(np.float32),
    )


def bend(electrons: NDArray[np.float32], linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the electrons that are read where there are so many: the inverse of the polynomial.

    With P(m) = m (1 + q(m)) and a small q, m = e / (1 + q(m)) is repeated until it stands still.

    Args:
        electrons: Of shape (frames, rows, columns).
        linear: See `Detector`; without a constant, and with 1 as its second coefficient.
    """
    found = electrons
    for _ in range(5):
        bent = linear[5] * found
        for order in (4, 3, 2):
            bent = (bent + linear[order]) * found
        found = electrons / (1.0 + bent)
    return found


def expose(
    light: NDArray[np.float32],
    detector: Detector,
    times: tuple[float, float],
    rng: np.random.Generator,
    averaged: float = 1.0,
) -> NDArray[np.uint16]:
    """Read a detector at the start and at the end of each exposure.

    Args:
        light: Photons per second of each pixel, of shape (pairs, rows, columns).
        detector: The pixels.
        times: Seconds from the reset to the first and to the second read.
        rng: Draws the noise.
        averaged: Exposures that each pair is the mean of: noise falls with their root.

    Returns:
        Counts of shape (2 pairs, rows, columns), start and end by turns.
    """
    quiet = np.float32(1.0 / np.sqrt(averaged))

    def noise(scale: Any) -> NDArray[np.float32]:
        drawn = rng.standard_normal(light.shape, dtype=np.float32)
        return np.asarray(drawn * (scale * quiet), dtype=np.float32)

    rate = np.where(detector.dead, np.float32(0.0), light * detector.flat + detector.dark)
    start, end = (np.float32(time) for time in times)
    first = _RESET + noise(_RESET_NOISE) + rate * start + noise(np.sqrt(rate * start))
    second = first + rate * (end - start) + noise(np.sqrt(rate * (end - start)))
    counts = np.empty((len(light) * 2, *light.shape[1:]), dtype=np.uint16)
    for turn, electrons in enumerate((first, second)):
        seen = bend(np.asarray(electrons, dtype=np.float32), detector.linear) + noise(detector.read)
        counts[turn::2] = np.clip(np.rint((seen - OFFSET) * GAIN), 0, 65_535)
    return counts
