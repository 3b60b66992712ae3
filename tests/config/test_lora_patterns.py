"""Ranks and alphas of single modules are checked before launch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.config.compose import compose
from trainer.config.onto import compose_onto
from trainer.errors import ConfigError


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (
            "rank_pattern={q_proj: abc}",
            "'lora.rank_pattern.q_proj' cannot be \"abc\": it takes a whole",
        ),
        ("rank_pattern={q_proj: 2.5}", "'lora.rank_pattern.q_proj' cannot be 2.5"),
        ("rank_pattern={q_proj: null}", "'lora.rank_pattern.q_proj' cannot be null"),
        ("alpha_pattern={q_proj: 0}", "'lora.alpha_pattern.q_proj' cannot be 0: it takes a number"),
        ("alpha_pattern={q_proj: true}", "'lora.alpha_pattern.q_proj' cannot be true"),
    ],
)
def test_ranks_of_single_modules_are_checked(pattern: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(["lora", f"lora.{pattern}"])
    assert str(caught.value).startswith(f"override lora.{pattern}: {told}")
    compose(["lora", "lora.rank_pattern={q_proj: 4}", "lora.alpha_pattern={q_proj: 2.5}"])


def test_the_model_has_the_adapter_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'lora.r' is 16, and 'model.lora.r' is 64"):
        compose(["lora", "lora.r=16", "model.lora.r=64"])
    # What follows in a profile is written out in a run.
    made = compose(["lora", "lora.r=16"])
    (tmp_path / "config.yaml").write_text(made.yaml())
    origins = {key: {"origin": str(each)} for key, each in made.provenance.items()}
    (tmp_path / "provenance.json").write_text(json.dumps(origins))
    assert compose_onto(tmp_path, ["trainer.max_steps=9"]).config["lora"]["r"] == 16
    with pytest.raises(ConfigError, match=r"'lora.r' is 8.* a checkpoint keeps the adapter"):
        compose_onto(tmp_path, ["lora.r=8"])
