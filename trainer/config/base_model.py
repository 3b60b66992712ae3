"""Where a base model is: a folder here, Hugging Face's cache, or nowhere that anybody can reach.

Told before launch, by looking at folders and the environment alone; no library of theirs is loaded.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from trainer.config.text import clean
from trainer.errors import Problem
from trainer.paths import at_home

KEY = "model.base_model"
HERE = (
    "Set model.base_model to a folder with config.json, *.safetensors and the tokenizer's files, or to "
    "a name on the hub; `traindeck data make-base FOLDER` makes a small one."
)
CONFIG = "config.json"
#: Seconds in which the hub has to take up a connection.
PATIENCE = 5.0
_YES = frozenset({"1", "on", "yes", "true"})
# What huggingface_hub takes as the name of a repository.
_NAME = re.compile(r"(?:[\w.-]+/)?[\w.-]{1,96}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WEIGHTS = ("*.safetensors", "*.bin")


def not_here(name: str, revision: str | None = None, *, weights: bool = True) -> Problem | None:
    """Say why a base model cannot be had; None if it is here, or might be on the hub.

    Args:
        name: A folder, or a name on the hub.
        revision: Its version on the hub; None for the latest.
        weights: Whether its weights are needed.
    """
    folder = at_home(name)
    if folder.is_dir():
        if (folder / CONFIG).exists() or (folder / "adapter_config.json").exists():
            return None  # what is wrong with an adapter is told with what to do with it
        near = _nearest_models(folder)
        return Problem(
            f"The folder '{clean(name)}' holds no {CONFIG}: it is no model.", "", near or HERE, KEY
        )
    if folder.is_file():
        return Problem(f"'{clean(name)}' is a file and no model's folder.", "", HERE, KEY)
    if cached(name, revision, weights=weights) is not None:
        return None
    if is_path(name):
        remedy = f"{_nearest_folder(folder)} {HERE}".strip()
        return Problem(f"There is no folder '{clean(name)}'.", "", remedy, KEY)
    if not is_hub_name(name):
        what = f"'{clean(name)}' is neither a folder here nor a name on the hub."
        return Problem(what, "", HERE, KEY)
    if offline():
        return Problem(
            f"'{name}' is not on this machine, and {offline()} forbids to fetch it.",
            "",
            f"{fetching(name)} {HERE}",
            KEY,
        )
    return None


def out_of_reach(name: str, revision: str | None = None) -> Problem | None:
    """Say that a base model is only on the hub, and that the hub does not answer; takes seconds.

    Args:
        name: A folder, or a name on the hub.
        revision: Its version on the hub; None for the latest.
    """
    if at_home(name).is_dir() or cached(name, revision, weights=True) is not None:
        return None
    why = _unanswered()
    if not why:
        return None
    what = f"'{clean(name)}' is not on this machine, and the hub cannot be reached ({why})."
    return Problem(what, "", f"{fetching(name)} {HERE}", KEY)


def longest(name: str, revision: str | None = None) -> int | None:
    """Read how many tokens a base model takes, if it is on this machine and says so.

    Args:
        name: A folder, or a name on the hub.
        revision: Its version on the hub; None for the latest.
    """
    folder = at_home(name)
    found = folder if folder.is_dir() else cached(name, revision)
    if found is None:
        return None
    try:
        told = json.loads((found / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    told = told if isinstance(told, dict) else {}
    # The latter is GPT-2's word for it.
    counts = (told.get(key) for key in ("max_position_embeddings", "n_positions"))
    return next((n for n in counts if isinstance(n, int) and n > 0), None)


def not_for_estimate(name: str, revision: str | None = None) -> Problem | None:
    """Say what an estimate lacks, which fetches nothing and needs no weights; None if it has it."""
    told = not_here(name, revision, weights=False)
    if told is None and not at_home(name).is_dir() and cached(name, revision) is None:
        version = f" --revision {clean(revision)}" if revision else ""
        return Problem(
            f"'{clean(name)}' is not on this machine, and an estimate fetches nothing.",
            "",
            "Its config.json and its tokenizer are enough: hf download "
            f"{clean(name)}{version} --include '*.json'. Or set model.base_model to a folder.",
            KEY,
        )
    return told


def is_path(name: str) -> bool:
    """Say whether a name means a place here, whether or not something is there."""
    if (
        name.startswith((".", "/", "~"))
        or "\\" in name
        or name.count("/") > 1
        or name.endswith("/")
    ):
        return True
    parent, _, _ = name.partition("/")
    with suppress(OSError, ValueError):
        return "/" in name and Path(parent).is_dir()
    return False


def is_hub_name(name: str) -> bool:
    """Say whether a repository on the hub may be called so: `name` or `owner/name`."""
    return (
        _NAME.fullmatch(name) is not None
        and not any(part[:1] in "-." or part[-1:] in "-." for part in name.split("/"))
        and "--" not in name
        and ".." not in name
        and not name.endswith(".git")
    )


def cached(name: str, revision: str | None = None, *, weights: bool = False) -> Path | None:
    """Find a model in Hugging Face's cache.

    Args:
        name: Its name on the hub.
        revision: A commit, branch or tag; None for `main`.
        weights: Whether weights must be there too, and not what an estimate needs alone.

    Returns:
        The folder of its files; None if it is not there.
    """
    if not is_hub_name(name):
        return None
    place = cache_folder() / f"models--{name.replace('/', '--')}"
    version = revision or "main"
    if not _COMMIT.fullmatch(version):
        try:
            version = (place / "refs" / version).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None
    folder = place / "snapshots" / version
    if not (folder / CONFIG).is_file():
        return None
    if weights and not any(True for pattern in _WEIGHTS for _ in folder.glob(pattern)):
        return None
    return folder


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Give the folder in which Hugging Face's libraries keep what they fetched."""
    given = os.environ if environment is None else environment
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if given.get(name):
            return at_home(given[name])
    home = given.get("HF_HOME")
    if not home:
        base = given.get("XDG_CACHE_HOME") or "~/.cache"
        home = f"{base}/huggingface"
    return at_home(home) / "hub"


