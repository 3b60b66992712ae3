"""What is wrong with a fine-tuning is told before a model is loaded."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from trainer.config import lora_rules
from trainer.config.compose import compose
from trainer.config.lora_rules import NAME_FIELDS, lacking, lora_problems
from trainer.config.peft_args import keywords


@pytest.mark.parametrize(
    ("word", "key", "told"),
    [
        ("expert.prompt_template='{instrution} {output}'", "expert.prompt_template", "instruction"),
        ("expert.prompt_template='{instruction}'", "expert.prompt_template", "{output} once"),
        ("output.name_template='{rol}-{date}'", "output.name_template", "role"),
        ("output.name_template='{role'", "output.name_template", "braces"),
        ("+lora.rank=3", "lora.rank", "'lora.r'"),
        ("+lora.alpha=3", "lora.alpha", "'lora.lora_alpha'"),
        ("lora.rr=8", "lora.rr", "Did you mean 'lora.r'?"),
        ("lora.lora_alpa=8", "lora.lora_alpa", "Did you mean 'lora.lora_alpha'?"),
        ("lora.alhpa=8", "lora.alhpa", "Did you mean 'lora.lora_alpha'?"),
        ("lora.nonsense=8", "lora.nonsense", "LoraConfig takes r, target_modules"),
        ("lora.bias=foo", "lora.bias", '"none" | "all" | "lora_only"'),
        ("lora.r=many", "lora.r", "it takes int"),
        ("lora.use_qalora=3", "lora.use_qalora", "LoraConfig takes true or false"),
        ("lora.init_lora_weights=gausian", "lora.init_lora_weights", "Did you mean 'gaussian'?"),
        ("lora.task_type=SEQ_CLS", "lora.task_type", "training sets it"),
        ("expert.rol=asm", "expert.rol", "Did you mean 'expert.role'?"),
        ("evaluation.anwers=3", "evaluation.anwers", "Did you mean 'evaluation.answers'?"),
        ("output.date_format=%Q", "output.date_format", "'%Q'"),
        ("output.date_format=%", "output.date_format", "%Y%m%d"),
        ("output.model_dir=x", "output.model_dir", "Did you mean 'output.models_dir'?"),
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


def test_keywords_of_the_adapter_are_those_that_peft_takes() -> None:
    peft = pytest.importorskip("peft")
    taken = signature(peft.LoraConfig).parameters
    assert set(keywords()) == set(taken)
    for name, part in taken.items():
        if isinstance(part.default, bool | int | float | str):
            assert keywords()[name].takes(part.default), name
    for right in ("pissa_niter_4", True, None):
        assert keywords()["init_lora_weights"].takes(right)
    made = compose(["oracle-rauru-mac", "lora.task_type=CAUSAL_LM", "lora.layers_to_transform=[1]"])
    assert made.config["lora"]["layers_to_transform"] == [1]


def test_without_peft_at_hand_slips_alone_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_rules, "keywords", dict)
    for name, told in (("lora_alpa", ["Did you mean 'lora.lora_alpha'?"]), ("new_in_peft", [])):
        found = lora_problems({"lora": {name: 1}}, {})
        assert [problem.remedy for problem in found] == told


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


@pytest.mark.parametrize("key", ["max_position_embeddings", "n_positions"])
def test_sequences_longer_than_a_base_that_is_here_are_told(tmp_path: Path, key: str) -> None:
    def told(length: int) -> list[str]:
        words = [
            "lora_quickstart",
            f"model.base_model={tmp_path}",
            f"data.sequence_length={length}",
        ]
        return [str(problem) for problem in lacking(compose(words).config)]

    (tmp_path / "config.json").write_text(f'{{"{key}": 128}}')
    assert told(128) == []
    (problem,) = told(129)
    assert f"'data.sequence_length' is 129, and '{tmp_path}' takes 128 tokens." in problem
    assert "Set data.sequence_length to 128 or less." in problem
    (tmp_path / "config.json").write_text("[]")
    assert told(129) == []


def test_a_name_that_no_disk_takes_is_told(tmp_path: Path) -> None:
    (problem,) = compose(["lora", f"output.name_template={'x' * 300}"], check=False).problems
    assert "300 bytes long" in problem.what


def test_dataset_chooses_data_as_it_does_in_a_preset() -> None:
    named, usual = (compose(["lora", f"{key}=alttp_yaze_full"]) for key in ("dataset", "data"))
    assert named.choices["data"] == "alttp_yaze_full"
    assert named.config == usual.config
    (problem,) = compose(["oracle-rauru-mac", "dataset=alttp"], check=False).problems
    assert problem.where == "override dataset=alttp"
    assert "Did you mean 'alttp_yaze_full'?" in problem.remedy or "It has" in problem.remedy


def test_samples_are_looked_at_before_launch(tmp_path: Path) -> None:
    def told(*more: str) -> list[str]:
        words = ["lora_quickstart", f"data.root={tmp_path}", "model.base_model=gpt2", *more]
        return [str(problem) for problem in lacking(compose(words).config)]

    good = '{"instruction": "a", "output": "b"}\n'
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.jsonl").write_text(f"\ufeff{good}\n{good}", encoding="utf-8")
    assert told() == []
    (tmp_path / "val.jsonl").write_text(f'{good}nonsense\n{good}{{"instruction": "a"}}\n')
    first, second = told()
    assert first.startswith(f"{tmp_path}/val.jsonl:2: The line is no JSON")
    assert second == f"{tmp_path}/val.jsonl:4: The sample lacks 'output'."
    (tmp_path / "val.jsonl").write_text("[]\n" * 100)
    assert len(told()) == 5
    assert told("data.val_split=null") == []
    (place,) = told("data.val_split=null", f"output.models_dir={tmp_path}/test.jsonl/models")
    assert f"{tmp_path}/test.jsonl is a file" in place
    (file,) = told(f"data.root={tmp_path}/train.jsonl")
    assert f"this is a file: set it to {tmp_path}" in file
    (tmp_path / "test.jsonl").unlink()
    (missing,) = told("data.val_split=null")
    assert "There is no file of samples" in missing
    assert "Set data.test_split to its name" in missing
    assert told("data.val_split=null", "evaluation.after_training=false") == []
