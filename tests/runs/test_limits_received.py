"""What the supervisor holds a run to, key by key, as the launcher has read it from the config."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer.config.schema import defaults
from trainer.runs.layout import RunFolder
from trainer.runs.supervisor import Supervisor

PLAIN = defaults()["limits"]


@pytest.fixture
def received(make_run: Callable[..., RunFolder]) -> Callable[..., object]:
    def read(name: str, **limits: float) -> object:
        return getattr(Supervisor(make_run(**PLAIN | limits)).limits, name)

    return read


@pytest.mark.proves("limits.wall_clock")
def test_the_wall_clock(received: Callable[..., object]) -> None:
    assert received("wall_clock_s") is None
    assert received("wall_clock_s", wall_clock=90.0) == 90.0


@pytest.mark.proves("limits.grace")
def test_the_time_for_a_checkpoint(received: Callable[..., object]) -> None:
    assert received("ask_after_s", wall_clock=900.0) == 840.0
    assert received("ask_after_s", wall_clock=900.0, grace=5.0) == 895.0


@pytest.mark.proves("limits.memory_gb")
def test_main_memory(received: Callable[..., object]) -> None:
    assert received("memory_bytes") is None
    assert received("memory_bytes", memory_gb=0.5) == 2.0**29
