"""Single keys: what they take, what is typed for them, and overrides that say the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config.overrides import Override, parse
from trainer.config.values import about, known_keys, override, problem_with, shown, typed


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("trainer.max_epochs", "30", 30),
        ("trainer.max_epochs", "null", None),
        ("optimizer.config.lr", "1e-3", 1e-3),
        ("optimizer.config.betas", "[0.9, 0.95]", [0.9, 0.95]),
        ("run.name", "30", "30"),
        ("run.name", "", None),
        ("run.name", "a: b # c", "a: b # c"),
        ("limits.wall_clock", "8:30:00", "8:30:00"),
        ("limits.wall_clock", "9h", "9h"),
        ("trainer.amp", "true", True),
    ],
)
def test_typed_text_becomes_the_value_that_the_key_takes(key: str, text: str, value: Any) -> None:
    found = typed(text, about(key))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("trainer.max_epochs", "x", "int | null"),
        ("trainer.max_epochs", 3, ""),
        ("optimizer.config.lr", -1, "a number, ≥ 0"),
        ("hardware.device", "cuda0", "Did you mean 'cuda'?"),
        ("limits.wall_clock", "9h", ""),
        ("limits.wall_clock", "9q", "length of time"),
        ("logger.wandb.api_key", "abc", "looks like a secret"),
        ("trainer.max_steps", "${trainer.max_epochs}", ""),
    ],
)
def test_a_value_alone_is_judged_by_the_schema(key: str, value: Any, said: str) -> None:
    found = problem_with(key, value)
    assert (said in found) if said else not found


def test_keywords_of_the_optimiser_in_hand_are_keys() -> None:
    config = {"optimizer": {"type": "SGD"}}
    names = {known.key for known in known_keys(config)}
    assert "optimizer.config.momentum" in names
    assert "optimizer.config.betas" not in names
    assert "trainer.max_epochs" in names
    assert about("optimizer.config.lr", config) is not None


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(PLAIN)
def test_an_override_sets_exactly_the_value(value: Any) -> None:
    found = parse(override("data.x", value))
    if isinstance(value, str) and "${" in value:
        return
    assert isinstance(found, Override)
    assert found.value == value
    assert repr(found.value) == repr(value) or value == found.value


@given(st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none())
def test_what_is_shown_reads_back(value: Any) -> None:
    assert typed(shown(value), None) == value
