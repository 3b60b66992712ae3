"""Profiles as files: opened with a stamp, saved whole, never over what somebody else wrote.

Built-in profiles are not changed: the first save of one makes a copy, in the project's folder or, in
a clone of this repository, the user's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import profiles
from trainer.config.edit import EditError, ProfileText
from trainer.config.edit_merge import Merged, merge
from trainer.config.loader import MAX_BYTES
from trainer.config.scaffold import _checked
from trainer.config.sources import _same_folder, _shown, user_folder
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem

__all__ = ["Conflict", "Opened", "delete", "home_of", "is_changed", "open_file", "rename", "save"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as it was read or written last.

    Attributes:
        path: The file.
        text: Its content; empty if it does not exist yet.
        stamp: Modification time, size and inode; None if it does not exist yet.
        sha: Of its bytes; empty if it does not exist yet.
    """

    path: Path
    text: str
    stamp: tuple[int, int, int] | None
    sha: str

    @classmethod
    def new(cls, path: Path) -> Opened:
        """Stand for a file that does not exist yet."""
        return cls(path, "", None, "")


class Conflict(EditError):
    """Somebody else changed the same lines meanwhile; nothing was written.

    Attributes:
        theirs: The file as it is now; its text is empty if it was deleted.
        merged: Both versions, with marks where they disagree.
    """

    title = "conflict"

    def __init__(self, theirs: Opened, merged: Merged, what: str, remedy: str) -> None:
        super().__init__(Problem(what, clean(str(theirs.path)), remedy))
        self.theirs = theirs
        self.merged = merged


