"""Names and limits of event schema 1; `schema.json` beside this file says the same to machines."""

from __future__ import annotations

import json
from typing import Any

SCHEMA_VERSION = 1

METRICS = "metrics"
RUN_STARTED = "run_started"
RUN_FINISHED = "run_finished"
CHECKPOINT = "checkpoint"
ALERT = "alert"
LOG = "log"

#: Levels of `log` and `alert`, from quiet to loud.
LEVELS = ("debug", "info", "warning", "error", "critical")

#: Readers skip (and count as garbage) any line longer than this, in bytes.
MAX_LINE_BYTES = 4 << 20

#: The writer shortens the texts of an event whose line would be longer than this, in bytes.
MAX_WRITTEN_BYTES = 1 << 20

#: Fields that hold prose and so keep their line breaks; every other text is one line.
PROSE_FIELDS = frozenset({"message", "advice", "text", "traceback", "sample"})

#: What JSON's numbers lack, spelled as text.
NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def is_important(event: str, level: object = None) -> bool:
    """Say whether an event goes to disk at once: all but metrics and quiet log lines do."""
    if event == METRICS:
        return False
    return not (event == LOG and level in ("debug", "info"))


def json_schema() -> dict[str, Any]:
    """Load the JSON Schema (draft 2020-12) of one line of an events file."""
    from importlib import resources  # slow to import, and only schema users need it

    text = resources.files("trainer.events").joinpath("schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
