"""What a finished model's folder is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any

from trainer.config.lora_rules import LONGEST_NAME
from trainer.errors import ConfigError, Problem, nearest

KEY = "output.name_template"
#: The template where none is written; a training that names no expert has nothing to fill it with.
USUAL = "oracle-{name}-{role}-{base_short}-{date}"


def folder_name(
    config: Mapping[str, Any], base: str, *, preset: str, run: str, now: datetime
) -> str:
    """Fill in the template of `output.name_template`.

    Args:
        config: The run's config.
        base: The base model's name or folder.
        preset: The preset's name; may be empty.
        run: The run's name.
        now: The date.

    Raises:
        ConfigError: The template names what nothing fills in, or gives no name.
    """
    output, expert = config.get("output") or {}, config.get("expert") or {}
    template = str(output.get("name_template") or USUAL)
    if template == USUAL and not expert.get("name"):
        template = "{preset}-{base_short}-{date}"
    name = str(expert.get("name") or preset or "adapter")
    values = {
        "name": name.removeprefix("oracle-").partition("-")[0],
        "expert": name,
        "role": str(expert.get("role") or "expert"),
        "group": str(expert.get("group") or ""),
        "base_short": base_short(base),
        "rank": str((config.get("lora") or {}).get("r") or ""),
        "preset": preset or "adapter",
        "run": run,
        "date": now.strftime(str(output.get("date_format") or "%Y%m%d")),
    }
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(Problem(f"The braces do not match: {error}.", key=KEY)) from error
    for _, field, _, _ in parts:
        if field is not None and field not in values:
            remedy = nearest(field, values) or f"There are {', '.join(values)}."
            raise ConfigError(Problem(f"Nothing fills in '{{{field}}}'.", "", remedy, KEY))
    filled = "".join(text + (values[field] if field else "") for text, field, _, _ in parts)
    # A name, not a path: whatever stands in a profile stays in the folder of models.
    safe = re.sub(r"[^\w.+=-]+", "-", filled).strip("-.")
    if not safe:
        raise ConfigError(Problem(f"'{template}' gives no name for a folder.", key=KEY))
    if len(safe.encode()) > LONGEST_NAME:
        what = f"'{safe[:40]}…' is {len(safe.encode())} bytes long, and a folder's name may have "
        raise ConfigError(Problem(f"{what}{LONGEST_NAME}.", key=KEY))
    return safe


def base_short(base: str) -> str:
    """Shorten a base model's name: `Qwen/Qwen2.5-Coder-1.5B` is `qwen25-coder-15b`."""
    last = Path(base.rstrip("/")).name or "base"
    return re.sub(r"[^a-z0-9_-]+", "", last.lower()) or "base"
