"""What a person sees if the app itself fails: a line or two, and where the details are."""

from __future__ import annotations

import time
import traceback

from trainer.events.text import clean
from trainer.runs.layout import write_bytes_atomic
from trainer.secrets import mask
from tui import memory


def report(error: BaseException | None) -> list[str]:
    """Write down what happened, without the values of variables, and say where.

    Textual's own report prints the variables of every frame, in which a config or an environment
    may lie.

    Args:
        error: What was raised.

    Returns:
        Lines for the plain terminal.
    """
    lines = traceback.format_exception(error) if error is not None else ["no exception\n"]
    text = mask(clean("".join(lines), keep_newlines=True))
    what = clean(text.strip().rsplit("\n", 1)[-1])
    path = memory.folder() / time.strftime("crash-%Y%m%d-%H%M%S.txt")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, text.encode(), sync=False)
        where = f"The details are in {path}"
    except OSError:
        where = text
    return [
        f"traindeck: the app failed: {what}",
        "Runs go on untouched; open it again with: traindeck",
        where,
    ]
