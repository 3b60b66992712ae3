"""The packages that this Python would import: names, versions, and hashes of what was installed.

Everything is read off `*.dist-info` folders. A hash over RECORD, which lists a package's files with
their hashes, tells one build of a version from another without reading hundreds of megabytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from trainer.paths import at_home
from trainer.runs import worktree
from trainer.runs.layout import read_json_or_empty, write_json_atomic
from trainer.secrets import mask

_INFO = re.compile(r"(.+?)-(\d[^-]*)(?:-.+)?\.(?:dist|egg)-info")
# What the installer writes about itself, where and when: another one installs the same package.
_BY_INSTALLER = ("/RECORD", "/INSTALLER", "/REQUESTED", "/direct_url.json", "/uv_cache.json")
# Counted among the code of a run already.
_OURS = "traindeck"


def packages() -> dict[str, dict[str, Any]]:
    """Give every installed distribution by its normalised name.

    Returns:
        For each `{"version", "record", "source"}`: `record` is SHA-256 over the hashes of its
        files, None where it has no such list or is editable; `source` tells where it came from if
        that was no index: `url`, `sha256`, `editable`, `vcs`, `commit`, and for an editable one `code`, its
        git commit and changes.
    """
    known = _Known()
    found: dict[str, dict[str, Any]] = {}
    for name, version, folder in distributions():
        source = _source(folder, name)
        editable = bool(source and source.get("editable"))
        record = None if editable else known.record(folder)
        found[name] = {"version": version, "record": record, "source": source}
    known.save()
    return dict(sorted(found.items()))


def distributions() -> Iterator[tuple[str, str, str]]:
    """List name, version and info folder of what is installed.

    Read off the folders' names, which is what `importlib.metadata` looks at first too; opening
    each METADATA file takes fifty times as long.
    """
    seen: set[str] = set()
    for folder in sys.path:
        try:
            with os.scandir(folder or ".") as entries:
                names = [entry.name for entry in entries]
        except OSError:
            continue
        for name in names:
            match = _INFO.fullmatch(name)
            if match:
                key = re.sub(r"[-_.]+", "-", match[1]).lower()
                # The first on the path is the one that is imported.
                if key not in seen:
                    seen.add(key)
                    yield key, match[2], os.path.join(folder or ".", name)  # noqa: PTH118 - hot


class _Known:
    """Hashes of RECORD files that were read before, by place, size and time: a cache on disk.

    Reading them all takes a twentieth of a second, and far more on a network disk.
    """

    def __init__(self) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        which = hashlib.sha256("\0".join(sys.path).encode("utf-8", "surrogateescape")).hexdigest()
        self._path = at_home(base) / "traindeck" / f"packages-{which[:16]}.json"
        self._before = read_json_or_empty(self._path)
        self._now: dict[str, Any] = {}

    def record(self, folder: str) -> str | None:
        """Hash the list of files in an info folder; None if there is none."""
        path = f"{folder}/RECORD"
        try:
            info = os.stat(path)  # noqa: PTH116 - hot
            stamp = [info.st_mtime_ns, info.st_size, info.st_ino]
            held = self._before.get(path)
            if isinstance(held, list) and held[:3] == stamp and isinstance(held[-1], str):
                self._now[path] = held
            else:
                self._now[path] = [*stamp, record_hash(Path(path).read_bytes())]
        except OSError:
            return None
        hashed: str = self._now[path][3]
        return hashed

    def save(self) -> None:
        """Write what is new; without it the next launch is slower, no more."""
        if self._now == self._before:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json_atomic(self._path, self._now, sync=False)
        except OSError:
            return


def record_hash(record: bytes) -> str:
    """Hash the files that a RECORD lists.

    Left out are files outside of the packages' folder (scripts, which hold the path of their
    Python), byte code and the installer's notes, so that every installer and folder gives the same.
    """
    kept = []
    for line in record.decode("utf-8", "surrogateescape").splitlines():
        path, hashed = [*line.rsplit(",", 2), "", ""][:2]
        if not hashed or path.startswith(("../", "/", '"../', '"/')) or path.endswith(".pyc"):
            continue
        if ".dist-info/" in path and path.endswith(_BY_INSTALLER):
            continue
        kept.append(f"{path},{hashed}")
    kept.sort()
    return hashlib.sha256("\n".join(kept).encode("utf-8", "surrogateescape")).hexdigest()


def _source(folder: str, name: str) -> dict[str, Any] | None:
    """Read where a package came from; None if that was an index. URLs lose their passwords."""
    path = f"{folder}/direct_url.json"
    # Few packages have one, and a file that cannot be opened costs ten times a look.
    if not os.path.exists(path):  # noqa: PTH110 - hot
        return None
    try:
        told = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    url = without_login(str(told.get("url") or ""))
    source: dict[str, Any] = {"url": url}
    vcs, place, archive = (told.get(f"{kind}_info") for kind in ("vcs", "dir", "archive"))
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    if isinstance(hashes, dict) and isinstance(hashes.get("sha256"), str):
        source["sha256"] = hashes["sha256"]
    if isinstance(vcs, dict):
        source |= {"vcs": str(vcs.get("vcs", "")), "commit": str(vcs.get("commit_id", ""))}
    if isinstance(place, dict) and place.get("editable"):
        source["editable"] = True
        if name != _OURS:
            source["code"] = worktree.state(Path(unquote(urlsplit(url).path)))
    return source


def without_login(url: str) -> str:
    """Take user and password out of a URL; the user of an SSH address is no secret and stays."""
    scheme, mark, rest = url.partition("://")
    login, at, place = rest.partition("@")
    if mark and at and "/" not in login:
        user = login.partition(":")[0]
        rest = f"{user}@{place}" if scheme.endswith("ssh") else place
    return mask(f"{scheme}{mark}{rest}")