def open_file(path: Path) -> Opened:
    """Read a profile's file.

    Raises:
        EditError: It cannot be read, is too large, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            status = os.fstat(file.fileno())
    except OSError as error:
        raise EditError(_failed("read", path, error)) from None
    if len(data) > MAX_BYTES:
        raise EditError(Problem("The file is larger than 1 MiB; this is no profile.", _name(path)))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EditError(
            Problem(f"Byte {error.start} is no UTF-8.", f"{_name(path)}:{line}")
        ) from None
    return Opened(path, text, _stamp(status), hashlib.sha256(data).hexdigest())


def is_changed(opened: Opened) -> bool:
    """Say whether the file is another than it was; costs one `stat` as long as it is not."""
    try:
        now = _stamp(opened.path.stat())
    except OSError:
        return opened.stamp is not None
    if now == opened.stamp:
        return False
    try:
        return open_file(opened.path).sha != opened.sha
    except EditError:
        return True


def save(opened: Opened, text: ProfileText) -> tuple[Opened, bool]:
    """Write a profile over the file that it was opened from.

    What somebody else changed meanwhile is kept: changes of other lines are put together with
    these.

    Args:
        opened: The file as it was when the editing began.
        text: The text to write.

    Returns:
        The file as it is now, and whether changes of others were put together with these.

    Raises:
        Conflict: Somebody else changed the same lines, or deleted the file.
        EditError: The text holds a secret, or cannot be written.
    """
    _refuse_secrets(text)
    exists = os.path.lexists(opened.path)
    if not exists and opened.stamp is not None:
        gone = Opened.new(opened.path)
        raise Conflict(
            gone,
            Merged(text.text, 0),
            "The file was deleted meanwhile.",
            "Save it under a name, this one too, or let it go.",
        )
    if not exists:
        return _write_new(opened.path, text.text), False
    theirs = open_file(opened.path)
    if theirs.sha == opened.sha:
        return _write(opened.path, text.text), False
    if theirs.text == text.text:
        return theirs, False
    merged = merge(opened.text, text.text, theirs.text)
    whole = text.put(merged.text)
    spoilt = whole.problems and not text.problems
    if merged.conflicts or spoilt or opened.stamp is None:
        raise Conflict(
            theirs,
            merged,
            "The file was changed meanwhile, in the same places.",
            "Nothing was written. Take the file as it is, put both together, or save as another.",
        )
    _refuse_secrets(whole)
    return _write(opened.path, merged.text), True


def create(path: Path, text: ProfileText) -> Opened:
    """Write a new file.

    Raises:
        EditError: There is a file of that name, the text holds a secret, or it cannot be written.
    """
    _refuse_secrets(text)
    return _write_new(path, text.text)


def home_of(
    group: str, name: str, profiles_dir: Path | None = None, cwd: Path | None = None
) -> tuple[Path, str]:
    """Give the file that a new profile, or a built-in one's copy, is written to; and how to show it.

    Raises:
        EditError: The name is none.
    """
    check_name(group, name)
    here = Path.cwd() if cwd is None else Path(cwd)
    folder = here / ("profiles" if profiles_dir is None else profiles_dir)
    if _same_folder(folder, profiles.FOLDER) or not can_write(folder):
        folder = user_folder()
    path = folder.absolute() / group / f"{name}.yaml"
    return path, clean(f"{_shown(folder.absolute(), here)}/{group}/{name}.yaml")


def check_name(group: str, name: str) -> None:
    """Refuse what cannot be a profile's name, or leads out of its group's folder.

    Raises:
        EditError: It is no name.
    """
    try:
        if _checked(f"{group}/{name}") == (group, name):
            return
    except ConfigError as error:
        raise EditError(*error.problems) from None
    raise EditError(Problem(f"'{clean(name)}' is no name for a profile."))


def rename(path: Path, name: str) -> Path:
    """Give a profile another name in its group.

    Raises:
        EditError: The name is none or taken, or the file cannot be renamed.
    """
    check_name("group", name)
    new = path.with_name(f"{name}.yaml")
    _move(path, new)
    return new


def delete(path: Path) -> Path:
    """Take a profile away; it stays beside as a hidden file, from which `restore` brings it back.

    Raises:
        EditError: It cannot be moved.
    """
    number = 1
    while True:
        hidden = path.with_name(f".{path.name}.deleted-{number}")
        if not os.path.lexists(hidden):
            break
        number += 1
    _move(path, hidden)
    return hidden


def restore(hidden: Path, path: Path) -> None:
    """Bring a deleted profile back.

    Raises:
        EditError: There is a new file of that name, or it cannot be moved.
    """
    _move(hidden, path)


def forget(hidden: Path) -> None:
    """Let a deleted profile go for good."""
    with contextlib.suppress(OSError):
        hidden.unlink()


def _refuse_secrets(text: ProfileText) -> None:
    found = text.secrets()
    if found:
        raise EditError(*found)


def _write_new(path: Path, text: str) -> Opened:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path, text, 0o666 & ~_umask())
        try:
            _link(temporary, path, text)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    except FileExistsError:
        raise EditError(
            Problem(f"'{_name(path)}' exists.", remedy="Choose another name.")
        ) from None
    except OSError as error:
        raise EditError(_failed("written", path, error)) from None
    return open_file(path)


def _link(temporary: Path, path: Path, text: str) -> None:
    """Give a written file its name; unlike a rename, this never replaces one that came up."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)


def _write(path: Path, text: str) -> Opened:
    # A link stays a link: what it leads to is replaced.
    target = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
        if not os.access(target, os.W_OK):
            raise PermissionError(13, "it is read-only")
        temporary = _temporary(target, text, mode)
        try:
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync(target.parent)
    except OSError as error:
        raise EditError(_failed("written", path, error)) from None
    return open_file(path)


def _temporary(path: Path, text: str, mode: int) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _sync(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move(old: Path, new: Path) -> None:
    if os.path.lexists(new):
        raise EditError(Problem(f"'{_name(new)}' exists.", remedy="Choose another name."))
    try:
        old.rename(new)
    except OSError as error:
        raise EditError(_failed("renamed", old, error)) from None


def can_write(folder: Path) -> bool:
    """Say whether a folder, which may have to be made, can be written to."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _umask() -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022  # to ask is to set it for a moment, in every thread


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _failed(verb: str, path: Path, error: OSError) -> Problem:
    return Problem(f"The file cannot be {verb}: {error.strerror or error}.", _name(path))


def _name(path: Path) -> str:
    return clean(str(path))
