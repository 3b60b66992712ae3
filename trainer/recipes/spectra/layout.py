"""The files of the Ariel Data Challenge: their names, their shapes, and how they are read.

    ROOT/wavelengths.csv               wl_1 … wl_283, µm
    ROOT/train.csv                     planet_id, wl_1 … wl_283: the transit depths (Rp/Rs)²
    ROOT/star_info.csv                 planet_id, Rs, Ms, Ts, Mp, e, P, sma, i
    ROOT/adc_info.csv                  gain and offset of each instrument, for all or by planet_id
    ROOT/axis_info.parquet             AIRS-CH0's wavelengths and integration times
    ROOT/train/PLANET/AIRS-CH0_signal_0.parquet, FGS1_signal_0.parquet
    ROOT/train/PLANET/AIRS-CH0_calibration_0/{dark,dead,flat,linear_corr,read}.parquet, FGS1_…

The names of either year serve: `train_labels.csv`, `train_star_info.csv`, `train_adc_info.csv`,
files without a number, and planets in ROOT itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import Problem
from trainer.recipes.spectra.bands import FGS, WAVELENGTHS

#: The stars' columns, in the order of a sample's `star`: radius and mass in the Sun's, temperature
#: in K, the planet's mass in the Earth's, eccentricity, period in days, semi-major axis in radii of
#: the star, inclination in degrees.
STAR_COLUMNS = ("Rs", "Ms", "Ts", "Mp", "e", "P", "sma", "i")
#: Frames that calibration needs; `read` is part of the layout and needed by no step.
CALIBRATION = ("dark", "dead", "flat", "linear_corr")
LABEL_COLUMNS = tuple(f"wl_{number}" for number in range(1, WAVELENGTHS + 1))
#: Coefficients of the polynomial of `linear_corr`, the constant first.
LINEAR_ORDERS = 6
#: What the truth of generated planets is called; the challenge has no such file.
TRUTH = "truth.csv"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One of the two instruments.

    Attributes:
        name: As files call it.
        rows: Height of a frame, pixels.
        columns: Width of a frame, pixels.
        frames: Frames that the challenge's observations have.
        first: First column that belongs to a bin of the spectrum.
        last: Column behind the last one of those.
    """

    name: str
    rows: int
    columns: int
    frames: int
    first: int
    last: int

    @property
    def pixels(self) -> int:
        """Pixels of a frame: columns of a signal file."""
        return self.rows * self.columns


AIRS = Instrument("AIRS-CH0", 32, 356, 11_250, 39, 39 + WAVELENGTHS - FGS)
FGS1 = Instrument("FGS1", 32, 32, 135_000, 0, 32)
INSTRUMENTS = (AIRS, FGS1)


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation of a planet by both instruments.

    Attributes:
        planet: The planet's id.
        number: 0 for the first observation, or the only one.
        folder: The planet's folder.
        suffix: What its files' names end in: `_0`, or nothing.
    """

    planet: int
    number: int
    folder: Path
    suffix: str

    def signal(self, instrument: Instrument) -> Path:
        """Give the path of an instrument's frames."""
        return self.folder / f"{instrument.name}_signal{self.suffix}.parquet"

    def calibration(self, instrument: Instrument, name: str) -> Path:
        """Give the path of a calibration file; one without a number serves every observation."""
        own = self.folder / f"{instrument.name}_calibration{self.suffix}"
        common = self.folder / f"{instrument.name}_calibration"
        return (own if own.is_dir() or not common.is_dir() else common) / f"{name}.parquet"

    def inputs(self) -> list[Path]:
        """Give every file that calibration reads for this observation."""
        return [
            path
            for instrument in INSTRUMENTS
            for path in (
                self.signal(instrument),
                *(self.calibration(instrument, name) for name in CALIBRATION),
            )
        ]


class Unreadable(Exception):
    """A file is missing, truncated or odd; holds the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def observations(root: Path) -> list[Observation]:
    """List the observations of all planets below `root`, by planet and number."""
    train = root / "train"
    base = train if train.is_dir() else root
    found = []
    for folder in base.iterdir() if base.is_dir() else ():
        if folder.name.isdecimal() and folder.is_dir():
            found += [
                Observation(int(folder.name), number, folder, suffix)
                for number, suffix in _numbers(folder)
            ]
    return sorted(found, key=lambda seen: (seen.planet, seen.number))


_SIGNAL = re.compile(r"(?:AIRS-CH0|FGS1)_signal(?:_(\d+))?\.parquet")


def _numbers(folder: Path) -> list[tuple[int, str]]:
    """Give number and suffix of each observation; a folder with neither signal counts as the first."""
    found = {match[1] for path in folder.iterdir() if (match := _SIGNAL.fullmatch(path.name))}
    return sorted((int(n or 0), f"_{n}" if n else "") for n in found) or [(0, "_0")]


def missing(path: Path) -> Unreadable:
    """Say that a file is missing."""
    return Unreadable(Problem("the file is missing.", str(path), key="data.root"))


def odd(path: Path, what: str) -> Unreadable:
    """Say what a file is or has that it should not."""
    return Unreadable(Problem(f"the file {what}", str(path), key="data.root"))
