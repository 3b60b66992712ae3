"""Whatever is asked for, clamping makes of it what the profile allows, once and for all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config.compose import Composed, compose
from trainer.config.hardware_batch import batch_of
from trainer.config.hardware_clamp import clamp, unlike
from trainer.config.hardware_rules import excesses, hardware_problems
from trainer.config.onto import compose_onto
from trainer.errors import ConfigError

whole = st.integers(1, 300)
perhaps = st.one_of(st.none(), whole)
ranks = st.dictionaries(st.sampled_from(["q", "k", "v"]), st.integers(1, 64), max_size=3)
CONFIGS = st.fixed_dictionaries(
    {
        "hardware": st.fixed_dictionaries(
            {
                "device": st.sampled_from([None, "cuda"]),
                "devices": perhaps,
                "max_batch_size": perhaps,
                "max_sequence_length": perhaps,
                "max_lora_rank": perhaps,
                "supports_fp16": st.sampled_from([None, True, False]),
                "supports_bf16": st.sampled_from([None, True, False]),
                "supports_gradient_checkpointing": st.sampled_from([None, True, False]),
            }
        ),
        "trainer": st.fixed_dictionaries(
            {
                "accelerator": st.just("gpu"),
                "devices": st.one_of(
                    st.integers(1, 9),
                    st.lists(st.integers(0, 9), min_size=1, max_size=9, unique=True),
                    st.sampled_from(["auto", "-1", "0,2,3", "4"]),
                ),
                "num_nodes": st.integers(1, 3),
                "accumulate_grad_batches": st.integers(1, 9),
                "precision": st.sampled_from(["16-mixed", "bf16-true", "32-true", "bf16", 16, None]),
                "val_check_interval": st.one_of(whole, st.just(0.5)),
            }
        ),
        "dataloader": st.fixed_dictionaries(
            {"batch_size": whole, "type": st.just("TextDataLoader"), "max_length": perhaps}
        ),
        "data": st.fixed_dictionaries({"sequence_length": perhaps, "context": perhaps}),
        "model": st.fixed_dictionaries({"gradient_checkpointing": st.booleans()}),
        "lora": st.fixed_dictionaries(
            {
                "r": perhaps,
                "lora_alpha": perhaps,
                "rank_pattern": st.one_of(st.none(), ranks),
                "alpha_pattern": st.one_of(st.none(), ranks),
                "use_rslora": st.booleans(),
            }
        ),
    }
)  # fmt: skip


def laid(config: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what clamping finds over a config."""
    over: dict[str, Any] = {name: dict(section) for name, section in config.items()}
    for each in clamp(config):
        section, _, name = each.key.partition(".")
        over[section][name] = each.value
    return over


def samples(config: Mapping[str, Any]) -> int:
    batch = batch_of(config)
    assert batch is not None
    return batch.size * batch.accumulate * batch.nodes * (batch.devices or 1)


def scales(lora: Mapping[str, Any]) -> dict[str, float]:
    """Give the scale of the adapter of each module, as PEFT computes it; "" is every other one."""
    ranks, alphas = lora["rank_pattern"] or {}, lora["alpha_pattern"] or {}
    found = {}
    for name in ("", "q", "k", "v"):
        rank, alpha = ranks.get(name, lora["r"]), alphas.get(name, lora["lora_alpha"])
        if rank is not None and alpha is not None:
            found[name] = alpha / (rank**0.5 if lora["use_rslora"] else rank)
    return found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(CONFIGS)
def test_what_is_clamped_passes_and_stays(config: dict[str, Any]) -> None:
    made = laid(config)
    assert list(hardware_problems(made, {})) == []
    assert clamp(made) == []
    if not list(excesses(config)):
        assert made == config
    least = samples(config)
    if unlike(config, made):
        # Rounded up, and by less than one batch of each device more.
        assert least < samples(made) < 2 * least + made["dataloader"]["batch_size"] * 27
    else:
        assert samples(made) == least
    assert scales(made["lora"]) == pytest.approx(scales(config["lora"]))
    allowed = config["hardware"]["max_lora_rank"]
    if allowed is not None:
        assert all(rank <= allowed for rank in (made["lora"]["rank_pattern"] or {}).values())


@pytest.fixture(autouse=True)
def built_in_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def on(hardware: str, *overrides: str, **options: Any) -> Composed:
    return compose(["quickstart", f"hardware={hardware}", *overrides], **options)


def test_devices_that_are_named_stay_those_that_were_named() -> None:
    for wanted in ("[2,3,5,7]", "'2,3,5,7'"):
        words = ("trainer.accelerator=gpu", f"trainer.devices={wanted}", "dataloader.batch_size=4")
        made = on("kaggle-t4x2", *words, clamp=True)
        assert made.config["trainer"]["devices"] == [2, 3]
        assert made.config["trainer"]["accumulate_grad_batches"] == 2


