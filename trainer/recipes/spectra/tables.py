"""Reads the files that tell of a whole data set: wavelengths, depths, stars, gains, axes, truth."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError, Problem
from trainer.recipes.spectra import parquet
from trainer.recipes.spectra.bands import BANDS, FGS
from trainer.recipes.spectra.layout import (
    AIRS,
    INSTRUMENTS,
    LABEL_COLUMNS,
    STAR_COLUMNS,
    TRUTH,
    Instrument,
    Unreadable,
    missing,
    odd,
)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the files of a whole data set say.

    Attributes:
        wavelengths: µm, float64 of shape (283,).
        columns: For each bin of AIRS-CH0, its column of the frames, int64 of shape (282,).
        integration: AIRS-CH0's integration times of a pair's start and end, s.
        targets: Transit depths by planet, float32 of shape (283,) each.
        stars: `STAR_COLUMNS` by planet, float64 of shape (8,) each; empty without that file.
        adc: (gain, offset) by planet and instrument; planet None stands for all.
        molecules: Flags by planet, float32 of shape (5,) each; empty without a truth.
    """

    wavelengths: NDArray[np.float64]
    columns: NDArray[np.int64]
    integration: tuple[float, float]
    targets: dict[int, NDArray[np.float32]]
    stars: dict[int, NDArray[np.float64]]
    adc: dict[tuple[int | None, str], tuple[float, float]]
    molecules: dict[int, NDArray[np.float32]]

    def gain(self, planet: int, instrument: Instrument) -> tuple[float, float] | None:
        """Give a planet's (gain, offset), or None if the table has none for it."""
        own = self.adc.get((planet, instrument.name))
        return own or self.adc.get((None, instrument.name))


def read(root: Path) -> Tables:
    """Read the files of the whole data set.

    Raises:
        ConfigError: Some are missing or odd; names all of them.
    """
    problems: list[Problem] = []

    def tried(reader: Any, *words: Any) -> Any:
        try:
            return reader(*words)
        except Unreadable as error:
            problems.append(error.problem)
            return None

    if not root.is_dir():
        raise ConfigError(
            Problem(
                f"there is no folder {root}.",
                remedy="Set data.root to the challenge's data, or to null for generated planets.",
                key="data.root",
            )
        )
    wavelengths = tried(_wavelengths, root)
    axis = tried(_axis, root)
    targets = tried(_by_planet, root, ("train.csv", "train_labels.csv"), LABEL_COLUMNS, True)
    stars = tried(_by_planet, root, ("star_info.csv", "train_star_info.csv"), STAR_COLUMNS, False)
    molecules = tried(_molecules, root)
    adc = tried(_adc, root)
    columns: Any = None
    if wavelengths is not None and axis is not None:
        columns = tried(match, wavelengths, axis[0], root)
    if problems:
        raise ConfigError(*problems)
    return Tables(
        wavelengths,
        columns,
        axis[1],
        {planet: row.astype(np.float32) for planet, row in targets.items()},
        stars,
        adc,
        molecules,
    )


def _molecules(root: Path) -> dict[int, NDArray[np.float32]]:
    found = _by_planet(root, (TRUTH,), tuple(BANDS), False)
    return {planet: row.astype(np.float32) for planet, row in found.items()}


def _first(root: Path, names: Sequence[str]) -> Path:
    return next((root / name for name in names if (root / name).is_file()), root / names[0])


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise missing(path) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise odd(path, f"cannot be read: {error}") from error
    if not rows:
        raise odd(path, "has no row.")
    return rows


def _wavelengths(root: Path) -> NDArray[np.float64]:
    path = root / "wavelengths.csv"
    (row,) = _rows(path)[:1]
    found = _floats(path, row, LABEL_COLUMNS, 2)
    if np.any(np.diff(found[FGS:]) <= 0) and np.any(np.diff(found[FGS:]) >= 0):
        raise odd(path, "has wavelengths of AIRS-CH0 that are in no order.")
    return found


