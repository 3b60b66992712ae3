"""What to turn down when memory ran out."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config.compose import compose
from trainer.config.hardware_advice import advice, less_memory


@pytest.fixture(autouse=True)
def built_in_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def said(*words: str) -> str:
    return advice(compose(["quickstart", *words]).config)


def test_the_batch_goes_first_and_the_effective_one_stays() -> None:
    text = said("trainer.val_check_interval=200")
    assert text == (
        "For this run: dataloader.batch_size=8 trainer.accumulate_grad_batches=2 "
        "trainer.val_check_interval=400."
    )


def test_then_the_sequence_then_the_rank() -> None:
    one = "dataloader.batch_size=1"
    assert said(one) == "For this run: data.context=64."
    assert said(one, "model.context=64", "lora.r=8", "lora.lora_alpha=16") == (
        "For this run: lora.r=4 lora.lora_alpha=8."
    )
    assert said(one, "model.context=64") == ""


def test_the_knobs_of_the_profile_are_named() -> None:
    text = said(
        "hardware=mac-mps", "dataloader.batch_size=1", "trainer.amp=false",
        "++model.gradient_checkpointing=false", "model._target_=torch.nn.Module",
    )  # fmt: skip
    assert "half precision (trainer.precision=16-mixed)" in text
    assert "hardware.max_sequence_length" in text
    assert "checkpointing" not in text  # it does not work there
    text = said("hardware=cloud-a100-40gb", "dataloader.batch_size=8", "trainer.amp=false",
                "++model.gradient_checkpointing=false", "model._target_=torch.nn.Module")  # fmt: skip
    assert "trainer.precision=bf16-mixed" in text
    assert "model.gradient_checkpointing=true" in text


def test_the_advice_composes() -> None:
    settings, _ = less_memory(compose(["quickstart"]).config)
    words = [f"{key}={value}" for key, value in settings.items()]
    assert compose(["quickstart", *words]).config["dataloader"]["batch_size"] == 8


@pytest.mark.parametrize("config", [{}, {"trainer": None, "hardware": None}, {"lora": {"r": "x"}}])
def test_a_config_of_a_script_gives_nothing(config: dict[str, object]) -> None:
    assert advice(config) == ""
