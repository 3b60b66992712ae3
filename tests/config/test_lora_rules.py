"""What is wrong with a fine-tuning is told before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainer.config.compose import compose
from trainer.config.lora_rules import NAME_FIELDS, lacking, lora_problems


@pytest.mark.parametrize(
    ("word", "key", "told"),
    [
        ("expert.prompt_template='{instrution} {output}'", "expert.prompt_template", "instruction"),
        ("expert.prompt_template='{instruction}'", "expert.prompt_template", "{output} once"),
        ("output.name_template='{rol}-{date}'", "output.name_template", "role"),
        ("output.name_template='{role'", "output.name_template", "braces"),
        ("+lora.rank=3", "lora.rank", "'lora.r'"),
        ("+lora.alpha=3", "lora.alpha", "'lora.lora_alpha'"),
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


def test_a_base_that_is_no_model_is_told_before_launch(tmp_path: Path) -> None:
    def told(base: Path | str) -> list[str]:
        config = compose(["lora_quickstart", f"model.base_model='{base}'"]).config
        return [problem.what for problem in lacking(config)]

    (what,) = told(tmp_path)
    assert what == f"The folder '{tmp_path}' holds no config.json: it is no model."
    (what,) = told(tmp_path / "nowhere")
    assert "no folder" in what
    (tmp_path / "config.json").write_text("{}")
    assert told(tmp_path) == told("Qwen/Qwen2.5-Coder-1.5B") == []


def test_dataset_chooses_data_as_it_does_in_a_preset() -> None:
    named, usual = (compose(["lora", f"{key}=alttp_yaze_full"]) for key in ("dataset", "data"))
    assert named.choices["data"] == "alttp_yaze_full"
    assert named.config == usual.config
    (problem,) = compose(["oracle-rauru-mac", "dataset=alttp"], check=False).problems
    assert problem.where == "override dataset=alttp"
    assert "Did you mean 'alttp_yaze_full'?" in problem.remedy or "It has" in problem.remedy
