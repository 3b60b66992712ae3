"""What is wrong with a fine-tuning is told before a model is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.config.compose import compose
from trainer.config.lora_rules import NAME_FIELDS, lora_problems


@pytest.mark.parametrize(
    ("word", "key", "told"),
    [
        ("expert.prompt_template='{instrution} {output}'", "expert.prompt_template", "instruction"),
        ("expert.prompt_template='{instruction}'", "expert.prompt_template", "{output} once"),
        ("output.name_template='{rol}-{date}'", "output.name_template", "role"),
        ("output.name_template='{role'", "output.name_template", "braces"),
        ("expert.context_window=512", "data.sequence_length", "512 or less"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(word: str, key: str, told: str) -> None:
    (problem,) = compose(["oracle-rauru-mac", word], check=False).problems
    assert problem.key == key
    assert told in str(problem)
    assert problem.where


def test_a_right_one_has_no_problem() -> None:
    config: dict[str, Any] = compose(["oracle-rauru-mac"]).config
    config["output"]["name_template"] = "-".join(f"{{{name}}}" for name in NAME_FIELDS)
    assert list(lora_problems(config, {})) == []
