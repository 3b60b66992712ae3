"""The best value of one metric of a run, followed through its growing file of events.

A sweep may have hundreds of runs, and only one metric of each counts: whole files are searched for
its name as bytes, and only the lines that hold it are parsed.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

from trainer.runs.layout import open_regular

_BLOCK = 1 << 20
# A line longer than this is no metrics event of ours.
_MOST = 1 << 20


class Best:
    """Follows a metric.

    Args:
        path: The file of events; it need not exist yet.
        metric: The metric's name.
        goal: "min" or "max".
    """

    def __init__(self, path: str, metric: str, goal: str) -> None:
        self._path = path
        self._metric = metric
        self._word = json.dumps(metric).encode()
        self._sign = -1.0 if goal == "max" else 1.0
        self._begin()

    def _begin(self) -> None:
        self._file: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""
        # By step, rising, and only what is better than all before it: what a resume may go back to.
        self._records: list[tuple[int, float]] = []

    def look(self) -> tuple[float | None, int | None]:
        """Read what has come since the last look.

        Returns:
            The best finite value and its step; None and None without one.
        """
        try:
            info = os.stat(self._path)  # noqa: PTH116 - for each run at each look; a Path costs more
            file = (info.st_dev, info.st_ino)
            if file != self._file or info.st_size < self._offset:
                self._begin()
                self._file = file
            if info.st_size > self._offset:
                self._read()
        except OSError:
            pass
        if not self._records:
            return None, None
        step, value = self._records[-1]
        return value * self._sign, step

    def _read(self) -> None:
        with os.fdopen(open_regular(self._path), "rb") as file:
            file.seek(self._offset)
            while block := file.read(_BLOCK):
                self._offset += len(block)
                data = self._rest + block
                end = data.rfind(b"\n") + 1
                self._take(data[:end])
                self._rest = data[end:] if len(data) - end <= _MOST else b""

    def _take(self, data: bytes) -> None:
        """Take whole lines."""
        at = data.find(self._word)
        while at >= 0:
            end = data.find(b"\n", at)
            start = data.rfind(b"\n", 0, at) + 1
            self._line(data[start:end])
            at = data.find(self._word, end)

    def _line(self, line: bytes) -> None:
        try:
            event: Any = json.loads(line)
            if event["event"] != "metrics":
                return
            step, value = event["step"], event["metrics"][self._metric]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(step, bool) or not isinstance(step, int):
            return
        # A step that comes again takes the place of all that was told from there on.
        while self._records and self._records[-1][0] >= step:
            self._records.pop()
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        if not math.isfinite(value):
            return
        value = self._sign * float(value)
        if not self._records or value < self._records[-1][1]:
            self._records.append((step, value))
