"""Whatever a training loop passes, the writer does not raise: it counts a line as dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.events import EventWriter


class Hostile(dict[str, float]):
    def items(self) -> Any:
        raise RuntimeError("items")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def keys(self) -> Any:
        raise RuntimeError("keys")


class Attributes:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Key:
    def __str__(self) -> str:
        raise RuntimeError("str")


CALLS: list[Callable[[EventWriter], Any]] = [
    lambda w: w.metrics(1, None),  # type: ignore[arg-type]  # on purpose
    lambda w: w.metrics(1, Hostile(a=1.0)),
    lambda w: w.metrics(1, {Key(): Attributes()}),  # type: ignore[dict-item]  # on purpose
    lambda w: w.metrics_rows(None),  # type: ignore[arg-type]  # on purpose
    lambda w: w.metrics_rows([(1.0, 2)]),  # type: ignore[list-item]  # on purpose
    lambda w: w.emit("note", field=Attributes()),
    lambda w: w.emit("note", field=Hostile(a=1.0)),
    lambda w: w.log("info", Attributes()),  # type: ignore[arg-type]  # on purpose
    lambda w: w.alert("warning", "kind", Key()),  # type: ignore[arg-type]  # on purpose
]


@pytest.mark.parametrize("call", CALLS)
def test_nothing_that_is_passed_raises_and_what_follows_is_written(
    call: Callable[[EventWriter], Any], tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        call(writer)
        writer.metrics(7, {"train/loss": 0.5})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {"train/loss": 0.5} in [line.get("metrics") for line in lines if line.get("step") == 7]
    # Either it could be written after all, or its loss is told.
    others = [line for line in lines if line.get("step") != 7]
    assert others, "a line, or a word about the line that was dropped"
