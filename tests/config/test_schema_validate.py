"""Everything wrong is found at once, with its place and the nearest right name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config.schema import fields
from trainer.config.validate import validate

sys.path.insert(0, str(Path(__file__).parent))
from validlab import config_with, problem


def test_a_slip_in_a_name_gets_the_right_one() -> None:
    found = problem("trainer.max_epoch", trainer__max_epoch=3)
    assert found.remedy == "Did you mean 'trainer.max_epochs'?"
    assert problem("optimiser", optimiser={}).remedy == "Did you mean 'optimizer'?"


def test_a_key_of_another_section_is_found_there() -> None:
    assert "dataloader.batch_size" in problem("trainer.batch_size", trainer__batch_size=8).remedy
    assert "scheduler.warmup" in problem("optimizer.warmup", optimizer__warmup=8).remedy


def test_a_slip_in_another_spelling_gets_its_meaning() -> None:
    found = problem("dataloader_clas", dataloader_clas="DataLoader")
    assert "dataloader.type" in found.remedy


def test_an_unknown_section_lists_those_there_are() -> None:
    assert "hardware" in problem("zzz", zzz=1).remedy


@pytest.mark.parametrize("name", ["logger", "plugins", "max_time"])
def test_lightning_arguments_that_no_yaml_can_hold_are_explained(name: str) -> None:
    found = problem(f"trainer.{name}", **{f"trainer__{name}": "x"})
    assert "cannot be given" in found.what
    assert found.remedy


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trainer.max_epochs", "many"),
        ("trainer.max_epochs", 1.5),
        ("trainer.max_epochs", True),
        ("trainer.max_epochs", -2),
        ("trainer.devices", 1.5),
        ("trainer.devices", [0, "1"]),
        ("trainer.limit_val_batches", 1.5),
        ("trainer.limit_val_batches", -1),
        ("trainer.deterministic", "yes"),
        ("trainer.precision", "16-mix"),
        ("trainer.early_stopping", -1),
        ("trainer.early_stopping", "yes"),
        ("trainer.callbacks", {"a": 1}),
        ("trainer.callbacks", ["a"]),
        ("trainer.gradient_clip_val", float("nan")),
        ("dataloader.batch_size", 0),
        ("dataloader.type", "Dataloader"),
        ("data.max_items", 0),
        ("limits.wall_clock", "soon"),
        ("limits.memory_gb", 0),
        ("hardware.device", "tpu9"),
        ("symbolic.rules", {"a": 1}),
        ("run.tags", "one"),
        ("seed", -1),
        ("seed", 2**32),
        ("optimizer", None),
        ("trainer", 3),
        ("scheduler.config", None),
    ],
)
def test_a_wrong_value_is_named_with_what_the_key_takes(key: str, value: Any) -> None:
    found = problem(key, **{key.replace(".", "__"): value})
    assert key in found.what
    known = fields()[key]
    assert known.section or "takes" in found.what


def test_the_wrong_part_of_a_value_is_named_and_not_the_whole() -> None:
    found = problem("trainer.early_stopping.patience", trainer__early_stopping={"patience": "x"})
    assert "int" in found.what
    found = problem("trainer.early_stopping.patienc", trainer__early_stopping={"patienc": 3})
    assert found.remedy == "Did you mean 'trainer.early_stopping.patience'?"
    problem("scheduler.warmup.steps", scheduler__warmup={"steps": -1})
    found = problem(
        "symbolic.rules.1.weight",
        symbolic__rules=[{"name": "molecular_fingerprint"}, {"weight": -1.0}],
    )
    assert "float, ≥ 0" in found.what


@pytest.mark.parametrize("value", [0, 3, True, False, None, {"patience": 2, "mode": "max"}, {}])
def test_early_stopping_in_all_its_shapes(value: Any) -> None:
    assert validate(config_with(trainer__early_stopping=value)) == []


@pytest.mark.parametrize("value", [0, 5, None, {"steps": 3}, {"steps": 3, "interval": "epoch"}])
def test_warmup_in_all_its_shapes(value: Any) -> None:
    assert validate(config_with(scheduler__type="StepLR", scheduler__config={"step_size": 1},
                                scheduler__warmup=value)) == []  # fmt: skip


def test_a_nearly_right_choice_gets_the_right_one() -> None:
    assert "16-mixed" in problem("trainer.precision", trainer__precision="16-mixd").remedy


def test_all_problems_come_at_once_in_the_order_of_the_config() -> None:
    found = validate(
        config_with(
            trainer__max_epochs="x",
            trainer__nothing=1,
            optimizer__type="Adamw",
            scheduler__type="CosineAnnealingLR",
            model___target_="os.system",
            limits__grace=-1,
            seed="a",
        ),
        {},
    )
    assert [p.key for p in found] == [
        "seed",
        "trainer.max_epochs",
        "trainer.nothing",
        "optimizer.type",
        "scheduler.config.T_max",
        "model._target_",
        "limits.grace",
    ]


def test_each_problem_says_what_set_the_key() -> None:
    where = {
        "trainer.max_epochs": "kaggle_safe.yaml:4",
        "trainer.early_stopping": "override trainer.early_stopping={patience: x}",
        "optimizer.config.lr": "adamw.yaml:3",
    }
    found = validate(
        config_with(
            trainer__max_epochs="x",
            trainer__early_stopping={"patience": "x"},
            optimizer__config={"lr": "fast"},
        ),
        where,
    )
    assert {p.key: p.where for p in found} == {
        "trainer.max_epochs": "kaggle_safe.yaml:4",
        "trainer.early_stopping.patience": "override trainer.early_stopping={patience: x}",
        "optimizer.config.lr": "adamw.yaml:3",
    }


def test_unsupported_hardware_says_why_and_what_would_work() -> None:
    found = problem(
        "hardware.status",
        hardware__status="unsupported",
        hardware__name="RTX 5060 Ti",
        hardware__notes="CUDA capability sm_120 not supported by PyTorch",
    )
    assert "is unsupported: CUDA capability sm_120 not supported by PyTorch." in found.what
    assert "hardware=" in found.remedy


@pytest.mark.parametrize(
    ("precision", "flag"), [("bf16-mixed", "supports_bf16"), ("16-true", "supports_fp16")]
)
def test_a_precision_that_the_hardware_lacks_is_refused(precision: str, flag: str) -> None:
    values = {
        "trainer__precision": precision,
        "trainer__accelerator": "gpu",
        "hardware__device": "cuda",
    }
    assert validate(config_with(**values)) == []
    problem("trainer.precision", **values, **{f"hardware__{flag}": False})
    # Of another device the profile knows nothing.
    values["trainer__accelerator"] = "tpu"
    assert validate(config_with(**values, **{f"hardware__{flag}": False})) == []


def test_an_option_where_a_section_belongs_is_explained() -> None:
    assert "hardware=mac-mps" in problem("hardware", hardware="mac-mps").remedy
    assert "logger=none" in problem("logger", logger=False).remedy


def test_hostile_names_and_values_are_shown_safely() -> None:
    hostile = "x\x1b]52;c;eA==\x07\x9b31m" + "y" * 10_000
    found = validate(
        config_with(
            **{hostile: 1},
            trainer={hostile: 1},
            hardware__status=hostile,
            optimizer__type=hostile,
            data___target_=hostile,
            scheduler={"type": "StepLR", "config": {"step_size": 1, hostile: 2}},
        ),
        {"hardware.status": hostile},
    )
    assert len(found) == 6
    for told in found:
        assert not set(told.what + told.where + told.remedy) & {"\x1b", "\x07", "\x9b"}
        assert len(told.what) < 600


def test_the_grace_leaves_something_of_the_wall_clock() -> None:
    problem("limits.grace", limits__wall_clock=30.0)
    assert validate(config_with(limits__wall_clock=61.0)) == []


def test_an_epoch_can_only_fit_into_a_wall_clock() -> None:
    problem("limits.epoch_must_fit", limits__epoch_must_fit=True)
    config = config_with(limits__epoch_must_fit=True, limits__wall_clock=3600.0)
    assert validate(config) == []


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a\x1b[31mb", "x" * 300, "a\\b"])
def test_file_names_stay_in_their_folder(name: str) -> None:
    problem("run.hash_file", run__hash_file=name)
    problem("run.debug_log", run__debug_log=name)


NAMES = ["a", "_target_", "type", "config", "name", "steps", "warmup", "max_epochs", "patience"]


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(sorted(fields())),
)  # fmt: skip
def test_no_value_whatever_breaks_the_check(value: Any, key: str) -> None:
    config = config_with()
    node: Any = config
    *above, last = key.split(".")
    for part in above:
        node = node.setdefault(part, {}) if isinstance(node.get(part), dict) else {}
    node[last] = value
    for found in validate(config, {}):
        assert found.what
        assert "\x1b" not in str(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("logger.wandb.api_key", "hunter2"),
        ("logger.mlflow.tracking_uri", "https://me:hunter2@host"),
        ("data.root", "https://hunter2@host/x"),
        ("trainer.max_epochs", "https://me:hunter2@host"),
        ("data.password", 222),
        ("model.hub", {"auth_token": "hunter2"}),
    ],
)
def test_a_secret_is_refused_and_not_shown(key: str, value: Any) -> None:
    from trainer.config.provenance import override_origin

    config = config_with(**{key.replace(".", "__"): value})
    found = validate(config, {key: override_origin(f"{key}={value}")})
    assert len(found) == 1
    assert "would be written into the run folder" in found[0].what
    assert "environment" in found[0].remedy
    assert "hunter2" not in str(found[0])
    assert "222" not in str(found[0])
    assert "override" in found[0].where


def test_what_holds_no_secret_may_be_called_so() -> None:
    config = config_with(
        data__token=None,
        model__cls_token=True,
        model__pad_token="<pad>",
        model__use_auth_token=False,
    )
    assert validate(config, {}) == []


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("hardware.foo", ""),
        ("hardware.max_batchsize", "hardware.max_batch_size"),
        ("logger.wandb.projct", "logger.wandb.project"),
        ("logger.tensorboard.enabld", "logger.tensorboard.enabled"),
        ("logger.csv.enable", "logger.csv.enabled"),
        ("logger.mlflow.tracking_url", "logger.mlflow.tracking_uri"),
    ],
)
def test_a_slip_in_a_section_of_known_keys(key: str, right: str) -> None:
    found = problem(key, **{key.replace(".", "__"): 1})
    assert found.what == f"there is no key '{key}'."
    assert right in found.remedy


@pytest.mark.parametrize("value", [0, "0", []])
def test_no_device_at_all(value: Any) -> None:
    assert "nothing would train" in problem("trainer.devices", trainer__devices=value).what


@pytest.mark.parametrize("value", [1, "1", [0], -1, "auto"])
def test_devices_in_all_their_shapes(value: Any) -> None:
    assert validate(config_with(trainer__devices=value)) == []


def test_a_checkpoint_to_resume_from_is_there(tmp_path: Path) -> None:
    for missing in ("/nope.ckpt", str(tmp_path), "~nobody-at-all/x", "a\0b", "x" * 5000):
        assert "no such file" in problem("run.resume", run__resume=missing).what
    there = tmp_path / "x.ckpt"
    there.touch()
    for value in ("never", "auto", str(there)):
        assert validate(config_with(run__resume=value)) == []


@pytest.mark.parametrize(
    ("config", "key", "meant"),
    [
        ({"lr": 1e-3}, "lr", "optimizer.config.lr"),
        ({"optimizer": {"lr": 1e-3}}, "optimizer.lr", "optimizer.config.lr"),
        ({"trainer": {"batch_size": 3}}, "trainer.batch_size", "dataloader.batch_size"),
        ({"model": {"dropout": 0.1}, "max_epochs": 3}, "max_epochs", "trainer.max_epochs"),
        (
            {"optimizer": {"type": "SGD", "momentum": 0.9}},
            "optimizer.momentum",
            "optimizer.config.momentum",
        ),
    ],
)
def test_the_last_part_of_a_key_finds_the_whole(
    config: dict[str, Any], key: str, meant: str
) -> None:
    found = next(problem for problem in validate(config) if problem.key == key)
    assert found.remedy == f"Did you mean '{meant}'?"
