"""Ranks and alphas of single modules are checked before launch."""

from __future__ import annotations

import pytest

from trainer.config.compose import compose
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
