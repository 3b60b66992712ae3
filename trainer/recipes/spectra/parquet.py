"""Reads parquet files: frames a few at a time, calibration frames and small tables whole."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError, Problem
from trainer.recipes.spectra.layout import Instrument, missing, odd

if TYPE_CHECKING:
    import pyarrow as pa


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
            raise odd(path, f"has {width} columns, not {instrument.rows} x {instrument.columns}.")
        if count < 2 or count % 2:
            raise odd(path, f"has {count} frames, which make no pairs.")
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
                raise odd(path, f"holds {values.dtype}, no numbers.")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise odd(path, "holds what is no finite number, or nothing at all.")
            yield values[:, order].reshape(-1, *wanted.shape)
    except (OSError, pa.ArrowException) as error:
        raise odd(path, f"is truncated or damaged: {_told(error)}") from error
    finally:
        file.close()


def calibration_frame(path: Path, rows: int, columns: int) -> NDArray[np.float64]:
    """Read a calibration file, of shape (rows, columns).

    Raises:
        Unreadable: The file is missing, truncated or of another shape.
    """
    import pyarrow as pa

    try:
        batches = table(path).combine_chunks().to_batches()
        values = np.concatenate([_matrix(batch) for batch in batches]) if batches else np.zeros(0)
    except pa.ArrowException as error:
        raise odd(path, f"holds what is no table of numbers: {_told(error)}") from error
    if values.size != rows * columns:
        shape = " x ".join(str(length) for length in values.shape)
        raise odd(path, f"is {shape}, not {rows} x {columns}.")
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
        raise missing(path) from error
    except (OSError, pa.ArrowException) as error:
        raise odd(path, f"is truncated or no parquet file: {_told(error)}") from error


def table(path: Path) -> pa.Table:
    """Read a small file whole.

    Raises:
        Unreadable: It is missing, truncated or no parquet file.
    """
    import pyarrow as pa

    with _open(path) as file:
        try:
            return file.read(use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise odd(path, f"is truncated or damaged: {_told(error)}") from error


def _told(error: Exception) -> str:
    """Give the first sentence of an error of Arrow's."""
    return " ".join(str(error).split())[:160]
