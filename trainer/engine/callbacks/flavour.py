"""Lightning comes under two names, whose classes know nothing of each other.

A trainer of `lightning.pytorch` refuses callbacks derived from `pytorch_lightning`, and the other way
round, though both are the same code. The callback takes the one that the script has imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

_NAMES = ("pytorch_lightning", "lightning.pytorch")


def name_in(modules: Iterable[str]) -> str:
    """Give the name that comes first among imported modules; `pytorch_lightning` if neither does."""
    return next((name for name in modules if name in _NAMES), _NAMES[0])


def chosen() -> ModuleType:
    """Give the package that this process has imported first."""
    # Python keeps modules in the order of their import.
    return import_module(name_in(list(sys.modules)))
