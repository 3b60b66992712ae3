"""From lines of JSON to batches of tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.config.prompt_template import Template
from trainer.errors import ConfigError
from trainer.recipes.lora.data import IGNORE, Instructions
from trainer.recipes.lora.loss import AnswerLoss
from trainer.recipes.lora.model import LoraModel
from trainer.recipes.lora.packing import packs
from trainer.recipes.lora.records import read

SAMPLES: list[dict[str, Any]] = [
    {"instruction": "Add.", "input": "1 1", "output": "2", "domain": "asm", "quality_score": 0.9},
    {"instruction": "Say {x}.", "output": "{x}", "domain": "prose", "quality_score": 0.3},
    {"instruction": "Wait a while.", "output": "Done waiting.", "quality": 0.7},
    {
        "instruction": "No score.",
        "input": "",
        "output": "Good.",
        "domain": "asm",
        "quality_score": None,
    },
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    place.mkdir()
    text = "\n".join(json.dumps(sample) for sample in SAMPLES)
    for split in ("train", "val", "test"):
        (place / f"{split}.jsonl").write_text(text + "\n\n")
    return place


def data(folder: Path, base: Path, **more: Any) -> Instructions:
    made = Instructions(str(folder), tokenizer=str(base), **more)
    made.say = lambda text: made.__dict__.setdefault("said", []).append(text)
    return made


def test_the_usual_template_reads_as_documented() -> None:
    template = Template.of(None)
    assert template.prompt("Add.", "1 1") == (
        "Below is an instruction, paired with context. Write a response.\n\n"
        "### Instruction:\nAdd.\n\n### Input:\n1 1\n\n### Response:\n"
    )
    assert template.prompt("Say {x}.") == (
        "Below is an instruction. Write a response.\n\n"
        "### Instruction:\nSay {x}.\n\n### Response:\n"
    )
    assert template.answer("{y}") == "{y}"


def test_a_template_of_ones_own_keeps_its_braces_and_its_tail() -> None:
    template = Template.of("{{json}} {instruction}{input_section}\n-> {output} <end>")
    assert template.prompt("Go") == "{json} Go\n-> "
    assert template.answer("x") == "x <end>"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{instrution} {output}", "instruction"),
        ("{instruction}", "{output} once"),
        ("{output} {output} {instruction}", "{output} once"),
        ("{instruction} {output", "braces"),
        ("{output} then {instruction}", "behind the answer"),
        ("{instruction!r} {output}", "placeholder"),
    ],
)
def test_templates_that_cannot_be_filled_are_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Template.of(text)
    assert told in str(caught.value)


def test_samples_are_chosen_by_quality_and_domain(folder: Path) -> None:
    path = folder / "train.jsonl"
    every = read(path)
    assert (len(every.kept), every.read, every.domains) == (4, 4, {"asm": 2, "prose": 1})
    good = read(path, quality_threshold=0.6)
    assert [each.output for each in good.kept] == ["2", "Done waiting.", "Good."]
    assert good.low == 1
    some = read(path, domains=["asm"])
    assert [each.output for each in some.kept] == ["2", "Done waiting.", "Good."]
    assert some.other == 1
    assert some.others == {"prose": 1}


def test_where_nothing_is_left_the_way_out_is_named(folder: Path, base: Path) -> None:
    def told(**settings: Any) -> str:
        data = Instructions(folder, tokenizer=str(base), sequence_length=64, **settings)
        with pytest.raises(ConfigError) as error:
            data.train_dataset()
        return str(error.value)

    lines = [json.dumps(s) for s in SAMPLES if "domain" in s]
    (folder / "train.jsonl").write_text("\n".join(lines))
    text = told(domains=["debugging"])
    assert text.endswith("Name other data.domains (there are asm, prose).")
    both = told(domains=["debugging"], quality_threshold=0.5)
    assert "Lower data.quality_threshold or name other data.domains (there are asm)" in both
    (folder / "train.jsonl").write_text("\n")
    assert told().endswith("The file holds no sample.")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"instruction": "x"}', "lacks 'output'"),
        ("[1]", "no JSON object"),
        ("{", "no JSON"),
        ('{"instruction": 1, "output": "x"}', "no text as 'instruction'"),
        ('{"instruction": "a", "output": "x", "quality_score": "high"}', "no number"),
        ('{"instruction": "a", "output": "\\ud83d"}', "half a character"),
        ('{"instruction": "a", "output": ' + "[" * 100_000, "no JSON"),
    ],
)
def test_lines_that_are_no_samples_are_named(folder: Path, line: str, told: str) -> None:
    path = folder / "train.jsonl"
    path.write_text(path.read_text().rstrip() + "\n" + line + "\n")
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert told in str(caught.value)
    assert f"{path}:5" in str(caught.value)


def test_files_of_other_systems_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    lines = [
        '{"instruction": "ä\u2028b", "output": "1"}',
        "",
        '{"instruction": "c", "output": "😀"}',
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    found = read(path)
    assert [(each.instruction, each.output) for each in found.kept] == [
        ("ä\u2028b", "1"),
        ("c", "😀"),
    ]
    assert found.kept[1].output == "😀"
    path.write_bytes(path.read_bytes() + b'\r\n{"instruction": "\xff"}')
    with pytest.raises(ConfigError, match=r"jsonl:4: The line is no UTF-8"):
        read(path)
    path.write_text("x" * 300)
    with pytest.raises(ConfigError, match="has been changed"):
        _ = found.kept[0]


def test_a_missing_file_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.root.*make-instruct"):
        read(tmp_path / "train.jsonl")


@pytest.mark.parametrize("response_only", [True, False])
def test_what_counts_in_a_batch(folder: Path, base: Path, response_only: bool) -> None:
    made = data(folder, base, response_only=response_only)
    rows = made.train_dataset()
    batch = made.collate([rows[0], rows[2]])
    tokenizer = made.tokenizer
    end = tokenizer.eos_token_id
    for row, sample in enumerate((SAMPLES[0], SAMPLES[2])):
        labels = batch["labels"][row]
        counted = labels[labels != IGNORE]
        assert counted[-1] == end
        text = tokenizer.decode(counted[:-1])
        if response_only:
            assert text == sample["output"]
        else:
            assert text.endswith(f"### Response:\n{sample['output']}")
            assert len(text) > 60
        # Each label is the token behind its place.
        at = batch["positions"][row][: len(counted)]
        assert torch.equal(batch["input_ids"][row][at + 1], counted)


def test_truncation_is_told_and_hopeless_samples_are_left_out(folder: Path, base: Path) -> None:
    whole = data(folder, base)
    lengths = [len(row[0].tokens) for row in map(whole.train_dataset().__getitem__, range(4))]
    prompts = [row[0].prompt for row in map(whole.train_dataset().__getitem__, range(4))]
    limit = prompts[2] + 1
    made = data(folder, base, sequence_length=limit)
    kept = [
        row[0] for row in map(made.train_dataset().__getitem__, range(len(made.train_dataset())))
    ]
    assert all(len(each.tokens) <= limit for each in kept)
    cut = sum(p < limit < n for p, n in zip(prompts, lengths, strict=True))
    dropped = sum(p >= limit for p in prompts)
    assert dropped > 0
    assert f"{cut} are cut after {limit} tokens and {dropped} left out" in made.__dict__["said"][0]
    with pytest.raises(ConfigError, match="No sample is left"):
        data(folder, base, sequence_length=5).train_dataset()


def test_packs_fill_rows_and_lose_nothing() -> None:
    lengths = [5, 3, 8, 2, 2, 9, 1, 4]
    rows = packs(lengths, 10)
    assert sorted(number for row in rows for number in row) == list(range(8))
    assert all(sum(lengths[number] for number in row) <= 10 for row in rows)
    assert len(rows) == 4
    assert rows == packs(lengths, 10)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_samples_give_the_loss_that_they_give_alone(
    folder: Path, base: Path, attention: str
) -> None:
    torch.manual_seed(0)
    model = LoraModel(str(base), lora={"r": 4, "target_modules": "all-linear"}, attention=attention)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    model.eval()
    alone = data(folder, base)
    packed = data(folder, base, packing=True, sequence_length=256)
    model.see_data(packed)
    assert len(packed.train_dataset()) < 4
    loss = AnswerLoss()
    sums = []
    for made in (alone, packed):
        rows = made.train_dataset()
        total, count = 0.0, 0
        for number in range(len(rows)):
            batch = made.collate([rows[number]])
            targets = int((batch["labels"] != IGNORE).sum())
            with torch.no_grad():
                total += float(loss(model, batch)[0]) * targets
            count += targets
        sums.append((total, count))
    (one, tokens), (two, others) = sums
    assert tokens == others
    assert one == pytest.approx(two, rel=1e-4)


def test_the_loss_is_that_of_transformers(folder: Path, base: Path) -> None:
    model = LoraModel(str(base), lora={"r": 4, "target_modules": "all-linear"}).eval()
    made = data(folder, base)
    rows = made.train_dataset()
    batch = made.collate([rows[number] for number in range(4)])
    labels = torch.full_like(batch["input_ids"], IGNORE)
    for row in range(4):
        counted = batch["labels"][row] != IGNORE
        labels[row, batch["positions"][row][counted] + 1] = batch["labels"][row][counted]
    mask = torch.zeros_like(batch["input_ids"])
    for row in range(4):
        mask[row, : len(rows[row][0].tokens)] = 1
    with torch.no_grad():
        theirs = model.network(
            input_ids=batch["input_ids"], attention_mask=mask, labels=labels
        ).loss
        ours, metrics = AnswerLoss()(model, batch)
        model._picks = False
        slow, _ = AnswerLoss()(model, batch)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    assert float(slow) == pytest.approx(float(theirs), rel=1e-5)
    assert metrics["perplexity"] == ours


def test_sequences_longer_than_the_model_or_the_expert_are_refused(
    folder: Path, base: Path
) -> None:
    model = LoraModel(str(base), lora={"r": 1, "target_modules": "all-linear"})
    with pytest.raises(ConfigError, match="takes 256 tokens"):
        model.see_data(data(folder, base, sequence_length=512))
    with pytest.raises(ConfigError, match="context window of 64"):
        data(folder, base, sequence_length=128, context_window=64)


def test_a_base_that_was_moved_brings_its_tokenizer(folder: Path, base: Path) -> None:
    moved = data(folder, folder / "gone", sequence_length=192)
    with pytest.raises(ConfigError, match="no folder"):
        moved.train_dataset()
    moved = data(folder, folder / "gone", sequence_length=192)
    LoraModel(str(base), lora={"r": 2}).see_data(moved)
    assert len(moved.train_dataset()) == 4


def test_an_adapter_that_does_not_fit_names_the_layers(base: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        LoraModel(str(base), lora={"r": 4, "target_modules": ["qqq_proj"]})
    assert "q_proj" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        LoraModel(str(base), lora={"rank": 4})
    assert "lora.rank" in [problem.key for problem in caught.value.problems]


def test_gradient_checkpointing_gives_the_same_gradients(folder: Path, base: Path) -> None:
    made = data(folder, base)
    rows = made.train_dataset()
    batch = made.collate([rows[0], rows[1]])
    found = []
    for saves in (False, True):
        torch.manual_seed(1)
        model = LoraModel(
            str(base),
            lora={"r": 2, "target_modules": "all-linear", "init_lora_weights": False},
            gradient_checkpointing=saves,
        ).train()
        AnswerLoss()(model, batch)[0].backward()
        found.append([p.grad for p in model.parameters() if p.requires_grad])
    assert len(found[0]) == 28
    for one, two in zip(*found, strict=True):
        assert one is not None
        assert torch.allclose(one, two, atol=1e-6)


def test_an_empty_file_is_a_side_that_is_not_there(
    base: Path, instructions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes((instructions / "train.jsonl").read_bytes())
    (folder / "val.jsonl").write_text("\n")
    (folder / "test.jsonl").write_text("")
    made = Instructions(str(folder), tokenizer=str(base), sequence_length=192)
    told: list[str] = []
    made.say = told.append
    assert made.val_dataset() is None
    assert made.test_dataset() is None
    assert told == [
        "val: the file is empty; there is nothing to validate on",
        "test: the file is empty; there is nothing to evaluate on",
    ]
    (folder / "train.jsonl").write_text("")
    with pytest.raises(ConfigError, match="holds no sample"):
        Instructions(str(folder), tokenizer=str(base)).train_dataset()
