"""Which classes a config may name by `_target_`, judged by the text alone: nothing is imported.

Only the person's own settings file can add prefixes, never a profile. What the text cannot tell
(whether it is a class, and of which kind) the training process checks before it builds anything.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainer.config.settings import read, settings_file, shown
from trainer.errors import ConfigError, Problem

TARGET = "_target_"
BUILT_IN_PREFIXES = (
    "trainer.",
    "torch.",
    "pytorch_lightning.",
    "lightning.",
    "torchmetrics.",
    "transformers.",
    "peft.",
)
"""Module prefixes that everybody's configs may name classes under."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.?", re.ASCII)
# Under allowed prefixes, yet they load or run code and files from elsewhere.
_REFUSED = (
    "torch.hub",
    "torch.load",
    "torch.jit.load",
    "torch.utils.cpp_extension",
    "torch.utils.model_zoo",
    "torch.package",
    "transformers.pipeline",
    "transformers.dynamic_module_utils",
)


def allowed_prefixes() -> tuple[str, ...]:
    """Give the module prefixes, each with its final dot, under which a `_target_` may lie.

    Raises:
        ConfigError: The settings file's `allowed_prefixes` is no list of dotted names.
    """
    path = settings_file()
    try:
        status = path.stat()
    except OSError:
        return BUILT_IN_PREFIXES
    return BUILT_IN_PREFIXES + _own_prefixes(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _own_prefixes(path: str, mtime_ns: int, size: int) -> tuple[str, ...]:
    del mtime_ns, size  # they only tell one state of the file from another
    written = read(Path(path)).get("allowed_prefixes")
    prefixes = written.value if written else None
    if prefixes is None:
        return ()
    if not isinstance(prefixes, list) or not all(
        isinstance(p, str) and _PREFIX.fullmatch(p) for p in prefixes
    ):
        raise ConfigError(
            Problem(
                "'allowed_prefixes' must be a list of module names.",
                f"{path}:{written.line}" if written else path,
                "Write `allowed_prefixes: [my_package]`.",
            )
        )
    return tuple(f"{prefix.rstrip('.')}." for prefix in prefixes)


def problem_with_target(target: Any) -> tuple[str, str] | None:
    """Judge one `_target_` by its text.

    Returns:
        What is wrong and how to mend it, or None.
    """
    if not isinstance(target, str) or not _DOTTED.fullmatch(target):
        return (
            f"{TARGET} {target!r} is no dotted path of a class.",
            "Write package.module.ClassName.",
        )
    # The settings file is only looked at for a class of somebody's own.
    prefixes = BUILT_IN_PREFIXES if target.startswith(BUILT_IN_PREFIXES) else allowed_prefixes()
    if not target.startswith(prefixes):
        packages = ", ".join(prefix.rstrip(".") for prefix in prefixes)
        return (
            f"{TARGET} '{target}' lies under none of the allowed packages ({packages}).",
            f"Add its package to allowed_prefixes in {shown(settings_file())} if you trust it.",
        )
    name = target.rsplit(".", 1)[1]
    lower_case = name.islower() and target.startswith(BUILT_IN_PREFIXES)  # no class of these is
    if lower_case or any(target == bad or target.startswith(bad + ".") for bad in _REFUSED):
        return (f"{TARGET} '{target}' is a function; only classes are built.", "Name a class.")
    if target.startswith(BUILT_IN_PREFIXES) and (stranger := _no_module(target)):
        return (
            f"{TARGET} '{target}' leads through '{stranger}', which is no module of its package.",
            "Name a class where it is defined.",
        )
    return None


@lru_cache(maxsize=256)
def _no_module(target: str) -> str:
    """Give the part of a path that is no module of the package, such as one that it imports.

    Looks at the names of files only; a package that is not installed here is not judged.
    """
    package, *inner, _ = target.split(".")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return ""
    folders = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    if not folders:
        return ""
    for part in inner:
        if any((folder / part).is_dir() for folder in folders):
            folders = [folder / part for folder in folders]
        elif any(any(folder.glob(f"{part}.*")) for folder in folders):
            folders = []
        else:
            # A class in a class is all right; whatever else a module holds is not its own.
            return "" if not part.islower() else part
    return ""
