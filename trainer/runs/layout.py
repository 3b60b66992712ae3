"""Where everything lies in a run folder, and how small files in it are read and replaced.

Standard library only: the supervisor and the training process both stand on this module.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

RUN_JSON = "run.json"
STATUS = "status.json"
TRAINER_STATUS = "status.trainer.json"
HASH_SUMMARY = "run_hash_summary.json"
DEBUG_LOG = "debug_log.md"
ENVIRONMENT = "environment.json"
ENVIRONMENT_SEEN = "environment.trainer.json"
REQUIREMENTS = "requirements.lock"
CODE_PATCH = "code.patch"
# No file that we write comes near this; a larger one is not ours and is not worth the memory.
MAX_JSON_BYTES = 8 * 1024 * 1024

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_counter = count()


@dataclass(frozen=True)
class RunFolder:
    """The paths inside one run folder; making one touches no file.

    Attributes:
        path: The folder itself. Anything path-like is accepted and kept as given.
    """

    path: Path
    _names: dict[str, str] = field(default_factory=dict, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def run_json(self) -> Path:
        """Identity: id, name, tags, command, limits."""
        return self.path / RUN_JSON

    @property
    def config(self) -> Path:
        """The fully resolved config; the training process reads only this."""
        return self.path / "config.yaml"

    @property
    def overrides(self) -> Path:
        """What the person asked for, in order."""
        return self.path / "overrides.yaml"

    @property
    def provenance(self) -> Path:
        """Key to the file or override that set it."""
        return self.path / "provenance.json"

    @property
    def hash_summary(self) -> Path:
        """Hashes of config, code, environment and data; the name comes from `run.hash_file`."""
        return self.path / self._named("hash_summary", HASH_SUMMARY)

    @property
    def environment(self) -> Path:
        """What the launcher found installed, on which machine."""
        return self.path / ENVIRONMENT

    @property
    def environment_seen(self) -> Path:
        """What the training process found, for each of its attempts."""
        return self.path / ENVIRONMENT_SEEN

    @property
    def requirements(self) -> Path:
        """The versions of all packages, for pip."""
        return self.path / REQUIREMENTS

    @property
    def code_patch(self) -> Path:
        """What the project's code had that its commit has not."""
        return self.path / CODE_PATCH

    @property
    def command(self) -> Path:
        """A script that runs this again by hand."""
        return self.path / "command.sh"

    @property
    def status(self) -> Path:
        """State and heartbeat, by the supervisor."""
        return self.path / STATUS

    @property
    def trainer_status(self) -> Path:
        """State, heartbeat and progress, by the training process."""
        return self.path / TRAINER_STATUS

    @property
    def lock(self) -> Path:
        """Held by whoever supervises the run."""
        return self.path / ".lock"

    @property
    def logs(self) -> Path:
        """Events, output and the logs of other tools."""
        return self.path / "logs"

    @property
    def events(self) -> Path:
        """The stream of events."""
        return self.logs / "events.jsonl"

    @property
    def debug_log(self) -> Path:
        """The log for people; the name comes from `run.debug_log`."""
        return self.logs / self._named("debug_log", DEBUG_LOG)

    @property
    def output(self) -> Path:
        """Standard output and error of the training process."""
        return self.logs / "output.log"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, unless `trainer.ckpt_dir` sends them elsewhere."""
        return self.path / "checkpoints"

    @property
    def outputs(self) -> Path:
        """What the recipe makes."""
        return self.path / "outputs"

    @property
    def control(self) -> Path:
        """Requests to the run."""
        return self.path / "control"

    def identity(self) -> dict[str, Any]:
        """Read `run.json`; an empty dict if it is missing or not readable as such."""
        return read_json_or_empty(self.run_json)

    @property
    def id(self) -> str:
        """The run's short id; the folder's name if `run.json` cannot tell."""
        recorded = self.identity().get("id")
        return recorded if isinstance(recorded, str) and recorded else self.path.name

    def called(self, run_id: str = "") -> str:
        """Give what a command typed here calls this run by.

        Args:
            run_id: Its id where it is known; read from the folder if empty.

        Returns:
            The id, with `--runs-dir` where the run does not lie in the usual folder of runs; the
            path of a run folder that lies anywhere else.
        """
        from shlex import quote

        own = self.path.resolve()
        if not _DATE.fullmatch(own.parent.name):
            return quote(_short(own))
        name, runs_dir = quote(run_id or self.id), own.parent.parent
        return " ".join([name, *map(quote, runs_dir_words(runs_dir))])

    def _named(self, what: str, default: str) -> str:
        """Give a file name that the config may choose, as `run.json` recorded it."""
        if not self._names:
            files = self.identity().get("files")
            if isinstance(files, dict):
                self._names.update({k: v for k, v in files.items() if _is_plain_name(v)})
            self._names.setdefault("", "")
        return self._names.get(what, default)


def runs_dir_words(runs_dir: Path, cwd: Path | None = None) -> list[str]:
    """Give the option that a command needs to use a folder of runs; none for the usual one.

    Args:
        runs_dir: The folder; relative to `cwd`.
        cwd: Where the command is typed; the present folder if None.
    """
    here = Path.cwd() if cwd is None else cwd.absolute()
    usual = here / (os.environ.get("TRAINDECK_RUNS_DIR") or "runs")
    if (here / runs_dir).resolve() == usual.resolve():
        return []
    return ["--runs-dir", _short(here / runs_dir, here)]


def _short(path: Path, here: Path | None = None) -> str:
    return min(os.path.relpath(path, here), str(path), key=len)


def _is_plain_name(value: object) -> TypeGuard[str]:
    """Tell whether a recorded name stays inside its folder."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 255
        and "/" not in value
        and "\0" not in value
        and value not in (".", "..")
    )


