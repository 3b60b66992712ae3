"""Writes made-up planets as the challenge's files: a folder a planet, and the tables of all."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.recipes.spectra import detector as pixels
from trainer.recipes.spectra import physics
from trainer.recipes.spectra.detector import Detector
from trainer.recipes.spectra.generate import (
    HOURS,
    INTEGRATION,
    VERSION,
    Observed,
    Recipe,
    airs_axis,
    draw,
    hours,
    planet_id,
    wavelengths,
)
from trainer.recipes.spectra.layout import AIRS, FGS1, INSTRUMENTS, Instrument
from trainer.recipes.spectra.physics import MOLECULES, Planet

#: Frames that go into a Parquet file together.
_ROW_GROUP = 4096


def write_planet(train: Path, recipe: Recipe, number: int) -> Path:
    """Write a planet's folder; it is there whole or not at all.

    Args:
        train: The folder of planets.
        recipe: How the data set looks.
        number: Which planet.

    Returns:
        The planet's folder. One that is there already is left alone.
    """
    seen = Observed(recipe, number)
    folder = train / str(seen.id)
    if folder.is_dir():
        return folder
    making = train / f".making-{seen.id}-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        for instrument in INSTRUMENTS:
            _write_frames(making / f"{instrument.name}_signal_0.parquet", seen, instrument)
            _write_calibration(
                making / f"{instrument.name}_calibration_0", seen.detectors[instrument.name]
            )
        making.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was quicker, with the same planet
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _write_frames(path: Path, seen: Observed, instrument: Instrument) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"column_{n}" for n in range(instrument.pixels)]
    schema = pa.schema([(name, pa.uint16()) for name in names])
    waiting: list[NDArray[np.uint16]] = []
    with pq.ParquetWriter(
        path,
        schema,
        compression="snappy",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,  # Arrow's own copy of 11392 columns is larger than the data
    ) as writer:

        def write() -> None:
            frames = np.concatenate(waiting).reshape(-1, instrument.pixels)
            columns = np.ascontiguousarray(frames.T)
            writer.write_table(pa.table(list(map(pa.array, columns)), schema=schema))
            waiting.clear()

        for counts in seen.counts(instrument):
            waiting.append(counts)
            if sum(map(len, waiting)) >= _ROW_GROUP:
                write()
        if waiting:
            write()


def _write_calibration(folder: Path, detector: Detector) -> None:
    folder.mkdir()
    for name in ("dark", "dead", "flat", "read"):
        _write_columns(folder / f"{name}.parquet", getattr(detector, name))
    columns = detector.linear.shape[-1]
    _write_columns(folder / "linear_corr.parquet", detector.linear.reshape(-1, columns))


def _write_columns(path: Path, values: NDArray[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({f"column_{n}": values[:, n] for n in range(values.shape[1])})
    pq.write_table(table, path, compression="snappy", write_statistics=False, store_schema=False)


def write_tables(root: Path, recipe: Recipe, planets: int) -> None:
    """Write the files of the whole data set, each whole or not at all; `train.csv` comes last.

    Args:
        root: The data set.
        recipe: How it looks.
        planets: How many it has.
    """
    drawn = [(planet_id(recipe.seed, n), draw(recipe.seed, n)) for n in range(planets)]
    labels = [f"wl_{n}" for n in range(1, len(wavelengths()) + 1)]
    _write_csv(root / "wavelengths.csv", labels, [wavelengths().tolist()])
    names = [f"{i.name}_adc_{part}" for i in (FGS1, AIRS) for part in ("offset", "gain")]
    _write_csv(root / "adc_info.csv", names, [[pixels.OFFSET, pixels.GAIN] * 2])
    _write_axis(root / "axis_info.parquet", recipe)
    stars = [[name, *_star_row(p)] for name, p in drawn]
    _write_csv(
        root / "star_info.csv",
        ["planet_id", "Rs", "Ms", "Ts", "Mp", "e", "P", "sma", "i"],
        stars,
    )
    truth = [[name, *_truth_row(p)] for name, p in drawn]
    more = [*(f"{m}_mixing" for m in MOLECULES), "temperature", "cloud_pressure", "mu", "radius"]
    _write_csv(root / "truth.csv", ["planet_id", *MOLECULES, *more], truth)
    depths = [[name, *physics.spectrum(p, wavelengths()).tolist()] for name, p in drawn]
    _write_csv(root / "train.csv", ["planet_id", *labels], depths)


def _star_row(planet: Planet) -> list[float]:
    star = [planet.star_radius, planet.star_mass, planet.star_temperature]
    return [*star, planet.mass, 0.0, planet.period, planet.sma, planet.inclination]


def _truth_row(planet: Planet) -> list[Any]:
    flags = [int(share > 0.0) for share in planet.mixing]
    more = [planet.temperature, planet.cloud_pressure, planet.mu, planet.radius]
    return [*flags, *planet.mixing, *more]


def _write_axis(path: Path, recipe: Recipe) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    times = {
        each.name: np.repeat(hours(recipe.of(each) // 2) + HOURS / 2.0, 2) for each in INSTRUMENTS
    }
    integration = np.tile(INTEGRATION[AIRS.name], recipe.frames // 2)
    columns = {
        f"{AIRS.name}-axis0-h": times[AIRS.name],
        f"{AIRS.name}-axis2-um": airs_axis(),
        f"{AIRS.name}-integration_time": integration,
        f"{FGS1.name}-axis0-h": times[FGS1.name],
    }
    longest = max(map(len, columns.values()))
    table = pa.table(
        {
            name: pa.concat_arrays(
                [pa.array(values, pa.float64()), pa.nulls(longest - len(values), pa.float64())]
            )
            for name, values in columns.items()
        }
    )
    part = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, part, compression="snappy")
    part.replace(path)


def _write_csv(path: Path, names: list[str], rows: list[list[Any]]) -> None:
    lines = [",".join(names), *(",".join(map(_text, row)) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def marker_text(recipe: Recipe) -> str:
    """Give what the file says that marks a folder as generated by this recipe."""
    return json.dumps({"made_by": "traindeck data make-spectra", "v": VERSION, **asdict(recipe)})
