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

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError, Problem
from trainer.recipes.spectra.bands import FGS, WAVELENGTHS

if TYPE_CHECKING:
    import pyarrow as pa

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


class Unreadable(Exception):
    """A file is missing, truncated or odd; holds the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def need_parquet() -> None:
    """Make sure that parquet can be read.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ConfigError(
            Problem(
                "the spectra are parquet files, which need pyarrow, and it is not installed.",
                remedy="Install it: pip install 'traindeck[spectra]'",
                key="data",
            )
        )


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


def tables(root: Path) -> Tables:
    """Read the files of the whole data set.

    Raises:
        ConfigError: Some are missing or odd; names all of them.
    """
    problems: list[Problem] = []

    def tried(read: Any, *words: Any) -> Any:
        try:
            return read(*words)
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
        columns = tried(_match, wavelengths, axis[0], root)
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
    from trainer.recipes.spectra.bands import BANDS

    found = _by_planet(root, (TRUTH,), tuple(BANDS), False)
    return {planet: row.astype(np.float32) for planet, row in found.items()}


def _first(root: Path, names: Sequence[str]) -> Path:
    return next((root / name for name in names if (root / name).is_file()), root / names[0])


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _odd(path, f"cannot be read: {error}") from error
    if not rows:
        raise _odd(path, "has no row.")
    return rows


def _wavelengths(root: Path) -> NDArray[np.float64]:
    path = root / "wavelengths.csv"
    (row,) = _rows(path)[:1]
    found = _floats(path, row, LABEL_COLUMNS, 2)
    if np.any(np.diff(found[FGS:]) <= 0) and np.any(np.diff(found[FGS:]) >= 0):
        raise _odd(path, "has wavelengths of AIRS-CH0 that are in no order.")
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
        raise _odd(path, f"has no whole number as planet_id in line {number}.") from error


def _floats(
    path: Path, row: dict[str, str], columns: Sequence[str], number: int
) -> NDArray[np.float64]:
    lacking = [name for name in columns if row.get(name) in (None, "")]
    if lacking:
        listed = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if lacking[4:] else "")
        raise _odd(path, f"lacks {listed} in line {number}.")
    try:
        found = np.array([float(row[name]) for name in columns])
    except ValueError as error:
        raise _odd(path, f"holds what is no number in line {number}.") from error
    if not np.isfinite(found).all():
        raise _odd(path, f"holds what is no finite number in line {number}.")
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
                raise _odd(path, f"has a gain of {gain:g} in line {number}.")
            found[planet, instrument.name] = (float(gain), float(offset))
    return found


def _axis(root: Path) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Read AIRS-CH0's wavelengths, µm of shape (356,), and a pair's two integration times, s."""
    path = root / "axis_info.parquet"
    table = _table(path)
    found = {}
    for name, least in (
        (f"{AIRS.name}-axis2-um", AIRS.columns),
        (f"{AIRS.name}-integration_time", 2),
    ):
        if name not in table.column_names:
            raise _odd(path, f"has no column '{name}'.")
        values = np.asarray(table.column(name).drop_null().to_numpy(), dtype=np.float64)
        found[name] = values[np.isfinite(values)]
        if len(found[name]) < least:
            raise _odd(path, f"holds {len(found[name])} values of '{name}', not {least} or more.")
    axis, times = found.values()
    return axis[: AIRS.columns], (float(times[0]), float(times[1]))


def _match(
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
        raise _odd(
            root / "axis_info.parquet",
            f"has wavelengths of columns {AIRS.first} to {AIRS.last - 1} that are not those of "
            "wavelengths.csv.",
        )
    return np.array(cut if rising else cut[::-1])


def frames(
    path: Path, instrument: Instrument, chunk: int, rows: slice, columns: NDArray[np.int64]
) -> Iterator[NDArray[Any]]:
    """Read an instrument's frames in order, a few at a time.

    Args:
        path: The signal file.
        instrument: Whose it is.
        chunk: Frames to hold at once at most.
        rows: Which rows of a frame.
        columns: Which columns of it; each pixel is a column of the file, so the rest costs nothing.

    Yields:
        uint16 as a rule, of shape (frames, rows, columns).

    Raises:
        Unreadable: The file is missing, truncated or of another shape.
    """
    import pyarrow as pa

    file = _open(path)
    try:
        width, count = file.metadata.num_columns, file.metadata.num_rows
        if width != instrument.pixels:
            raise _odd(path, f"has {width} columns, not {instrument.rows} x {instrument.columns}.")
        if count < 2 or count % 2:
            raise _odd(path, f"has {count} frames, which make no pairs.")
        pixels = np.arange(instrument.pixels).reshape(instrument.rows, instrument.columns)
        wanted = pixels[rows][:, columns]
        names = file.schema_arrow.names
        kept = [names[pixel] for pixel in np.sort(wanted, None)]
        # The file's order is that of rising columns.
        order = np.argsort(np.argsort(wanted, None))
        # One thread: whole planets are what is read side by side.
        for batch in file.iter_batches(batch_size=chunk, columns=kept, use_threads=False):
            values = _matrix(batch)
            if values.dtype.kind not in "uif":
                raise _odd(path, f"holds {values.dtype}, no numbers.")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise _odd(path, "holds what is no finite number, or nothing at all.")
            yield values[:, order].reshape(-1, *wanted.shape)
    except (OSError, pa.ArrowException) as error:
        raise _odd(path, f"is truncated or damaged: {_told(error)}") from error
    finally:
        file.close()


def frame_count(path: Path) -> int:
    """Give how many frames a signal file has.

    Raises:
        Unreadable: The file is missing or truncated.
    """
    with _open(path) as file:
        return int(file.metadata.num_rows)


def calibration_frame(path: Path, rows: int, columns: int) -> NDArray[np.float64]:
    """Read a calibration file, of shape (rows, columns).

    Raises:
        Unreadable: The file is missing, truncated or of another shape.
    """
    import pyarrow as pa

    try:
        batches = _table(path).combine_chunks().to_batches()
        values = np.concatenate([_matrix(batch) for batch in batches]) if batches else np.zeros(0)
    except pa.ArrowException as error:
        raise _odd(path, f"holds what is no table of numbers: {_told(error)}") from error
    if values.size != rows * columns:
        shape = " x ".join(str(length) for length in values.shape)
        raise _odd(path, f"is {shape}, not {rows} x {columns}.")
    return values.astype(np.float64).reshape(rows, columns)


def _matrix(batch: pa.RecordBatch) -> NDArray[Any]:
    """Give a batch of columns as an array of shape (rows, columns)."""
    import pyarrow as pa

    if all(pa.types.is_boolean(kind) for kind in batch.schema.types):
        return np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], 1)
    return np.asarray(batch.to_tensor(null_to_nan=True, row_major=True).to_numpy())


def _open(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=True)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, pa.ArrowException) as error:
        raise _odd(path, f"is truncated or no parquet file: {_told(error)}") from error


def _table(path: Path) -> pa.Table:
    import pyarrow as pa

    with _open(path) as file:
        try:
            return file.read(use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise _odd(path, f"is truncated or damaged: {_told(error)}") from error


def _told(error: Exception) -> str:
    """Give the first sentence of an error of Arrow's."""
    return " ".join(str(error).split())[:160]


def _missing(path: Path) -> Unreadable:
    return Unreadable(Problem("the file is missing.", str(path), key="data.root"))


def _odd(path: Path, what: str) -> Unreadable:
    return Unreadable(Problem(f"the file {what}", str(path), key="data.root"))