def open_regular(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file in a run folder, whoever has made that; a FIFO must not hang us.

    Args:
        path: The file.
        flags: As for `os.open`.

    Returns:
        The descriptor.

    Raises:
        OSError: The file cannot be opened, or is no regular one.
    """
    odd = OSError(errno.EINVAL, "not a regular file", str(path))
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        # How a FIFO that nobody reads says that it cannot be written to.
        raise odd if error.errno == errno.ENXIO else error from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise odd
    # Who inherits it must not be told to come back later.
    os.set_blocking(descriptor, True)
    return descriptor


def open_output(run: RunFolder) -> BinaryIO:
    """Open the file for what the processes of a run print, to append to it.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    file = os.fdopen(open_regular(run.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")
    file.seek(0, os.SEEK_END)
    return file


def read_json(path: Path | str, *, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a small JSON object from a regular file.

    Raises:
        OSError: The file is missing or unreadable.
        ValueError: It is no regular file, too large, or holds no JSON object.
    """
    # O_NONBLOCK: a FIFO lying under that name must not hang the reader.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise ValueError(f"{path} is not a regular file")
        if info.st_size > limit:
            raise ValueError(f"{path} has {info.st_size} bytes, more than {limit}")
        # Files are replaced, not extended: the size seen is the size there is.
        data = os.read(descriptor, info.st_size + 1)
    finally:
        os.close(descriptor)
    try:
        value = json.loads(data.decode())
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object")
    return value


def read_json_or_empty(path: Path) -> dict[str, Any]:
    """Read a small JSON object; an empty dict for anything missing, unreadable or garbled."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def write_json_atomic(path: Path, obj: object, *, sync: bool = True) -> None:
    """Replace a JSON file in one step: readers see the old whole or the new whole.

    Args:
        path: The file to replace; its folder must exist.
        obj: What to write. Non-finite floats become the strings "NaN", "Infinity", "-Infinity".
        sync: Also survive a power cut. Heartbeats leave it out: losing one costs nothing.

    Raises:
        OSError: The disk is full or the folder is gone; the old file is untouched.
    """
    write_bytes_atomic(path, (dumps(obj) + "\n").encode(), sync=sync)


def write_bytes_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a file in one step; see `write_json_atomic`."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.{next(_counter)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def dumps(obj: object) -> str:
    """Give JSON that every reader accepts: numbers that JSON lacks become strings."""
    try:
        return json.dumps(obj, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(obj), allow_nan=False)


def _finite(obj: object) -> object:
    """Replace non-finite floats by their names, at any depth."""
    if isinstance(obj, float):
        if math.isnan(obj):
            return "NaN"
        if math.isinf(obj):
            return "Infinity" if obj > 0 else "-Infinity"
        return obj
    if isinstance(obj, dict):
        return {key: _finite(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_finite(value) for value in obj]
    return obj
