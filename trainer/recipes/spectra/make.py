"""Writes data sets of generated planets: `python -m trainer.recipes.spectra.make`.

`traindeck data make-spectra` starts it as a process of its own, since it needs numpy and pyarrow.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    ConfigError,
    Problem,
    TraindeckError,
)
from trainer.events.text import clean
from trainer.recipes.spectra.layout import AIRS, FGS1
from trainer.recipes.spectra.parquet import need_parquet

if TYPE_CHECKING:
    from trainer.recipes.spectra.generate import Recipe

#: Marks a folder as one of ours and says how it was made.
MARKER = "generated.json"
#: Far above what hides every transit; beyond it numbers overflow.
MOST_NOISE = 1000.0
#: Megabytes of a planet besides its frames, and of a frame of each instrument, about.
_SIZE, _AIRS_SIZE, _FGS_SIZE = 1.9, 0.0212, 0.0017


def make(
    root: Path,
    planets: int,
    *,
    seed: int = 0,
    frames: int | None = None,
    fgs_frames: int | None = None,
    noise: float = 1.0,
    jobs: int = 1,
    told: Callable[[int, int], None] | None = None,
) -> int:
    """Write a data set of generated planets, or what is missing of it.

    A planet depends on the seed, its number and the frames alone. So a data set can be enlarged,
    and one that was interrupted is finished by the same call.

    Args:
        root: A folder that is new, empty or was made by this.
        planets: How many it shall have; it never loses any.
        seed: Of all planets.
        frames: Frames of AIRS-CH0, even; a default if None.
        fgs_frames: Frames of FGS1, even; twice as many as of AIRS-CH0 if None, and the challenge's
            135000 for the challenge's 11250.
        noise: Factor of all noise; 0 is none.
        jobs: Planets that are written side by side.
        told: Called with the planets done and all planets, at the start and after each.

    Returns:
        Planets that were written now.

    Raises:
        ConfigError: The folder holds something else, or planets of other settings; pyarrow lacks;
            or the disk refuses.
    """
    need_parquet()
    recipe = _recipe(seed, frames, fgs_frames, noise, planets)
    from trainer.recipes.spectra.generate import planet_id
    from trainer.recipes.spectra.write import marker_text, write_tables

    _check_place(root)
    try:
        train = root / "train"
        train.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            _check_marker(root, marker_text(recipe))
            have = {path.name for path in train.iterdir()}
            _sweep(train, have)
            wanted = range(planets)
            missing = [n for n in wanted if str(planet_id(seed, n)) not in have]
            done = planets - len(missing)
            _need_space(root, len(missing), recipe.frames, recipe.fgs_frames)
            if told is not None:
                told(done, planets)
            for _ in _written(train, recipe, missing, jobs):
                done += 1
                if told is not None:
                    told(done, planets)
            count = _contiguous(train, seed, planets)
            write_tables(root, recipe, count)
    except OSError as error:
        where = str(error.filename or root)
        raise ConfigError(
            Problem(f"cannot be written: {error.strerror or error}", where)
        ) from error
    return len(missing)


def _recipe(
    seed: int, frames: int | None, fgs_frames: int | None, noise: float, planets: int
) -> Recipe:
    from trainer.recipes.spectra.generate import Recipe

    airs = Recipe().frames if frames is None else frames
    fgs = fgs_frames
    if fgs is None:
        fgs = FGS1.frames if airs == AIRS.frames else 2 * airs
    problems = []
    for value, name in ((airs, "frames"), (fgs, "fgs-frames")):
        if value < 16 or value % 2:
            problems.append(
                Problem(
                    f"{value} frames make no light curve.",
                    f"--{name}",
                    "Give an even number from 16 on.",
                )
            )
    if planets < 1:
        problems.append(Problem(f"{planets} planets are none.", "--planets"))
    if seed < 0:
        problems.append(Problem(f"the seed {seed} is negative.", "--seed"))
    if not 0 <= noise <= MOST_NOISE:  # neither is NaN
        problems.append(
            Problem(f"noise of {noise:g} is none.", "--noise", f"Give 0 to {MOST_NOISE:g}.")
        )
    if problems:
        raise ConfigError(*problems)
    return Recipe(seed, airs, fgs, noise)


def _check_place(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise ConfigError(Problem("it is a file.", str(root), "Name a folder."))
    if root.is_dir() and not (root / MARKER).is_file():
        strange = sorted(path.name for path in root.iterdir() if not _begun(path.name))
        train = root / "train"
        if train.is_dir():
            strange += sorted(path.name for path in train.iterdir())
        # Another trial of the same sweep may have begun to make them meanwhile.
        if strange and not (root / MARKER).is_file():
            listed = ", ".join(strange[:3]) + (" …" if strange[3:] else "")
            raise ConfigError(
                Problem(
                    f"the folder holds what was not generated: {listed}.",
                    str(root),
                    "Name a new or empty folder; nothing is ever overwritten.",
                )
            )


def _begun(name: str) -> bool:
    """Tell whether a file or folder is what making begins with, before it marks the place as its own."""
    return name in ("train", LOCK) or name.startswith(f".{MARKER}.")


def _check_marker(root: Path, text: str) -> None:
    from trainer.recipes.spectra.write import write_text

    marker = root / MARKER
    try:
        there = marker.read_text(encoding="utf-8")
    except FileNotFoundError:
        write_text(marker, text)
        return
    if there.strip() != text:
        raise ConfigError(
            Problem(
                f"the folder holds planets of other settings: {_differing(there, text)}",
                str(root),
                "Name another folder, or give the same seed, frames and noise.",
            )
        )


def _differing(there: str, asked: str) -> str:
    """Say in which settings two markers differ: `frames 96, not 32`."""
    try:
        has, wants = json.loads(there), json.loads(asked)
        found = [f"{name} {has.get(name)}, not {wants[name]}" for name in wants
                 if has.get(name) != wants[name]]  # fmt: skip
    except (ValueError, AttributeError):
        found = []
    return "; ".join(found) or " ".join(there.split())[:300]


LOCK = ".lock"


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Let one process at a time write into a data set; the others wait and find it finished."""
    with (root / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(train: Path, names: set[str]) -> None:
    """Remove what an interrupted process left; nobody else writes here now."""
    for name in names:
        if name.startswith(".making-"):
            shutil.rmtree(train / name, ignore_errors=True)


def _contiguous(train: Path, seed: int, least: int) -> int:
    """Count the planets from number 0 on that are there: a larger data set stays as it is."""
    from trainer.recipes.spectra.generate import planet_id

    count = least
    while (train / str(planet_id(seed, count))).is_dir():
        count += 1
    return count


def _written(train: Path, recipe: Recipe, missing: Sequence[int], jobs: int) -> Iterator[int]:
    from trainer.recipes.spectra.write import write_planet

    if jobs <= 1 or len(missing) < 2:
        for number in missing:
            write_planet(train, recipe, number)
            yield number
        return
    # Threads, for numpy and Arrow let go of the interpreter, and there is nobody to outlive us.
    with ThreadPoolExecutor(min(jobs, len(missing))) as pool:
        waiting = {pool.submit(write_planet, train, recipe, n): n for n in missing}
        try:
            while waiting:
                for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done.result()
                    yield waiting.pop(done)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _usual_jobs(planets: int) -> int:
    """Give how many planets are made side by side where nobody says."""
    return min(4, os.cpu_count() or 1, planets)


class Progress:
    """A line that counts planets: in place on a terminal, a line now and then elsewhere.

    Args:
        what: What it counts for.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = self._said = time.monotonic()
        self._first: int | None = None
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, planets: int) -> None:
        """Tell how many are done."""
        now = time.monotonic()
        if self._first is None:
            self._first = done
        text = f"{self._what}: {done} of {planets} planets"
        if (made := done - self._first) and done < planets:
            text += f", about {(now - self._began) / made * (planets - done):.0f} s left"
        if self._live:
            sys.stderr.write(f"\r{text}\x1b[K" + ("\n" if done == planets else ""))
            sys.stderr.flush()
        elif now - self._said >= 5.0:
            self._said = now
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def _need_space(root: Path, planets: int, frames: int, fgs_frames: int) -> None:
    size = planets * (_SIZE + frames * _AIRS_SIZE + fgs_frames * _FGS_SIZE) * 1e6
    free = shutil.disk_usage(root).free
    if size > free:
        raise ConfigError(
            Problem(
                f"{planets} planets take about {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.",
                str(root),
                "Make fewer planets, or give them fewer frames.",
            )
        )


def main(words: Sequence[str] | None = None) -> int:
    """Write a data set as the command line says, and tell how far it is."""
    parser = argparse.ArgumentParser(prog="traindeck data make-spectra", add_help=False)
    parser.add_argument("root", type=Path)
    parser.add_argument("--planets", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--fgs-frames", type=int)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    root: Path = options.root
    began = time.monotonic()
    try:
        made = make(
            root,
            options.planets,
            seed=options.seed,
            frames=options.frames,
            fgs_frames=options.fgs_frames,
            noise=options.noise,
            jobs=options.jobs or _usual_jobs(options.planets),
            told=Progress("made"),
        )
    except TraindeckError as error:
        for problem in error.problems:
            sys.stderr.write(f"traindeck: {clean(str(problem))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; the same command goes on with what is missing\n")
        return EXIT_INTERRUPTED
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) / 1e6
    spent = time.monotonic() - began
    if options.json:
        row = {"path": str(root), "planets": options.planets, "new": made}
        print(json.dumps({**row, "bytes": int(size * 1e6), "seconds": round(spent, 3)}))
    else:
        new = f"{options.planets} planets, {made} of them new"
        print(f"{clean(str(root))}: {new}; {size:.0f} MB, {spent:.0f} s")
    return EXIT_OK


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
