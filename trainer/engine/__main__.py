"""`python -m trainer.engine RUN_FOLDER`: train in a run folder."""

from __future__ import annotations

import sys
from pathlib import Path

from trainer.engine.early import listen_early
from trainer.engine.output import keep_printing
from trainer.engine.requests import Requests
from trainer.engine.waiting import spin_briefly
from trainer.errors import EXIT_WRONG_INPUT


def main(argv: list[str]) -> int:
    """Train in the folder that `argv` names and give the process's exit code."""
    if len(argv) != 1:
        print("usage: python -m trainer.engine RUN_FOLDER", file=sys.stderr)
        return EXIT_WRONG_INPUT
    folder = Path(argv[0])
    # First of all: torch takes seconds to import, and a signal in them must not kill the run.
    requests = Requests()
    listen_early(requests, folder)
    spin_briefly()
    # Before anything keeps hold of the streams, as loggers do when they are made.
    keep_printing()
    from trainer.engine.fit import fit

    return fit(folder, requests)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
