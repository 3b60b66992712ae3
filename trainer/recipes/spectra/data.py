"""Light curves of planets and the spectra behind them, read from the challenge's files or generated."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import ConfigError, Problem
from trainer.paths import at_home
from trainer.recipes.spectra import layout, parquet, tables
from trainer.recipes.spectra.bands import BANDS, FGS, WAVELENGTHS
from trainer.recipes.spectra.cache import Curves, cache_home
from trainer.recipes.spectra.calibrate import Settings
from trainer.recipes.spectra.layout import Observation, Unreadable, missing
from trainer.recipes.spectra.samples import Transits
from trainer.recipes.spectra.tables import Tables
from trainer.recipes.split import split_by_digest

__all__ = ["SpectraData", "Transits"]

#: Files with problems that one message lists.
_LISTED = 20
_SKIP = "data.skip_bad=true leaves such planets out."


class SpectraData:
    """Planets as samples, split by planet into training and validation.

    A planet's side depends on its id and `seed` alone. Each observation is a sample; all of one
    planet are on the same side. Light curves are calibrated once, kept in a cache on disk and read
    from there sample by sample, so that memory does not grow with the data.

    A sample is a dict of tensors: `airs` (time_bins, 282) and `fgs` (time_bins, 1), light beside
    that out of transit; `star` (8,), see `star_features`; `target` (283,), the depths (Rp/Rs)² in
    the order of `wavelengths.csv`: index 0 is FGS1, 1 to 282 are AIRS-CH0; `molecules` (5,), 1 or 0
    where a generated planet has the molecule of `bands.BANDS` or not, -1 where nobody knows;
    `planet_id`, an int64.

    Args:
        root: A folder in the layout of the Ariel Data Challenge; None generates planets, kept in
            the cache and made when they are first needed.
        planets: How many are generated.
        generator_seed: Of the generated planets.
        frames: Frames of AIRS-CH0 of a generated observation, even.
        fgs_frames: Frames of FGS1; None means twice as many.
        val_fraction: Share of the planets that is kept for validation.
        seed: Of the split.
        max_items: Use only so many planets, of both sides, at least 2; None uses all.
        time_bins: Points of a light curve.
        aperture: Rows around the middle of the frames that are summed.
        hot_sigma: A pixel is hot whose dark current lies so many standard deviations off.
        linearity: Whether calibration corrects non-linearity.
        dark: Whether it takes off the dark current.
        flat: Whether it divides by the flat field.
        skip_bad: Leave out planets whose files are missing or damaged, instead of ending.
        jobs: Threads that calibrate; None takes as many as there are CPUs, 8 at most.
        cache_dir: Where curves and generated planets are kept; None means the XDG cache folder.

    Raises:
        ConfigError: A value is out of bounds, or pyarrow is not installed.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        planets: int = 64,
        generator_seed: int = 0,
        frames: int = 96,
        fgs_frames: int | None = None,
        val_fraction: float = 0.2,
        seed: int = 0,
        max_items: int | None = None,
        time_bins: int = 48,
        aperture: int = 16,
        hot_sigma: float = 5.0,
        linearity: bool = True,
        dark: bool = True,
        flat: bool = True,
        skip_bad: bool = False,
        jobs: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        least = {
            "planets": (planets, 2),
            "generator_seed": (generator_seed, 0),
            "max_items": (max_items, 2),
            "time_bins": (time_bins, 8),
            "aperture": (aperture, 1),
            "jobs": (jobs, 1),
        }
        problems = [
            Problem(f"`{name}` must be at least {bound}, not {value}.", key=f"data.{name}")
            for name, (value, bound) in least.items()
            if value is not None and value < bound
        ]
        if not 0.0 < val_fraction < 1.0:
            problems.append(
                Problem("`val_fraction` must lie between 0 and 1.", key="data.val_fraction")
            )
        if not hot_sigma > 0.0:
            problems.append(Problem("`hot_sigma` must be above 0.", key="data.hot_sigma"))
        if problems:
            raise ConfigError(*problems)
        parquet.need_parquet()
        self.root = at_home(root) if root else None
        self.planets, self.generator_seed = planets, generator_seed
        self.frames, self.fgs_frames = frames, fgs_frames
        self.val_fraction, self.seed, self.max_items = val_fraction, seed, max_items
        self.settings = Settings(time_bins, aperture, hot_sigma, linearity, dark, flat)
        self.skip_bad = skip_bad
        self.jobs = jobs or min(8, os.cpu_count() or 1)
        #: Told what takes its time; the engine puts its own in this place.
        self.say: Callable[[str], Any] = _print
        self.cache = at_home(cache_dir) if cache_dir else cache_home()

    def prepare(self) -> None:
        """Generate planets where none are given, and calibrate what has not been; once a machine.

        Raises:
            ConfigError: Files are missing, truncated or odd; names each.
        """
        _ = self._sides

    def train_dataset(self) -> Transits:
        """Give the training samples."""
        return self._dataset(self._sides[0])

    def val_dataset(self) -> Transits:
        """Give the validation samples."""
        return self._dataset(self._sides[1])

    def example_batch(self, size: int) -> dict[str, Tensor]:
        """Give a batch of the class's shapes: light curves without a transit."""
        bins = self.settings.time_bins
        return {
            "airs": torch.ones(size, bins, WAVELENGTHS - FGS),
            "fgs": torch.ones(size, bins, FGS),
            "star": torch.zeros(size, len(layout.STAR_COLUMNS)),
            "target": torch.full((size, WAVELENGTHS), 0.01),
            "molecules": torch.full((size, len(BANDS)), -1.0),
            "planet_id": torch.zeros(size, dtype=torch.int64),
        }

    def planet_ids(self) -> tuple[list[int], list[int]]:
        """Give the ids of the planets of training and of validation."""
        train, val = self._sides
        return _ids(train), _ids(val)

    @property
    def wavelengths(self) -> NDArray[np.float64]:
        """The bins' wavelengths, µm, of shape (283,)."""
        return self._tables.wavelengths

    @property
    def naive_mean(self) -> float:
        """Mean of the training planets' depths, over planets and wavelengths."""
        return float(self._train_targets.mean())

    @property
    def naive_sigma(self) -> float:
        """Standard deviation of the training planets' depths, over planets and wavelengths."""
        return float(self._train_targets.std())

    @property
    def naive_spectrum(self) -> NDArray[np.float64]:
        """Mean spectrum of the training planets, of shape (283,): what a constant answer gives."""
        return np.asarray(self._train_targets.mean(0))

    @cached_property
    def _train_targets(self) -> NDArray[np.float64]:
        ids = _ids(self._sides[0])
        return np.stack([self._tables.targets[planet] for planet in ids]).astype(np.float64)

    @cached_property
    def _place(self) -> Path:
        if self.root is not None:
            return self.root
        from trainer.recipes.spectra.generate import VERSION
        from trainer.recipes.spectra.make import make

        fgs = self.fgs_frames or 2 * self.frames

        name = f"planets-v{VERSION}-seed{self.generator_seed}-{self.frames}x{fgs}"
        place = self.cache / "generated" / name
        count = self._generated
        counted: _Counted | None = None

        def tell(done: int, planets: int) -> None:
            nonlocal counted
            if counted is not None:
                counted(done)
            elif done < planets:
                self.say(f"data.root is not set: generating {planets - done} planets in {place}")
                counted = _Counted("generated", "planets", planets, self.say)

        make(
            place,
            count,
            seed=self.generator_seed,
            frames=self.frames,
            fgs_frames=fgs,
            jobs=min(self.jobs, 4),
            told=tell,
        )
        return place

    @property
    def _generated(self) -> int:
        return self.planets if self.max_items is None else min(self.planets, self.max_items)

    @cached_property
    def _tables(self) -> Tables:
        return tables.read(self._place)

    @cached_property
    def _curves(self) -> Curves:
        return Curves(self.cache / "curves", self._tables, self.settings)

    @cached_property
    def _sides(self) -> tuple[list[Observation], list[Observation]]:
        found = self._observations()
        while True:
            train, val = self._split(_ids(found))
            chosen = {*train, *val}
            problems = self._calibrate([seen for seen in found if seen.planet in chosen])
            if not problems:
                break
            if not self.skip_bad:
                raise ConfigError(*_listed([p for many in problems.values() for p in many]))
            for planet, many in sorted(problems.items()):
                self.say(f"planet {planet} is left out: {many[0]}")
            found = [seen for seen in found if seen.planet not in problems]
            if len(_ids(found)) < 2:
                raise ConfigError(*_none_left(problems, len(_ids(found))))
        return (
            [seen for seen in found if seen.planet in set(train)],
            [seen for seen in found if seen.planet in set(val)],
        )

    def _observations(self) -> list[Observation]:
        """Give the observations that may be used: of generated planets, of the first ones."""
        found = layout.observations(self._place)
        if self.root is None:
            from trainer.recipes.spectra.generate import planet_id

            wanted = {planet_id(self.generator_seed, n) for n in range(self._generated)}
            return [seen for seen in found if seen.planet in wanted]
        missing = set(self._tables.targets) - {seen.planet for seen in found}
        if found and missing:
            self.say(f"{len(missing)} planets of train.csv have no folder in {self._place}")
        return found

    def _split(self, ids: Sequence[int]) -> tuple[list[int], list[int]]:
        if len(ids) < 2:
            count = "no planet" if not ids else "1 planet"
            raise ConfigError(
                Problem(
                    f"{count} found in {self._place}, too few for training and validation.",
                    remedy="Folders named by planet ids are expected there, or in its folder train/.",
                    key="data.root",
                )
            )
        digests = {planet: self._digest(planet) for planet in ids}
        return split_by_digest(digests, self.val_fraction, self.max_items)

    def _digest(self, planet: int) -> bytes:
        return hashlib.blake2b(f"{self.seed} {planet}".encode()).digest()[:16]

    def _calibrate(self, wanted: Sequence[Observation]) -> dict[int, list[Problem]]:
        """Put into the cache what is not there; give the problems of each planet that has some."""
        problems: dict[int, list[Problem]] = {}
        missing = []
        for seen in wanted:
            try:
                self._check_tables(seen)
                if not self._curves.have(seen):
                    missing.append(seen)
            except Unreadable as error:
                problems.setdefault(seen.planet, []).extend(_gone(seen) or [error.problem])
        if missing:
            wait = "another process calibrates; its light curves will be used"
            with self._curves.alone(lambda: self.say(wait)):
                self._fill([seen for seen in missing if not self._curves.have(seen)], problems)
        return problems

    def _fill(self, missing: Sequence[Observation], problems: dict[int, list[Problem]]) -> None:
        """Calibrate these, and add the problems of each planet that has some."""
        if not missing:
            return

        def calibrate(seen: Observation) -> Problem | None:
            try:
                self._curves.get(seen)
            except Unreadable as error:
                return error.problem
            return None

        kept = f"the light curves are kept in {self.cache}"
        self.say(f"calibrating {len(missing)} observations; {kept}")
        tell = _Counted("calibrated", "observations", len(missing), self.say)
        with ThreadPoolExecutor(min(self.jobs, len(missing))) as pool:
            found = pool.map(calibrate, missing)
            for done, (seen, problem) in enumerate(zip(missing, found, strict=True), 1):
                tell(done)
                if problem is not None:
                    problems.setdefault(seen.planet, []).append(problem)

    def _check_tables(self, seen: Observation) -> None:
        for table, name in (
            (self._tables.targets, "train.csv"),
            (self._tables.stars, "star_info.csv"),
        ):
            if table and seen.planet not in table:
                what = f"planet {seen.planet} has no row in {name}."
                raise Unreadable(Problem(what, str(seen.folder), key="data.root"))

    def _dataset(self, side: list[Observation]) -> Transits:
        return Transits(side, self._curves)


