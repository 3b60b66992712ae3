"""`python -m trainer.engine.lr_server`: answers how the learning rate will move, and other questions.

Reads a request a line, as JSON, and writes an answer a line: torch is imported once, and only torch
unless data have to be counted. It ends with its input, and with the process that started it even
while it builds data. Requests hold an `id`, and either
`optimizer`, `scheduler` and `length` (see `lr_curve`) or `config`, whose data are then built to
count the batches of an epoch, or `memory`, a config whose memory is estimated (and `prepare`, whether
its data may be prepared for that). An answer holds the `id` and what was asked for, or `problems`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from trainer.errors import ConfigError, Problem, TraindeckError


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a request; whatever goes wrong is part of the answer."""
    try:
        if "memory" in request:
            from trainer.engine.estimate import estimate

            prepare = bool(request.get("prepare"))
            found: dict[str, Any] = {"estimate": estimate(request["memory"], prepare=prepare)}
        elif "config" in request:
            from trainer.engine.lr_batches import batches_of_epoch

            found = {"batches": batches_of_epoch(request["config"])}
        else:
            from trainer.engine.lr_curve import curve
            from trainer.engine.lr_length import Length

            length = Length(**request["length"])
            found = {"curve": curve(request["optimizer"], request["scheduler"], length)}
    except TraindeckError as error:
        found = {"problems": [_row(problem) for problem in error.problems]}
    except (Exception, SystemExit) as error:
        # Data are anybody's code: whatever it raises is told, and the next request is answered.
        what = f"{type(error).__name__}: {error}".strip()
        found = {"problems": [_row(Problem(what))]}
    return {"id": request.get("id"), **found}


def serve() -> int:
    """Answer until the input ends.

    Returns:
        The exit code.

    Raises:
        ConfigError: A request is no JSON.
    """
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    # What data print belongs to the person's output, not between our answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
        except ValueError as error:
            raise ConfigError(Problem(f"a request is no JSON: {error}")) from error
        out.write(json.dumps(answer(request)) + "\n")
        out.flush()
    return 0


def _follow(parent: int) -> None:
    """End with the process that asks: building data may take long, or never end."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _row(problem: Problem) -> dict[str, str]:
    return {
        "what": problem.what,
        "where": problem.where,
        "remedy": problem.remedy,
        "key": problem.key,
    }


if __name__ == "__main__":
    sys.exit(serve())
