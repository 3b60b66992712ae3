"""`traindeck data make-spectra`: hands over to a process with numpy and pyarrow."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from trainer.errors import ConfigError, Problem
from trainer.runs.program import python

_MODULE = "trainer.recipes.spectra.make"


def make_spectra(
    *,
    out: Path,
    planets: int,
    seed: int,
    frames: int | None,
    fgs_frames: int | None,
    noise: float,
    jobs: int | None,
    as_json: bool,
) -> NoReturn:
    """Generate planets; see `traindeck data make-spectra --help`.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ConfigError(
            Problem(
                "spectra are parquet files, which need pyarrow; the base install leaves it out.",
                sys.executable,
                "Install it: pip install 'traindeck[spectra]'",
            )
        )
    # Ctrl-C and signals then reach the one process there is.
    words = [*python(Path.cwd()), "-m", _MODULE, f"--planets={planets}", f"--seed={seed}"]
    words += [f"--frames={frames}"] if frames is not None else []
    words += [f"--fgs-frames={fgs_frames}"] if fgs_frames is not None else []
    words += [f"--jobs={jobs}"] if jobs is not None else []
    words += ["--json"] if as_json else []
    words += [f"--noise={noise}", "--", str(out)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], words, {"OMP_NUM_THREADS": "1", **os.environ})
