"""The stand-in for the writer on ranks that write nothing."""

from __future__ import annotations

import copy

import pytest

from trainer.engine.session import NoEvents


def test_it_takes_what_the_writer_takes_and_nothing_else():
    events = copy.deepcopy(NoEvents())
    events.emit("checkpoint", flush=True, path="x")
    events.metrics(1, {"train/loss": 0.5}, epoch=0)
    events.metrics_rows([])
    events.log("info", "x")
    events.alert("error", "kind", "x", step=1)
    events.close()
    assert events.flush(1.0) is True
    with pytest.raises(AttributeError):
        events.metric(1, {})
