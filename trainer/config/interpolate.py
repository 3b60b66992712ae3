"""Interpolations (`${trainer.max_epochs}`), resolved after the merge as OmegaConf resolves them.

References that just name another value are followed here; only others load OmegaConf. Of resolvers only those run that look at nothing but the
config itself: what `oc.env` would read, a secret perhaps, would end up in `config.yaml`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trainer.config.merge import MISSING, copy
from trainer.config.text import clean
from trainer.errors import Problem, nearest

HARMLESS = frozenset(
    {"oc.create", "oc.decode", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.select"}
)
_NAME = re.compile(r"\$\{(\.*)([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}\Z", re.ASCII)
_OMEGACONF = object()
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")
_MAX_PROBLEMS = 20

_running = threading.local()
_guard_lock = threading.Lock()
_guarded = False

Place = Callable[[str], str]


def has_interpolation(value: Any) -> bool:
    """Say whether a value, or anything in it, holds `${`."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(
            below.__class__ in (str, dict, list) and has_interpolation(below)
            for below in value.values()
        )
    if isinstance(value, list):
        return any(has_interpolation(item) for item in value)
    return False


def resolve(config: dict[str, Any], place: Place) -> tuple[dict[str, Any], list[Problem]]:
    """Resolve every interpolation of a config.

    Args:
        config: The merged config; not changed.
        place: Gives the origin of a dotted key as text.

    Returns:
        The resolved config and what could not be resolved (those values are then `None`).
    """
    problems = list(_refused(config, place))
    if problems:
        return config, problems
    plain = _resolve_plain(config)
    return (plain, []) if plain is not None else _resolve_by_omegaconf(config, place)


def _resolve_plain(config: dict[str, Any]) -> dict[str, Any] | None:
    """Resolve a config whose interpolations all just name another value: the usual case.

    Returns:
        The resolved config, or `None` if anything in it is OmegaConf's to decide: nested or
        concatenated interpolations, resolvers, circles, names that lead nowhere or through another
        interpolation.
    """
    resolved: dict[str, Any] = copy(config)
    places = [tuple(key) for key in _places(resolved, [])]
    found = [_follow(resolved, place, set()) for place in places]
    if any(value is _OMEGACONF for value in found):
        return None
    for place, value in zip(places, found, strict=True):
        node: Any = resolved
        for part in place[:-1]:
            node = node[part]
        node[place[-1]] = copy(value)
    return resolved


def _places(value: Any, path: list[Any]) -> Iterator[list[Any]]:
    """Walk the strings that hold an interpolation."""
    if isinstance(value, str):
        if "${" in value:
            yield path
    elif isinstance(value, dict):
        for key, below in value.items():
            if below.__class__ in (str, dict, list):
                yield from _places(below, [*path, key])
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _places(below, [*path, index])


def _follow(config: dict[str, Any], place: tuple[Any, ...], seen: set[tuple[Any, ...]]) -> Any:
    """Give what the interpolation at a place stands for; `_OMEGACONF` if that is not plain."""
    node: Any = config
    for part in place:
        node = node[part]
    match = _NAME.match(node)
    if match is None or place in seen:
        return _OMEGACONF
    dots, name = match.groups()
    if len(dots) > len(place):
        return _OMEGACONF
    target: list[Any] = list(place[: len(place) - len(dots)]) if dots else []
    node = config
    for part in target:
        node = node[part]
    for part in name.split("."):
        if not isinstance(node, dict) or part not in node:
            return _OMEGACONF
        target.append(part)
        node = node[part]
    if node == MISSING:
        return _OMEGACONF
    if isinstance(node, str) and "${" in node:
        return _follow(config, tuple(target), seen | {place})
    return _OMEGACONF if has_interpolation(node) else node


def _resolve_by_omegaconf(
    config: dict[str, Any], place: Place
) -> tuple[dict[str, Any], list[Problem]]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    problems: list[Problem] = []

    for key, value in _strings(config, ""):
        if "${" in value:
            try:
                OmegaConf.create({"value": value})
            except OmegaConfBaseException as error:
                reason = clean(str(error).splitlines()[0])
                problems.append(
                    Problem(
                        f"'{clean(value)}' is no valid interpolation: {reason}.",
                        place(key),
                        "",
                        key,
                    )
                )
    if problems:
        return config, problems
    with no_environment():
        tree = OmegaConf.create(config)
        while len(problems) < _MAX_PROBLEMS:
            try:
                resolved: Any = OmegaConf.to_container(tree, resolve=True)
            except OmegaConfBaseException as error:
                key = _blank(tree, str(error.full_key or ""))
                problems.append(_problem(config, key, error, place))
                if not key:
                    break
            except RecursionError:
                problems.append(Problem("Interpolations refer to each other in a circle."))
                break
            else:
                return resolved, problems
    return config, problems


def missing(config: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Find the values that still are `???`: somebody must give them."""
    for key, value in _strings(config, ""):
        if value == MISSING:
            yield Problem(
                f"'{clean(key)}' must be given.", place(key), f"Add {clean(key)}=VALUE.", key
            )


def _refused(config: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    for key, value in _strings(config, ""):
        for name in _RESOLVER.findall(value):
            if name in HARMLESS:
                continue
            if name in ("oc.env", "env"):
                why = (
                    "reads the environment, and what it reads (a secret perhaps) would be written "
                    "into the run's config.yaml."
                )
                remedy = "Loggers read their keys from the environment by themselves."
            elif name == "hydra":
                why = "asks Hydra's own application, which traindeck does not run."
                remedy = ""
            else:
                why = "is no resolver that profiles may use."
                remedy = nearest(name, HARMLESS)
            yield Problem(f"'${{{name}:…}}' {why}", place(key), remedy, key)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _strings(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _strings(below, f"{path}.{index}")


def _blank(tree: Any, key: str) -> str:
    """Put `None` where an interpolation failed, so that the next one can be looked at."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        OmegaConf.update(tree, key, None)
    except (OmegaConfBaseException, AssertionError, ValueError, TypeError):
        return ""
    return re.sub(r"\[(\w+)\]", r".\1", key)


def _problem(config: Mapping[str, Any], key: str, error: Any, place: Place) -> Problem:
    written = dict(_strings(config, "")).get(key, "")
    reason = clean((str(error).splitlines() or [""])[0])
    remedy = ""
    known = re.search(r"Interpolation key '([^']*)' not found", reason)
    if known:
        names = [name for name, _ in _all_keys(config, "")]
        remedy = nearest(known[1], names)
    return Problem(f"'{clean(written)}' cannot be resolved: {reason}.", place(key), remedy, key)


def _all_keys(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        name = f"{path}.{key}" if path else str(key)
        yield name, below
        if isinstance(below, Mapping):
            yield from _all_keys(below, name)


@contextmanager
def no_environment() -> Iterator[None]:
    """Let OmegaConf resolve things in this thread without reading the environment."""
    _guard_environment()
    _running.active = True
    try:
        yield
    finally:
        _running.active = False


def _guard_environment() -> None:
    """Keep `oc.env` from running inside `oc.decode` or `oc.create`, where no check of text sees it.

    Everywhere else, in this process, it works as before.
    """
    global _guarded
    from omegaconf import OmegaConf
    from omegaconf.resolvers import oc

    with _guard_lock:
        if _guarded:
            return

        def env(key: str, *default: str | None) -> Any:
            if getattr(_running, "active", False):
                raise ValueError("profiles may not read the environment")
            return oc.env(key, *default)

        OmegaConf.register_new_resolver("oc.env", env, replace=True)
        _guarded = True
