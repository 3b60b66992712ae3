"""What the app remembers between two times: layouts, the last filter. Losing it costs nothing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from trainer.runs.layout import write_json_atomic

_LIMIT = 1 << 20


def folder() -> Path:
    """Give the folder of what is remembered, by the XDG rules; it need not exist."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "traindeck"


def recall(name: str) -> dict[str, Any]:
    """Give what was remembered under a name; empty if nothing, or nothing readable, was."""
    try:
        path = _path(name)
        if path.stat().st_size > _LIMIT:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(name: str, value: dict[str, Any]) -> None:
    """Remember something under a name; where that fails it is forgotten, no more."""
    try:
        path = _path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(path, value, sync=False)
    except (OSError, ValueError, TypeError):
        return


def _path(name: str) -> Path:
    return folder() / (re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100] + ".json")
