"""What may be typed next on a line of overrides."""

from __future__ import annotations

import pytest

from trainer.config.complete import Suggestion, suggestions
from trainer.config.compose import compose
from trainer.config.overrides import Override, parse
from trainer.config.sources import list_groups, list_options
from trainer.config.values import known_keys

GROUPS = {group: list_options(group) for group in list_groups()}


def offered(line: str, *words: str) -> list[Suggestion]:
    config = compose(words).config
    return suggestions(line, GROUPS, known_keys(config), config)


def texts(line: str, *words: str) -> list[str]:
    return [suggestion.text for suggestion in offered(line, *words)]


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("quick", "quickstart"),
        ("trainer=ci", "trainer=ci_fast"),
        ("optimizer.config.l", "optimizer.config.lr="),
        ("+trainer.max_ep", "+trainer.max_epochs="),
        ("~sche", "~scheduler"),
        ("trainer.precision=b", "trainer.precision=bf16-true"),
        ("seed=", "seed=42"),
    ],
)
def test_the_first_suggestion(line: str, first: str) -> None:
    assert texts(line)[0] == first


def test_a_part_of_a_key_or_its_help_is_enough() -> None:
    assert "dataloader.batch_size=" in texts("batch")
    assert "optimizer.config.lr=" in texts("learning rate")


def test_keywords_follow_the_class_in_use() -> None:
    assert "optimizer.config.momentum=" in texts("optimizer.config.m", "optimizer=sgd")
    assert "optimizer.config.momentum=" not in texts("optimizer.config.m")


def test_each_says_what_it_is() -> None:
    (found,) = [s for s in offered("trainer.max_epochs") if s.text == "trainer.max_epochs="]
    assert "int | null" in found.what
    assert "Stop after this many epochs" in found.what
    assert not found.whole
    assert all(s.what and s.whole for s in offered("trainer="))


def test_every_value_offered_can_be_typed() -> None:
    for key in known_keys():
        for suggestion in offered(f"{key.key}="):
            assert isinstance(parse(suggestion.text), Override), suggestion.text


@pytest.mark.parametrize("line", ["", "=", "a=b=c", "~", "++", "nothing_like_it", "[x]", "\x1b"])
def test_any_line_has_an_answer(line: str) -> None:
    assert isinstance(offered(line), list)
