"""No key of the engine without a test that shows what setting it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from enginelab.proofs import proofs

from trainer.config.schema import fields

TESTS = Path(__file__).parents[1]
SECTIONS = ("trainer", "optimizer", "scheduler", "dataloader", "loss", "logger", "limits")
PROVED = dict(proofs(TESTS))


def test_every_key_that_is_acted_on_is_proved():
    keys = [
        known.key
        for known in fields().values()
        if known.key.partition(".")[0] in SECTIONS and not known.section and known.acted_on
    ]
    assert len(keys) > 100
    assert [key for key in keys if key not in PROVED] == []


def test_every_proof_is_of_a_key_that_is_there_and_acted_on():
    assert {
        key: test for key, test in PROVED.items() if key not in fields() or fields()[key].section
    } == {}
    assert {key: test for key, test in PROVED.items() if not fields()[key].acted_on} == {}


CASES = """
import pytest
LISTED = [proof("listed", 1), pytest.param(2, marks=pytest.mark.proves("marked"))]
UNUSED = [proof("unused", 1)]

@pytest.mark.proves("one", "two")
def test_a(): ...

@pytest.mark.parametrize(("key", "value"), LISTED)
def test_b(key, value): ...

@pytest.mark.gpu
@pytest.mark.proves("somewhere else")
def test_c(): ...

@pytest.mark.proves("no test")
def helper(): ...
"""


def test_only_what_a_test_says_of_itself_counts(tmp_path):
    (tmp_path / "test_x.py").write_text(CASES)
    assert {key for key, _ in proofs(tmp_path)} == {"one", "two", "listed", "marked"}

    (tmp_path / "test_x.py").write_text("@mark.proves(KEY)\ndef test_a(): ...\n")
    with pytest.raises(ValueError, match="malformed"):
        list(proofs(tmp_path))