def _by_planet(
    root: Path, names: Sequence[str], columns: Sequence[str], needed: bool
) -> dict[int, NDArray[np.float64]]:
    path = _first(root, names)
    if not needed and not path.is_file():
        return {}
    found = {}
    for number, row in enumerate(_rows(path), 2):
        planet = _planet(path, row, number)
        found[planet] = _floats(path, row, columns, number)
    return found


def _planet(path: Path, row: dict[str, str], number: int) -> int:
    try:
        return int(row["planet_id"])
    except (KeyError, TypeError, ValueError) as error:
        raise odd(path, f"has no whole number as planet_id in line {number}.") from error


def _floats(
    path: Path, row: dict[str, str], columns: Sequence[str], number: int
) -> NDArray[np.float64]:
    lacking = [name for name in columns if row.get(name) in (None, "")]
    if lacking:
        listed = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if lacking[4:] else "")
        raise odd(path, f"lacks {listed} in line {number}.")
    try:
        found = np.array([float(row[name]) for name in columns])
    except ValueError as error:
        raise odd(path, f"holds what is no number in line {number}.") from error
    if not np.isfinite(found).all():
        raise odd(path, f"holds what is no finite number in line {number}.")
    return found


def _adc(root: Path) -> dict[tuple[int | None, str], tuple[float, float]]:
    path = _first(root, ("adc_info.csv", "train_adc_info.csv"))
    found: dict[tuple[int | None, str], tuple[float, float]] = {}
    for number, row in enumerate(_rows(path), 2):
        planet = _planet(path, row, number) if "planet_id" in row else None
        for instrument in INSTRUMENTS:
            names = [f"{instrument.name}_adc_{part}" for part in ("gain", "offset")]
            gain, offset = _floats(path, row, names, number)
            if gain <= 0:
                raise odd(path, f"has a gain of {gain:g} in line {number}.")
            found[planet, instrument.name] = (float(gain), float(offset))
    return found


def _axis(root: Path) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Read AIRS-CH0's wavelengths, µm of shape (356,), and a pair's two integration times, s."""
    path = root / "axis_info.parquet"
    table = parquet.table(path)
    found = {}
    for name, least in (
        (f"{AIRS.name}-axis2-um", AIRS.columns),
        (f"{AIRS.name}-integration_time", 2),
    ):
        if name not in table.column_names:
            raise odd(path, f"has no column '{name}'.")
        values = np.asarray(table.column(name).drop_null().to_numpy(), dtype=np.float64)
        found[name] = values[np.isfinite(values)]
        if len(found[name]) < least:
            raise odd(path, f"holds {len(found[name])} values of '{name}', not {least} or more.")
    axis, times = found.values()
    return axis[: AIRS.columns], (float(times[0]), float(times[1]))


def match(
    wavelengths: NDArray[np.float64], axis: NDArray[np.float64], root: Path
) -> NDArray[np.int64]:
    """Find the column of the frames that each bin of AIRS-CH0 lies in, whichever way they run."""
    wanted = wavelengths[FGS:]
    columns = np.abs(axis[None, :] - wanted[:, None]).argmin(1)
    spacing = np.abs(np.diff(axis)).max()
    if len(set(columns.tolist())) == len(wanted) and np.all(
        np.abs(axis[columns] - wanted) <= spacing
    ):
        return np.asarray(columns)
    # The challenge's own calibration cuts the frames there, whatever the axis says.
    cut = np.arange(AIRS.first, AIRS.last)
    rising = (axis[cut[-1]] > axis[cut[0]]) == (wanted[-1] > wanted[0])
    if abs(axis[cut].min() - wanted.min()) > 0.1 or abs(axis[cut].max() - wanted.max()) > 0.1:
        raise odd(
            root / "axis_info.parquet",
            f"has wavelengths of columns {AIRS.first} to {AIRS.last - 1} that are not those of "
            "wavelengths.csv.",
        )
    return np.array(cut if rising else cut[::-1])
