"""Observations as samples, read from their files when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from trainer.errors import ConfigError
from trainer.recipes.spectra.bands import BANDS, FGS
from trainer.recipes.spectra.cache import Curves
from trainer.recipes.spectra.layout import STAR_COLUMNS, Observation, Unreadable

#: How star columns become features of about unit size: (typical value, spread, by logarithm).
_STAR_SCALES = {
    "Rs": (1.0, 0.5, True),
    "Ms": (1.0, 0.5, True),
    "Ts": (5500.0, 1000.0, False),
    "Mp": (30.0, 2.0, True),
    "e": (0.0, 0.2, False),
    "P": (4.0, 1.0, True),
    "sma": (12.0, 0.7, True),
    "i": (87.5, 2.0, False),
}


@dataclass(frozen=True)
class Transits(Dataset[dict[str, Tensor]]):
    """Observations by number; nothing of them is held in memory.

    Attributes:
        observations: Which ones.
        curves: Where their light curves are kept.
    """

    observations: list[Observation]
    curves: Curves

    def __len__(self) -> int:
        """Give the number of observations."""
        return len(self.observations)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Give one sample; see `SpectraData`.

        Raises:
            ConfigError: A file of it has gone or changed for the worse meanwhile.
        """
        seen = self.observations[index]
        tables = self.curves.tables
        try:
            light = torch.from_numpy(self.curves.get(seen))
        except Unreadable as error:
            raise ConfigError(error.problem) from error
        molecules = tables.molecules.get(seen.planet)
        flags = torch.full((len(BANDS),), -1.0) if molecules is None else torch.tensor(molecules)
        return {
            "airs": light[:, FGS:],
            "fgs": light[:, :FGS],
            "star": torch.from_numpy(star_features(tables.stars.get(seen.planet))),
            "target": torch.from_numpy(tables.targets[seen.planet].copy()),
            "molecules": flags,
            "planet_id": torch.tensor(seen.planet, dtype=torch.int64),
        }


def star_features(row: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Give a star's properties as features of about unit size, by fixed scales.

    Args:
        row: The values of `layout.STAR_COLUMNS`; None, where no file tells them, gives zeros.

    Returns:
        float32 of shape (8,).
    """
    features = np.zeros(len(STAR_COLUMNS), dtype=np.float32)
    if row is None:
        return features
    for place, (name, value) in enumerate(zip(STAR_COLUMNS, row.tolist(), strict=True)):
        typical, spread, logarithmic = _STAR_SCALES[name]
        off = np.log(max(value, 1e-6) / typical) if logarithmic else value - typical
        features[place] = off / spread
    return features