def offline() -> str:
    """Name the variable that forbids to ask the hub; empty if none does."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((n for n in names if os.environ.get(n, "").strip().lower() in _YES), "")


def fetching(name: str) -> str:
    """Say how a model comes to this machine."""
    short = re.sub(r"[^\w.-]+", "-", name.rpartition("/")[2]).lower()
    return f"Where there is a network: hf download {clean(name)} --local-dir models/{short}."


def _unanswered() -> str:
    """Say why no connection to the hub comes about; empty if one does, or a proxy stands between."""
    proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    if any(os.environ.get(name) for name in proxies):
        return ""
    try:
        hub = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
        port = hub.port or (80 if hub.scheme == "http" else 443)
    except ValueError:
        return ""
    if not hub.hostname:
        return ""
    place, answer = (hub.hostname, port), [f"no answer in {PATIENCE:.0f} s"]

    def connect() -> None:
        try:
            socket.create_connection(place, timeout=PATIENCE).close()
        except (OSError, UnicodeError) as error:
            answer[0] = str(getattr(error, "strerror", None) or error)
        else:
            answer[0] = ""

    # Looking up a name has no time limit of its own; a thread can be left behind.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answer[0] and clean(f"{hub.hostname}: {answer[0]}")[:120]


def _nearest_folder(folder: Path) -> str:
    """Name the model beside a folder that is not there, whose name is most like it."""
    parent = folder.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    models = _models_in(parent)
    close = get_close_matches(folder.name, [each.name for each in models], n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{clean(str(parent / close[0]))}'?"
    return _list(parent, models)


def _nearest_models(folder: Path) -> str:
    models = _models_in(folder)
    return f"Did you mean '{clean(str(models[0]))}'?" if len(models) == 1 else _list(folder, models)


def _list(parent: Path, models: list[Path]) -> str:
    if not models:
        return ""
    names = ", ".join(clean(each.name) for each in models[:8])
    return f"Models in '{clean(str(parent))}' are {names}{', …' if len(models) > 8 else ''}."


def _models_in(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(each for each in folder.iterdir() if (each / CONFIG).is_file())
    return []