def _ids(seen: Sequence[Observation]) -> list[int]:
    return sorted({each.planet for each in seen})


def _gone(seen: Observation) -> list[Problem]:
    return [missing(path).problem for path in seen.inputs() if not path.is_file()]


def _none_left(problems: Mapping[int, Sequence[Problem]], left: int) -> list[Problem]:
    """Say that too many planets were left out, and why the last ones were."""
    why = _listed([problem for many in problems.values() for problem in many], hint=False)
    rest = "no planet is" if not left else "1 planet is"
    what = f"{rest} left for training and validation; data.skip_bad has left out the others."
    return [Problem(what, key="data.skip_bad"), *why]


def _listed(problems: Sequence[Problem], *, hint: bool = True) -> list[Problem]:
    """Keep a message readable: the first problems, and how many more there are."""
    kept = list(problems[:_LISTED])
    if more := len(problems) - len(kept):
        kept.append(
            Problem(
                f"{more} more files have problems.",
                remedy=_SKIP if hint else "",
                key="data.skip_bad",
            )
        )
    elif kept and hint:
        last = kept[-1]
        kept[-1] = Problem(last.what, last.where, f"{last.remedy} {_SKIP}".strip(), last.key)
    return kept


def _print(text: str) -> None:
    print(text, flush=True)


class _Counted:
    """Tells every few seconds how many of them are done.

    Args:
        done: What is done to them.
        them: What they are.
        total: How many there are.
        say: Who is told.
    """

    def __init__(self, done: str, them: str, total: int, say: Callable[[str], Any]) -> None:
        self._done, self._them, self._total, self._say = done, them, total, say
        self._said = time.monotonic()

    def __call__(self, count: int) -> None:
        """Take note that so many are done."""
        if time.monotonic() - self._said >= 5.0 and count < self._total:
            self._said = time.monotonic()
            self._say(f"{self._done} {count} of {self._total} {self._them}")
