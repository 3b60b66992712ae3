"""`python -m trainer.engine RUN_FOLDER`: train in a run folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from trainer.engine.output import keep_printing
from trainer.errors import EXIT_WRONG_INPUT


def main(argv: list[str]) -> int:
    """Train in the folder that `argv` names and give the process's exit code."""
    if len(argv) != 1:
        print("usage: python -m trainer.engine RUN_FOLDER", file=sys.stderr)
        return EXIT_WRONG_INPUT
    _spin_briefly()
    # Before anything keeps hold of the streams, as loggers do when they are made.
    keep_printing()
    from trainer.engine.fit import fit

    return fit(Path(argv[0]))


def _spin_briefly() -> None:
    """Let OpenMP's threads sleep soon while they wait for each other; to be set before torch.

    By default they spin for milliseconds. On a machine of few cores that does anything else
    besides, they spin in the way of the thread that they wait for: steps of a small model took 2 to
    10 times as long. A few thousand turns cost nothing to speak of on idle cores, where sleeping
    at once (`OMP_WAIT_POLICY=PASSIVE`) made the same steps a third slower. What a person has set
    stands.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
