"""The schema: complete, documented, cheap, and the same for defaults, validation and the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from trainer.config.schema import Config, defaults, fields, load_resolved, path_keys, sections
from trainer.config.schema_base import Section, key, section, type_text, walk
from trainer.config.schema_parts import Scheduler
from trainer.config.validate import validate
from trainer.errors import ConfigError

CANONICAL = [
    "seed",
    "trainer",
    "optimizer",
    "scheduler",
    "dataloader",
    "data",
    "model",
    "loss",
    "eval_loss",
    "callbacks",
    "symbolic",
    "ablation",
    "logger",
    "hardware",
    "lora",
    "expert",
    "output",
    "evaluation",
    "limits",
    "health",
    "run",
]


def test_the_top_level_is_the_canonical_one() -> None:
    assert list(sections()) == CANONICAL
    assert list(defaults()) == CANONICAL


@pytest.mark.parametrize("name", list(fields()))
def test_every_key_is_documented(name: str) -> None:
    known = fields()[name]
    assert known.doc.endswith((".", "…")), "help is a sentence"
    assert len(known.doc) <= 140, "help is one sentence"
    assert known.type
    assert all(number in ("000", "001", "002", "003", "004") for number in known.source.split())


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("limits.wall_clock", "s"),
        ("limits.memory_gb", "GiB"),
        ("hardware.cost_per_hour", "$/h"),
        ("dataloader.batch_size", "samples"),
        ("trainer.max_epochs", "epochs"),
    ],
)
def test_amounts_have_units(name: str, unit: str) -> None:
    assert fields()[name].unit == unit


def test_the_flat_view_tells_type_bounds_choices_and_default() -> None:
    known = fields()["trainer.monitor_mode"]
    assert (known.type, known.default, known.choices) == ('"min" | "max"', "min", ("min", "max"))
    assert fields()["trainer.max_epochs"].type == "int | null"
    assert fields()["trainer.max_epochs"].bounds == "≥ -1"
    assert fields()["trainer.limit_val_batches"].bounds == "int ≥ 0; float ≥ 0, ≤ 1"
    assert fields()["trainer"].section
    assert fields()["model"].open
    assert fields()["optimizer.config"].open
    assert not fields()["limits"].open
    assert fields()["trainer.early_stopping.patience"].default == 10


def test_what_lies_in_a_section_that_is_not_acted_on_is_not_either() -> None:
    class Idle(Section):
        inner: Scheduler = section(Scheduler, "Nothing.", acted_on=False)

    assert not next(known for known in walk(Idle) if known.key == "inner.type").acted_on
    assert fields()["ablation.parallel_runs"].acted_on
    assert fields()["trainer.max_epochs"].acted_on


def test_defaults_are_valid_and_agree_with_the_flat_view() -> None:
    assert validate(defaults(), {}) == []
    for name, known in fields().items():
        node: object = defaults()
        for part in name.split("."):
            node = node.get(part, "absent") if isinstance(node, dict) else "inside a value"
        if known.absent:
            assert node == "absent", name
        elif not known.section and node != "inside a value":
            assert node == known.default, name


def test_defaults_are_new_each_time() -> None:
    defaults()["trainer"]["max_epochs"] = 3
    defaults()["optimizer"]["config"]["lr"] = 1
    assert defaults()["trainer"]["max_epochs"] is None
    assert defaults()["optimizer"]["config"] == {}


def test_keys_that_become_keywords_of_a_class_are_not_in_the_defaults() -> None:
    for name in ("data", "model", "loss", "lora", "expert", "eval_loss", "callbacks"):
        assert defaults()[name] == {}


def test_the_engine_sees_only_the_keywords_that_somebody_set() -> None:
    config = defaults()
    config["data"] = {"_target_": "a.B", "max_items": None, "own": 1}
    dumped = Config.model_validate(config).model_dump()
    assert dumped["data"] == {"_target_": "a.B", "max_items": None, "own": 1}
    assert dumped["lora"] == {}
    assert dumped == config


@pytest.mark.parametrize(
    ("value", "fits"), [(1, True), (1.5, True), (True, False), ("1", False), (None, True)]
)
def test_types_are_strict_but_sensible(value: object, fits: bool) -> None:
    config = defaults()
    config["trainer"]["gradient_clip_val"] = value
    if fits:
        Config.model_validate(config)
    else:
        with pytest.raises(ValidationError):
            Config.model_validate(config)


def test_keys_that_say_where_something_lies_are_marked() -> None:
    assert {"data.root", "trainer.ckpt_dir", "trainer.default_root_dir"} <= path_keys()
    assert "trainer.max_epochs" not in path_keys()


def test_a_resolved_config_is_read_back(tmp_path: Path) -> None:
    config = defaults()
    config["optimizer"]["config"] = {"lr": 3e-4}
    config["model"] = {"_target_": "x.Y", "dim": 8}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    read = load_resolved(path)
    assert read.model_dump() == config
    assert read.trainer.monitor == "val/loss"
    assert read.limits.grace == 60.0


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "+1e-3", ".1e-2", "1.e-3"])
def test_numbers_without_a_point_are_numbers(tmp_path: Path, written: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"optimizer: {{config: {{lr: {written}}}}}\n", encoding="utf-8")
    assert load_resolved(path).optimizer.config["lr"] == pytest.approx(1e-3)


def test_a_wrong_resolved_config_names_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("trainer: {max_epochs: many, max_step: 3}\nsed: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_resolved(path)
    assert {p.key for p in caught.value.problems} == {
        "trainer.max_epochs",
        "trainer.max_step",
        "sed",
    }
    assert all(str(path) in p.where for p in caught.value.problems if p.key != "sed")


@pytest.mark.parametrize("content", [b"- 1\n", b"a: [\n", b"\xff\xfe\x00", b""])
def test_what_is_no_config_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="config"):
        load_resolved(path)


def test_a_config_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: !!python/object/apply:os.getpid []\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_resolved(path)


def test_the_schema_loads_neither_hydra_nor_torch() -> None:
    code = (
        "import sys, trainer.config.schema, trainer.config.validate, trainer.config.finalize\n"
        "import trainer.config.aliases, trainer.config.docs\n"
        "print(*(m for m in ('hydra', 'omegaconf', 'torch', 'pytorch_lightning', 'numpy')"
        " if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_flat_view_can_be_written_as_json() -> None:
    for known in fields().values():
        json.dumps([known.default, known.choices])


def test_walking_reads_bounds_units_and_sections_of_any_model() -> None:
    class Inner(Section):
        depth: int = key(1, "How deep it is.", gt=0, lt=9, unit="m")

    class Outer(Section):
        inner: Inner | None = key(None, "What is inside.")

    found = {known.key: known for known in walk(Outer)}
    assert found["inner"].type == "dict | null"
    assert (found["inner.depth"].bounds, found["inner.depth"].unit) == ("> 0, < 9", "m")
    assert type_text(BaseModel) == "dict"
