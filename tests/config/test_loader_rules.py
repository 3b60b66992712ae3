"""Keys of `dataloader` that cannot stand together, or that do nothing, are told before launch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainer.config.compose import compose
from trainer.config.finalize import finalize
from trainer.config.schema import defaults
from trainer.config.validate import validate
from trainer.errors import Problem


def config_with(**loader: Any) -> dict[str, Any]:
    config = defaults()
    config["dataloader"] |= loader
    return config


def problem(**loader: Any) -> Problem:
    found = validate(config_with(**loader), {})
    assert len(found) == 1, [str(p) for p in found]
    return found[0]


def notes(**loader: Any) -> list[str]:
    return finalize(config_with(**loader), {})[1]


def tokenizer(folder: Path) -> str:
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    return str(folder)


def test_persistent_workers_need_workers() -> None:
    found = problem(persistent_workers=True)
    assert found.key == "dataloader.persistent_workers"
    assert validate(config_with(persistent_workers=True, num_workers=1)) == []


def test_a_text_loader_needs_a_tokenizer(tmp_path: Path) -> None:
    found = problem(type="TextDataLoader")
    assert found.key == "dataloader.tokenizer_path"
    assert str(found) == (
        "TextDataLoader needs a tokenizer. "
        "Set dataloader.tokenizer_path to the folder that holds tokenizer/."
    )
    path = tokenizer(tmp_path / "trained")
    assert validate(config_with(type="TextDataLoader", tokenizer_path=path)) == []


def test_a_tokenizer_that_is_not_there_is_told_with_the_way_to_mend_it(tmp_path: Path) -> None:
    path = tokenizer(tmp_path / "trained")
    found = problem(type="TextDataLoader", tokenizer_path=str(tmp_path))
    assert "there is no tokenizer/tokenizer.json in it" in found.what
    assert "save_pretrained" in found.remedy
    inside = problem(type="TextDataLoader", tokenizer_path=f"{path}/tokenizer")
    assert inside.remedy == f"Give the folder above it, {path}."
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "tokenizer.json").write_text("{}")
    assert "Move" in problem(type="TextDataLoader", tokenizer_path=str(flat)).remedy
    assert "\0" not in str(problem(type="TextDataLoader", tokenizer_path="a\0b"))


@pytest.mark.parametrize(
    ("name", "wrong", "bounds"),
    [
        ("mixup_alpha", -0.1, "≥ 0"),
        ("mixup_alpha", float("inf"), "float"),
        ("mixup_prob", 1.5, "≤ 1"),
        ("num_classes", 0, "≥ 1"),
        ("num_classes", 2.5, "int"),
        ("quantize", "yes", "bool"),
        ("mu", 0, "≥ 1"),
        ("max_val", 0.0, "> 0"),
        ("max_length", 0, "in tokens"),
        ("use_separator", 1, "bool"),
        ("tokenizer_path", 3, "str"),
        ("num_workers", -1, "≥ 0"),
        ("prefetch_factor", 0, "≥ 1"),
        ("batch_size", 0, "≥ 1"),
        ("drop_last", "no", "bool"),
        ("pin_memory", 1, "bool"),
    ],
)
def test_a_wrong_value_is_refused_with_what_the_key_takes(name: str, wrong: Any, bounds: str):
    found = problem(**{name: wrong})
    assert found.key == f"dataloader.{name}"
    assert bounds in found.what


def test_a_slip_in_the_class_gets_the_right_one() -> None:
    assert "'MixupDataLoader'" in problem(type="MixUpDataLoader").remedy


@pytest.mark.parametrize(
    ("name", "value", "owner"),
    [
        ("mixup_alpha", 0.2, "MixupDataLoader"),
        ("quantize", True, "MixupDataLoader"),
        ("max_length", 8, "TextDataLoader"),
        ("use_separator", False, "TextDataLoader"),
    ],
)
def test_a_key_of_another_class_is_told(name: str, value: Any, owner: str) -> None:
    assert notes(**{name: value}) == [
        f'dataloader.{name}: only a {owner} looks at it, and dataloader.type is "DataLoader"'
    ]
    assert not [n for n in notes(type=owner, **{name: value}) if "looks at it" in n]


def test_a_mixup_that_mixes_nothing_is_told() -> None:
    kind = "MixupDataLoader"
    assert "mixes nothing while dataloader.mixup_alpha is 0" in notes(type=kind)[0]
    assert "mixup_prob is 0" in notes(type=kind, mixup_alpha=0.2, mixup_prob=0.0)[0]
    assert "is not mixed" in notes(type=kind, mixup_alpha=0.2, batch_size=1)[0]
    assert notes(type=kind, mixup_alpha=0.2) == []
    assert notes(type=kind, quantize=True) == []


@pytest.mark.parametrize("kind", ["DataLoader", "MixupDataLoader", "TextDataLoader"])
def test_003_the_class_is_chosen_as_documented(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer(tmp_path)
    made = compose(
        [f"dataloader_class={kind}", f"dataloader.tokenizer_path={tmp_path}"], cwd=tmp_path
    )
    assert made.config["dataloader"]["type"] == kind
    assert not [p for p in validate(made.config, {}) if p.key.startswith("dataloader")]
