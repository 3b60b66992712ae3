"""Bases of other kinds, adapters of other kinds, and what neither can be."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn import functional

from trainer.errors import ConfigError
from trainer.recipes.lora import hub, probe
from trainer.recipes.lora.data import IGNORE, Instructions
from trainer.recipes.lora.folder import save
from trainer.recipes.lora.loss import AnswerLoss
from trainer.recipes.lora.measure import evaluate, generate
from trainer.recipes.lora.merge import merge
from trainer.recipes.lora.model import LoraModel

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
}


@pytest.fixture
def other(base: Path, tmp_path: Path) -> Any:
    """Make a base of another kind, with the tiny base's tokenizer and random weights."""

    def make(kind: str, **more: Any) -> str:
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0)
        config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **ends, **more)
        torch.manual_seed(0)
        to = (
            transformers.AutoModelForSeq2SeqLM
            if kind == "T5"
            else transformers.AutoModelForCausalLM
        )
        model = to.from_config(config)  # type: ignore[no-untyped-call]
        for parameter in model.parameters():
            parameter.data.mul_(3 if parameter.ndim > 1 else 1)
        model.save_pretrained(tmp_path / kind)
        tokenizer.save_pretrained(tmp_path / kind)
        return str(tmp_path / kind)

    return make


def data(root: Path, base: str | Path, **more: Any) -> Instructions:
    made = Instructions(str(root), tokenizer=str(base), sequence_length=192, max_items=8, **more)
    made.say = lambda _: None
    return made


@pytest.mark.parametrize(
    ("kind", "more", "packs"),
    [
        ("Llama", {"num_key_value_heads": 1, **SIZES}, True),
        ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}, True),
        ("Phi", SIZES, True),
        ("Bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 2}, False),
    ],
)
def test_other_kinds_give_the_loss_of_each_sample_alone(
    other: Any, instructions: Path, kind: str, more: dict[str, Any], packs: bool
) -> None:
    base = other(kind, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = LoraModel(base, lora={"r": 2, "target_modules": "all-linear"})
    model.eval()
    source = data(instructions, base)
    rows = [source.train_dataset()[number] for number in range(4)]
    losses = []
    with torch.no_grad():
        for (sample,) in rows:
            ids = sample.tokens.long()[None]
            logits = model.network(input_ids=ids, use_cache=False).logits[0, sample.prompt - 1 : -1]
            losses.append(
                functional.cross_entropy(logits, ids[0, sample.prompt :], reduction="none")
            )
        got, _ = AnswerLoss()(model, source.collate(rows))
        packed = data(instructions, base, packing=True)
        if packs:
            model.see_data(packed)
            together, _ = AnswerLoss()(model, packed.collate([[row[0] for row in rows]]))
            assert float(together) == pytest.approx(float(got), abs=1e-4)
        else:
            with pytest.raises(ConfigError, match="look from one sample at another"):
                model.see_data(packed)
    assert float(got) == pytest.approx(float(torch.cat(losses).mean()), abs=1e-4)
    # An answer ends where the model's context is full.
    if model.longest:
        assert isinstance(generate(model, source, [5] * 250, 64), str)
        assert generate(model, source, [5] * 256, 64) == ""


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("T5", {"d_model": 32, "num_layers": 1, "decoder_start_token_id": 0}, "of the kind 't5'"),
        ("Bert", SIZES, "reads what comes after"),
    ],
)
def test_what_does_not_go_on_with_a_text_is_refused(
    other: Any, kind: str, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        LoraModel(other(kind, **more), lora={"target_modules": "all-linear"})


@pytest.mark.parametrize("begin", ["pissa_niter_4", "olora", "eva", "corda", "loftq"])
def test_beginnings_that_change_the_base_are_refused(base: Path, begin: str) -> None:
    with pytest.raises(ConfigError, match="gaussian or orthogonal"):
        LoraModel(str(base), lora={"r": 2, "init_lora_weights": begin})


@pytest.mark.parametrize(
    "lora",
    [
        {"use_dora": True, "use_rslora": True},
        {"bias": "all", "init_lora_weights": "gaussian"},
        {"modules_to_save": ["lm_head"]},
        {"target_modules": ["q_proj", "embed_tokens"]},  # tied to the head, which does not change
    ],
)
def test_base_and_merged_are_what_they_are_called(
    base: Path, instructions: Path, tmp_path: Path, lora: dict[str, Any]
) -> None:
    source = data(instructions, base)
    batch = source.collate([source.train_dataset()[number] for number in range(4)])

    def loss_of(model: Any) -> float:
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"], use_cache=False).logits
        at = torch.take_along_dim(logits, batch["positions"][..., None], 1).flatten(0, -2)
        return float(functional.cross_entropy(at, batch["labels"].flatten(), ignore_index=IGNORE))

    model = LoraModel(str(base), lora={"r": 2, "target_modules": ["q_proj", "v_proj"], **lora})
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        AnswerLoss()(model, batch)[0].backward()
        optimizer.step()
    model.eval()
    plain = loss_of(hub.load_model(model.base).eval())
    trained = loss_of(model.network)
    assert abs(trained - plain) > 1e-3
    with model.base_alone():
        assert loss_of(model.network) == pytest.approx(plain, abs=1e-5)
    assert loss_of(model.network) == pytest.approx(trained, abs=1e-6)
    folder = save(tmp_path, "one", model, source, {"model": {"base_digest": model.digest}})
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    merged = merge(folder, tmp_path / "merged")
    again = hub.load_model(hub.Base("merged", merged)).eval()
    assert loss_of(again) == pytest.approx(trained, abs=1e-4)


def test_packed_rows_in_a_row_give_the_same(base: Path, instructions: Path) -> None:
    source = data(instructions, base, packing=True)
    model = LoraModel(str(base), lora={"r": 2}).eval()
    samples = list(source.train_dataset().sequences)
    batch = source.collate([samples[:2], samples[2:5]])
    wanted, _ = AnswerLoss()(model, batch)
    model._flat = True  # as flash attention needs it, which runs on a GPU alone
    got, _ = AnswerLoss()(model, batch)
    assert float(got.detach()) == pytest.approx(float(wanted.detach()), abs=1e-5)


def test_probes_do_not_need_the_kernel_that_trains(base: Path) -> None:
    model = LoraModel(str(base), lora={"r": 2})
    inner = model.network.get_base_model()
    inner.config._attn_implementation = "flash_attention_2"
    assert probe.flash(model.network)
    assert probe.keeps_apart(model.network)
    assert inner.config._attn_implementation == "flash_attention_2"


def test_the_split_that_is_there_is_measured(base: Path, instructions: Path) -> None:
    source = data(instructions, base, val_split=None)
    model = LoraModel(str(base), lora={"r": 2})
    found = evaluate(model, source, split="val", answers=0)
    assert found is not None
    assert found.split == "test"
