"""The profiles that come with traindeck: all valid, documented, with the documents' values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import profiles
from trainer.config import docs
from trainer.config.compose import compose
from trainer.config.text import doc_comment

GROUPS = docs.groups()
OPTIONS = [
    f"{group}={path.stem}"
    for group in GROUPS
    for path in sorted((profiles.FOLDER / group).glob("*.yaml"))
]
# What an option needs that the default recipe, which counts in epochs, does not give.
NEEDS = {
    **{
        f"scheduler={name}": ["trainer.max_steps=3"]
        for name in ("cosine_steps", "cosine_warmup", "linear", "onecycle")
    },
    "hardware=mac-mps": ["dataloader.batch_size=1"],
    "hardware=cloud-rtx-4090": ["dataloader.batch_size=4"],
    "hardware=cloud-a100-40gb": ["dataloader.batch_size=8"],
    "hardware=windows-rtx-5060": ["hardware.status=supported", "dataloader.batch_size=2"],
}


@pytest.fixture(autouse=True)
def built_in_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def config(*overrides: str) -> dict[str, Any]:
    return compose(overrides).config


def test_the_groups_are_there() -> None:
    assert set(GROUPS) >= {
        "trainer",
        "hardware",
        "data",
        "model",
        "loss",
        "optimizer",
        "scheduler",
        "logger",
        "limits",
        "health",
        "callbacks",
        "preset",
    }
    assert set(OPTIONS) >= {
        "trainer=defaults", "trainer=kaggle_safe", "trainer=ci_fast", "trainer=multi_gpu",
        "hardware=mac-mps", "hardware=windows-rtx-5060", "hardware=cloud-rtx-4090",
        "hardware=cloud-a100-40gb", "hardware=cpu", "data=pystdlib", "model=gpt_tiny",
        "loss=next_token", "preset=quickstart",
    }  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_makes_a_valid_config(option: str) -> None:
    composed = compose([option, *NEEDS.get(option, [])])
    group, name = option.split("=")
    assert composed.choices[group] == name


@pytest.mark.parametrize("option", OPTIONS)
def test_every_profile_begins_with_what_it_is_for(option: str) -> None:
    group, name = option.split("=")
    path = profiles.FOLDER / group / f"{name}.yaml"
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    if first == "# @package _global_":
        assert second.startswith("# ")
    doc = doc_comment(path)
    assert 10 <= len(doc) <= 220
    assert doc.endswith(".")


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_a_readme_of_its_own_words(group: str) -> None:
    text = (profiles.FOLDER / group / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# `{group}`")
    assert len(text.partition("<!--")[0]) > 120
    for path in (profiles.FOLDER / group).glob("*.yaml"):
        assert f"| `{path.stem}` |" in text


def test_the_generated_tables_are_in_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_the_composition_order_lets_a_trainer_win_over_what_it_touches() -> None:
    primary = yaml.safe_load((profiles.FOLDER / "config.yaml").read_text(encoding="utf-8"))
    order = [next(iter(e)) if isinstance(e, dict) else e for e in primary["defaults"]]
    assert order == [
        "_self_", "hardware", "loss", "data", "model", "expert", "lora", "optimizer", "scheduler",
        "dataloader", "logger", "callbacks", "limits", "health", "trainer", "hyperparameters", "preset",
    ]  # fmt: skip
    made = config("trainer=kaggle_safe", "dataloader=workers", "limits=ci")
    assert made["dataloader"]["batch_size"] == 32
    assert made["limits"]["wall_clock"] == 30600.0


def test_no_profile_holds_an_absolute_path_or_an_environment_variable() -> None:
    for path in profiles.FOLDER.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "oc.env" not in text
        assert "/home" not in text
        assert "hydra" not in text.lower()


# The values of the documents


def test_trainer_defaults() -> None:
    made = config("trainer=defaults")
    assert made["trainer"]["max_epochs"] == 50
    assert made["trainer"]["max_steps"] == -1
    assert made["dataloader"]["batch_size"] == 64
    assert made["trainer"]["accumulate_grad_batches"] == 2
    assert made["trainer"]["save_every_n_epochs"] == 10
    assert made["trainer"]["amp"] is True


def test_trainer_kaggle_safe() -> None:
    made = config("trainer=kaggle_safe")
    assert made["trainer"]["max_epochs"] == 30
    assert made["dataloader"]["batch_size"] == 32
    limits = made["limits"]
    assert limits["wall_clock"] < 540 * 60, "there is a margin"
    assert limits["grace"] >= 60
    assert limits["gpu_memory_gb"] == 16
    assert made["dataloader"]["num_workers"] <= 2
    assert made["dataloader"]["prefetch_factor"] == 1
    assert made["dataloader"]["persistent_workers"] is False
    assert made["dataloader"]["pin_memory"] is False


def test_trainer_ci_fast() -> None:
    made = config("trainer=ci_fast")
    assert made["trainer"]["max_epochs"] == 2
    assert made["dataloader"]["batch_size"] == 8
    assert made["data"]["max_items"] == 2
    assert made["limits"]["wall_clock"] < 300
    assert made["limits"]["grace"] < made["limits"]["wall_clock"]


HARDWARE = {
    "mac-mps": ("mps", None, 20, 1, 1024, True, False, False, 8, 2, None),
    "windows-rtx-5060": ("cuda", None, 16, 2, 2048, True, True, True, 16, 4, None),
    "cloud-rtx-4090": ("cuda", None, 24, 4, 4096, True, True, True, 32, 2, 0.60),
    "cloud-a100-40gb": ("cuda", None, 40, 8, 8192, True, True, True, 64, 1, 1.20),
    "cloud-h100-80gb": ("cuda", None, 80, 64, 16384, True, True, True, 128, 1, 2.50),
    "cloud-h200-141gb": ("cuda", None, 141, 128, 32768, True, True, True, 256, 1, 3.50),
    "kaggle-t4x2": ("cuda", 2, 16, 64, 2048, True, False, True, 16, 2, 0.0),
    "kaggle-p100": ("cuda", 1, 16, 64, 2048, True, False, True, 16, 4, 0.0),
    "cpu": ("cpu", None, None, None, None, False, True, True, None, None, None),
}
HARDWARE_KEYS = (
    "device", "devices", "available_memory_gb", "max_batch_size", "max_sequence_length",
    "supports_fp16", "supports_bf16", "supports_gradient_checkpointing", "max_lora_rank",
    "recommended_gradient_accumulation", "cost_per_hour",
)  # fmt: skip


@pytest.mark.parametrize("name", HARDWARE)
def test_hardware(name: str) -> None:
    made = config(f"hardware={name}", "hardware.status=supported", "dataloader.batch_size=1")
    assert tuple(made["hardware"][key] for key in HARDWARE_KEYS) == HARDWARE[name]


def test_the_rtx_5060_is_refused_with_the_reason() -> None:
    composed = compose(["hardware=windows-rtx-5060"], check=False)
    (problem,) = composed.problems
    assert "CUDA capability sm_120 not supported by PyTorch" in problem.what
    assert "windows-rtx-5060.yaml" in problem.where


@pytest.mark.parametrize(
    ("hardware", "precision"),
    [("cpu", "32-true"), ("mac-mps", "16-mixed"), ("cloud-a100-40gb", "bf16-mixed")],
)
def test_mixed_precision_by_hardware(hardware: str, precision: str) -> None:
    composed = compose([f"hardware={hardware}", "trainer=defaults", "dataloader.batch_size=1"])
    assert composed.config["trainer"]["precision"] == precision
    assert any(f"-> {precision}" in note for note in composed.notes)


def test_the_default_composition_is_spectramind_on_generated_planets() -> None:
    plain = config()
    assert plain == config("spectramind")
    assert plain["data"]["root"] is None
    assert plain["run"]["recipe"] == "spectra"
    assert plain["run"]["hash_file"] == "run_hash_summary_v50.json"
    assert plain["run"]["debug_log"] == "v50_debug_log.md"


def test_the_quickstart_is_another_recipe() -> None:
    quickstart = config("quickstart")
    run = (quickstart["run"][name] for name in ("recipe", "hash_file", "debug_log"))
    assert tuple(run) == ("text", "run_hash_summary.json", "debug_log.md")
    assert quickstart["data"]["context"] == quickstart["model"]["context"]
    assert config("quickstart", "model.context=32")["data"]["context"] == 32


def test_another_trainer_replaces_the_quickstarts() -> None:
    made = config("quickstart", "trainer=ci_fast")
    assert made["trainer"]["max_steps"] == -1
    assert made["trainer"]["max_epochs"] == 2
    assert made["dataloader"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("choice", "on"), [("none", set()), ("csv", {"csv"}), ("tensorboard", {"tensorboard"}),
                       ("both", {"csv", "tensorboard"}), ("wandb", {"wandb"}),
                       ("wandb_offline", {"wandb"}), ("mlflow", {"mlflow"}),
                       ("many", {"csv", "tensorboard", "wandb", "mlflow"})]
)  # fmt: skip
def test_loggers(choice: str, on: set[str]) -> None:
    made = config(f"logger={choice}")["logger"]
    assert {name for name, section in made.items() if section["enabled"]} == on


def test_profiles_name_only_classes_that_exist_and_take_their_keywords() -> None:
    pytest.importorskip("torch")
    from trainer.engine.build import callbacks_of, data_of, module_of

    # These stand on a language model from a folder, which their own tests make.
    elsewhere = {"data=instruct", "model=causal_lm", "loss=answer", "callbacks=adapter"}
    for option in OPTIONS:
        group = option.partition("=")[0]
        if group in ("data", "model", "loss", "callbacks") and option not in elsewhere:
            made = config("quickstart", "model=gpt_nano", "data.max_items=4", option)
            if option.startswith("model=gpt_"):
                # The sizes are the profile's; building the largest would only take time.
                made["model"] |= {"dim": 16, "layers": 1, "heads": 2}
            assert data_of(made)
            assert module_of(made)
            assert callbacks_of(made) or option == "callbacks=none"
