"""The folder of a sweep: what was planned, and what the runs of its trials say by now.

`runs/<date>/<time>-<name>-<id>/` holds `sweep.json`, written once; `control/` for requests to its
driver, `outputs/` for reports, `logs/`. How the trials fare is never written there: each trial's
run folder tells, and names the sweep as its parent, so nothing can disagree after a crash.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import Problem, RunError, nearest
from trainer.paths import at_home
from trainer.runs import proc
from trainer.runs.folders import new_id, shown_name, slug
from trainer.runs.layout import RunFolder, dumps, read_json
from trainer.runs.values import printable
from trainer.secrets import mask, mask_words
from trainer.sweeps.kinds import (
    MODES,
    PICTURES,
    PUBLISH,
    Goal,
    Mode,
    formats,
    known_or_first,
)
from trainer.sweeps.trial import Lowered, Trial
from trainer.sweeps.trials import Trials, TrialState

if TYPE_CHECKING:
    from trainer.sweeps.plan import Plan

__all__ = ["SWEEP_JSON", "Sweep", "TrialState", "create", "find", "list_sweeps"]

SWEEP_JSON = "sweep.json"
VERSION = 1
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TRIES = 100


@dataclass(frozen=True, slots=True)
class AxisRecord:
    """An axis as `sweep.json` keeps it.

    Attributes:
        key: What varies.
        values: Its values in order, plain.
    """

    key: str
    values: tuple[Any, ...]


class Sweep:
    """One sweep. Its plan never changes; `trials()` looks at the runs anew each time.

    Not for several threads at once.

    Args:
        path: The sweep's folder.
        record: What its `sweep.json` holds.
        metric: Compare by another metric than planned.
        goal: Which way that one is better; as planned if None.

    Attributes:
        path: The folder.
        id: Short id.
        name: Its name.
        created: Unix seconds.
        mode: How axes are combined.
        axes: What varies.
        overrides: The overrides of the baseline.
        seeds: Seeds that trials are repeated with; empty for the config's own.
        parallel: Trials at the same time, as planned.
        metric: What trials are compared by.
        goal: "min" or "max".
        warm_workers: Whether trials are forked from one process that has everything loaded.
        leaderboard: The formats that its leaderboard is written in; none of them switches it off.
        diagnostics: The formats that its plots are written in; none of them switches them off.
        publish: Which trials' models come to the folder of models.
        clamp: Whether each trial is lowered to what its hardware profile allows.
        tags: Tags of its runs.
        threads: Threads of each trial where its config names none.
        planned: The trials as planned.
        command: What the person typed.
        where: `config_file`, `profiles_dir` and `cwd` to compose with.
    """

    def __init__(
        self,
        path: Path,
        record: Mapping[str, Any],
        metric: str | None = None,
        goal: Goal | None = None,
    ) -> None:
        self.path = path
        self.id = printable(str(record["id"]))
        self.name = printable(str(record["name"]))
        self.created = float(record["created"])
        if not isfinite(self.created):
            raise ValueError("it was made at no time")
        self.mode: Mode = record["mode"]
        self.axes = tuple(
            AxisRecord(str(each["key"]), tuple(each["values"])) for each in record["axes"]
        )
        self.overrides = tuple(map(str, record["overrides"]))
        self.seeds = tuple(map(int, record["seeds"]))
        self.parallel = max(1, int(record["parallel"]))
        self.metric = metric or printable(str(record["metric"]))
        self.goal: Goal = goal or ("max" if record["goal"] == "max" else "min")
        self.warm_workers = record.get("warm_workers") is not False
        self.leaderboard = formats(record.get("leaderboard"))
        self.diagnostics = formats(record.get("diagnostics"), PICTURES)
        self.publish = known_or_first(record.get("publish"), PUBLISH)
        self.clamp = record.get("clamp") is True
        self.tags = tuple(map(str, record["tags"]))
        self.threads = max(1, int(record["threads"]))
        self.planned = tuple(_trial(each) for each in record["trials"])
        if [trial.number for trial in self.planned] != list(range(1, len(self.planned) + 1)):
            raise ValueError("its trials are not numbered one by one")
        self.command = tuple(map(str, record["command"]))
        self.where = {key: Path(value) if value else None for key, value in record["where"].items()}
        self._trials = Trials(path, self.id, self.planned, metric=self.metric, goal=self.goal)

    @classmethod
    def load(cls, path: Path | str, metric: str | None = None, goal: Goal | None = None) -> Sweep:
        """Read a sweep's folder.

        Args:
            path: The folder.
            metric: Compare by another metric than planned.
            goal: Which way that one is better; as planned if None.

        Raises:
            RunError: It holds no sweep that can be read.
        """
        folder = at_home(path).absolute()
        try:
            record = read_json(folder / SWEEP_JSON)
            if record.get("v") != VERSION or record.get("mode") not in MODES:
                raise ValueError(f"it is of version {record.get('v')}, and this reads {VERSION}")
            return cls(folder, record, metric, goal)
        except FileNotFoundError:
            raise RunError(Problem("there is no sweep", printable(str(folder)))) from None
        except OSError as error:
            reason = error.strerror or str(error)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = printable(f"{type(error).__name__}: {error}")
        raise RunError(Problem(f"{SWEEP_JSON} cannot be read ({reason})", printable(str(folder))))

    @property
    def runs_dir(self) -> Path:
        """The folder of runs, in which its trials lie as well."""
        return self.path.parent.parent

    @property
    def factors(self) -> list[str]:
        """The keys that vary, in order."""
        return [axis.key for axis in self.axes]

    @property
    def control(self) -> Path:
        """Requests to the driver."""
        return self.path / "control"

    @property
    def outputs(self) -> Path:
        """Leaderboard and diagnostics."""
        return self.path / "outputs"

    @property
    def driver_log(self) -> Path:
        """What a driver without a terminal prints."""
        return self.path / "logs" / "driver.log"

    @property
    def compose_in(self) -> dict[str, Any]:
        """Where its configs are composed, as arguments of `compose`."""
        return {**self.where, "clamp": self.clamp}

    def trials(self) -> list[TrialState]:
        """Tell how each trial fares now; cheap enough for every second."""
        return self._trials.look()


def create(
    plan: Plan,
    *,
    runs_dir: Path | str,
    name: str,
    tags: Sequence[str] = (),
    command: Sequence[str] = (),
) -> Sweep:
    """Make the folder of a sweep, whole from the first moment it can be seen; nothing is started.

    Args:
        plan: The plan, checked.
        runs_dir: The folder of runs.
        name: The sweep's name.
        tags: Tags of its runs.
        command: What the person typed; secrets in it are masked.

    Raises:
        RunError: The folder cannot be made, or an override holds a secret.
    """
    from trainer.runs.settled import usable_cores

    for trial in plan.trials:
        for text in trial.overrides:
            if mask(text) != text:
                raise RunError(
                    Problem(
                        "an override looks like a secret and would be written to sweep.json",
                        f"override {mask(text)}",
                        "Set it in the shell instead; the runs inherit the environment.",
                    )
                )
    where = {"config_file": None, "profiles_dir": None, **plan.where}
    where["cwd"] = where.get("cwd") or Path.cwd()
    record = {
        "v": VERSION,
        "name": shown_name(name),
        "created": time.time(),
        **plan.record(),
        "tags": [shown_name(tag) for tag in tags],
        # Settled here: sums must not depend on how many trials happen to run beside each other.
        "threads": max(1, usable_cores() // plan.parallel),
        "host": proc.host_name(),
        "where": {
            key: str(Path(value).absolute()) if value else None for key, value in where.items()
        },
        "command": mask_words(command),
        "trials": [asdict(trial) for trial in plan.trials],
    }
    try:
        return Sweep.load(_make(at_home(runs_dir).absolute(), record))
    except OSError as error:
        raise RunError(
            Problem(
                f"the sweep's folder could not be made in {runs_dir}: {error.strerror or error}",
                remedy="Check the disk and the rights, or choose another folder (--runs-dir).",
            )
        ) from error


def _make(runs_dir: Path, record: dict[str, Any]) -> Path:
    local = time.localtime(record["created"])
    day = runs_dir / time.strftime("%Y-%m-%d", local)
    day.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES):
        sweep_id = new_id()
        final = day / f"{time.strftime('%H-%M-%S', local)}-{slug(record['name'])}-{sweep_id}"
        hidden = day / f".making-{sweep_id}-{os.getpid()}"
        try:
            hidden.mkdir()
            for part in ("control", "outputs", "logs"):
                (hidden / part).mkdir()
            text = dumps({"id": sweep_id, **record}) + "\n"
            (hidden / SWEEP_JSON).write_text(text, encoding="utf-8")
            hidden.rename(final)
        except OSError:
            shutil.rmtree(hidden, ignore_errors=True)
            if final.exists() or hidden.exists():
                continue
            raise
        return final
    raise FileExistsError(f"no free folder name in {day}")


def list_sweeps(runs_dir: Path | str) -> list[Path]:
    """List the folders of sweeps, newest first."""
    root = at_home(runs_dir).absolute()
    found: list[tuple[str, str, int, Path]] = []
    for day in _names(root):
        for name in _names(root / day) if _DATE.fullmatch(day) else ():
            # Runs are many and sweeps few: one look at each folder, and no file is opened.
            path = root / day / name
            try:
                stamp = (path / SWEEP_JSON).stat().st_mtime_ns
            except OSError:
                continue
            # Names tell the second, and time stamps those within one.
            found.append((day, name[:8], stamp, path))
    return [path for *_, path in sorted(found, reverse=True)]


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []


def find(runs_dir: Path | str, key: str | os.PathLike[str]) -> Sweep:
    """Find a sweep by what a person calls it.

    Args:
        runs_dir: The folder of runs.
        key: "last" for the newest, an id, the beginning of one, a name, or a path.

    Raises:
        RunError: There is none, it cannot be read, or the beginning fits several.
    """
    text = os.fspath(key)
    if not text or "\0" in text:
        raise RunError("no sweep is named")
    if "/" in text or text in (".", ".."):
        return Sweep.load(text)
    folders = list_sweeps(runs_dir)
    if text == "last" and folders:
        return Sweep.load(folders[0])
    ids = {folder: folder.name.rpartition("-")[2] for folder in folders}
    begun = [folder for folder in folders if ids[folder].startswith(text)]
    for folder in folders:
        if text in (ids[folder], folder.name):
            return Sweep.load(folder)
    for folder in folders:
        if re.fullmatch(rf"\d\d-\d\d-\d\d-{re.escape(slug(text))}-\w+", folder.name):
            return Sweep.load(folder)
    if len(begun) == 1:
        return Sweep.load(begun[0])
    if begun:
        names = ", ".join(folder.name for folder in begun[:5])
        raise RunError(
            Problem(
                f"'{printable(text)}' fits {len(begun)} sweeps: {names}",
                remedy="Write more of the id.",
            )
        )
    known = [*ids.values()]
    raise RunError(
        Problem(
            f"there is no sweep '{printable(text[:100])}' in {runs_dir}",
            remedy=nearest(text[:100], known) or "`traindeck ablate --list` lists them.",
        )
    )


def run_folder(state: TrialState) -> RunFolder | None:
    """Give the run folder of a trial; None if it has not begun."""
    return None if state.run is None else RunFolder(state.run)


def _trial(record: Mapping[str, Any]) -> Trial:
    seed = record["seed"]
    return Trial(
        number=int(record["number"]),
        name=printable(str(record["name"])),
        overrides=tuple(str(text) for text in record["overrides"]),
        factors=dict(record["factors"]),
        seed=None if seed is None else int(seed),
        config_hash=str(record.get("config_hash") or ""),
        clamped=tuple(_lowered(each) for each in record.get("clamped") or ()),
        stands_for=tuple(dict(each) for each in record.get("stands_for") or ()),
    )


def _lowered(record: Mapping[str, Any]) -> Lowered:
    key, why = printable(str(record["key"])), printable(str(record["why"]))
    return Lowered(key, record["old"], record["new"], why)
