"""A batch of another size counts the samples that lie behind, to the sample where it divides them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from trainer.engine.moment import Moment


@pytest.mark.parametrize(
    ("size", "batches", "now", "left"),
    [
        (6, 4, 4, 6),  # twice three batches of 4 are twice two of 6
        (8, 5, 4, 10),
        (1, 49, 49, 1),  # 49 * (1 / 49) is less than 1 in floating point
        (1, 93, 31, 3),
        (4, 5, 8, 2),  # half a batch is trained on again rather than left out
    ],
)
def test_an_epoch_goes_on_behind_the_samples_that_were_seen(size, batches, now, left):
    places: list[Any] = []

    def geometry(batch_size: int) -> dict[str, int]:
        return {"samples": 1000, "batch_size": batch_size, "world_size": 1}

    data: Any = SimpleNamespace(
        geometry=lambda: geometry(now), seek=lambda *place: places.append(place)
    )
    own = {"epoch": 1, "batches": batches, "geometry": geometry(size), "ranks": [{}]}
    moment = Moment()
    assert moment.seek(own, data, 0) == ""
    assert places == [(1, left, None)]
    progress: Any = SimpleNamespace(
        ready=batches, started=batches, processed=batches, completed=batches
    )
    moment.rescale(progress, 1000)
    assert progress.completed == progress.ready == left
