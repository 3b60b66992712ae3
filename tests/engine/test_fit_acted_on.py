"""The schema's marks say what the engine does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import pytorch_lightning as pl

import trainer.engine
from trainer.config.schema import fields

ROOM = Path(trainer.engine.__file__).parent
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in ROOM.rglob("*.py"))
OWN = [
    known
    for name, known in fields().items()
    # `amp` has become a precision before the engine reads the config.
    if name.startswith("trainer.") and name.count(".") == 1 and name != "trainer.amp"
]


@pytest.mark.parametrize("known", OWN, ids=[known.key for known in OWN])
def test_a_key_of_trainer_is_read_if_and_only_if_it_is_marked_so(known):
    name = known.key.partition(".")[2]
    read = re.search(rf"""["']{name}["']""", SOURCES) is not None
    # What Lightning knows it is given as it is.
    given = name in inspect.signature(pl.Trainer).parameters
    assert known.acted_on == (read or given)
