"""`python -m screenshots`: draw the pictures anew; with `--record`, train the runs anew first."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from screenshots import record
from screenshots.render import studio
from screenshots.scenes import FILM, SCENES, film

HERE = Path(__file__).parent


def main() -> None:
    """Draw every picture into this folder."""
    parser = argparse.ArgumentParser(prog="python -m screenshots", description=__doc__)
    parser.add_argument("--record", action="store_true", help="train the runs anew (15 minutes)")
    parser.add_argument("--record-sweep", action="store_true", help="train the sweep anew")
    parser.add_argument("names", nargs="*", help="only these pictures")
    asked = parser.parse_args()
    if asked.record:
        record.main()
    if asked.record_sweep:
        record.record_sweep()
    for scene in SCENES:
        if not asked.names or scene.name in asked.names:
            with studio() as place:
                write(scene.name, asyncio.run(scene.draw(place)))
    if not asked.names or FILM in asked.names:
        with studio() as place:
            write(FILM, asyncio.run(film(place)))


def write(name: str, picture: str) -> None:
    """Keep one picture."""
    (HERE / f"{name}.svg").write_text(picture)
    print(f"screenshots/{name}.svg", flush=True)


if __name__ == "__main__":
    main()