@pytest.mark.parametrize("wrong", ["'a,b,c'", "'[0,1,2]'", "[a,b,c]", "'0,-1,2'"])
def test_devices_that_are_none_are_a_problem(wrong: str) -> None:
    words = ("trainer.accelerator=gpu", f"trainer.devices={wrong}")
    with pytest.raises(ConfigError, match=r"'trainer.devices' cannot be"):
        on("kaggle-t4x2", *words, clamp=True)


def test_ranks_of_single_modules_are_held_to_the_limit() -> None:
    words = ("lora.r=8", "lora.lora_alpha=16", "+lora.rank_pattern={q_proj: 64}")
    with pytest.raises(ConfigError, match=r"'lora.rank_pattern' gives q_proj 64"):
        on("mac-mps", "dataloader.batch_size=1", *words)
    made = on("mac-mps", *words, clamp=True)
    assert made.config["lora"]["rank_pattern"] == {"q_proj": 8}
    assert made.config["lora"]["alpha_pattern"] == {"q_proj": 2}


@pytest.mark.parametrize("wrong", ["null", "abc", "-3", "true"])
def test_ranks_that_are_no_ranks_are_passed_over(wrong: str) -> None:
    pattern = f"+lora.rank_pattern={{q_proj: {wrong}, k_proj: 64}}"
    made = on("mac-mps", "lora.r=8", "lora.lora_alpha=16", pattern, clamp=True, check=False)
    assert made.config["lora"]["rank_pattern"]["k_proj"] == 8
    assert made.config["lora"]["rank_pattern"]["q_proj"] not in (8, 64)


def test_the_errors_together_keep_the_effective_batch() -> None:
    with pytest.raises(ConfigError) as caught:
        on("kaggle-t4x2", "trainer.devices=4", "dataloader.batch_size=128")
    first, second = map(str, caught.value.problems)
    assert "Set trainer.devices=2 trainer.accumulate_grad_batches=2" in first
    assert "Set dataloader.batch_size=64 trainer.accumulate_grad_batches=4" in second


def test_what_follows_a_lowered_value_is_clamped_too() -> None:
    # It grows while the batch shrinks.
    words = ("dataloader.batch_size=256", "lora.r=${trainer.accumulate_grad_batches}")
    made = on("cloud-rtx-4090", *words, clamp=True)
    assert made.config["trainer"]["accumulate_grad_batches"] == 64
    assert made.config["lora"]["r"] == 32
    assert not list(excesses(made.config))


def test_what_follows_by_an_interpolation_is_not_told_twice() -> None:
    made = compose(["lora", "hardware.max_lora_rank=8", "lora.r=16"], clamp=True, check=False)
    assert made.config["model"]["lora"]["r"] == 8
    told = {change.key: change.origin.text for change in made.clamped if change.origin}
    assert sorted(told) == ["lora.lora_alpha", "lora.r"]
    assert all(text.startswith("clamped from") for text in told.values())
    words = ("lora.r=8", "+lora.rank_pattern={q_proj: 64}")
    whole = on("mac-mps", *words, clamp=True).clamped
    assert "lora.rank_pattern.q_proj" in {change.key for change in whole}


def test_typed_as_overrides_the_settings_do_the_same() -> None:
    words = ("dataloader.batch_size=10", "trainer.accumulate_grad_batches=3")
    made = on("cloud-rtx-4090", *words, clamp=True)
    typed = [f"{change.key}={change.new}" for change in made.clamped]
    again = on("cloud-rtx-4090", *words, *typed, clamp=True)
    assert again.config == made.config
    assert again.clamped == ()


def test_a_run_that_goes_on_is_clamped_onto_what_it_was(tmp_path: Path) -> None:
    was = compose(("quickstart", "trainer.accelerator=cpu", "dataloader.batch_size=6"))
    (tmp_path / "config.yaml").write_text(was.yaml())
    words = ("hardware.max_batch_size=4", "trainer.accumulate_grad_batches=2")
    with pytest.raises(ConfigError, match="takes at most 4"):
        compose_onto(tmp_path, words)
    made = compose_onto(tmp_path, words, clamp=True)
    batch = batch_of(made.config)
    assert batch is not None
    assert (batch.size, batch.accumulate, batch.effective) == (4, 3, 12)
    assert {change.key for change in made.clamped} >= {"dataloader.batch_size"}
    place = str(made.provenance["dataloader.batch_size"])
    assert place == "resolved (clamped from 6 by hardware.max_batch_size)"
    assert made.overrides == words
    assert not compose_onto(tmp_path, clamp=True).clamped
    with pytest.raises(ConfigError, match="nonsense"):
        compose_onto(tmp_path, (*words, "trainer.nonsense=1"), clamp=True)
