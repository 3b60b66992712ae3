"""Every block of configuration printed in the source documents composes as it is printed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from documentlab import printed

from trainer.config.aliases import rewrite_mapping
from trainer.config.compose import Composed, compose
from trainer.errors import ConfigError

D004_TABLES = """\
[hardware]
name = "Mac M1/M2/M3 with MPS"
device = "mps"
available_memory_gb = 20
max_batch_size = 1
max_sequence_length = 1024
supports_fp16 = true
supports_bf16 = false
supports_gradient_checkpointing = false  # Incompatible with LoRA on MPS
max_lora_rank = 8
recommended_gradient_accumulation = 2

[expert]
display_name = "Oracle: Rauru Assembler"
role = "asm"
group = "rom-tooling"
base_model = "Qwen/Qwen2.5-Coder-1.5B"
context_window = 8192
specialization = "65816 assembly, ALTTP routines, ROM patching"

[lora]
r = 8
lora_alpha = 8
target_modules = ["q_proj", "k_proj", "v_proj", "o_proj"]

[hyperparameters]
num_epochs = 1
learning_rate = 2e-4
warmup_steps = 50
weight_decay = 0.01
"""


def composed(text: str, tmp_path: Path, *overrides: str) -> Composed:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return compose(overrides, config_file=file, cwd=tmp_path)


def test_000_a_defaults_list_chooses_the_trainer(tmp_path: Path) -> None:
    made = composed(printed.DEFAULTS_LIST, tmp_path)
    assert made.choices["trainer"] == "defaults"
    assert made.config["trainer"]["max_epochs"] == 50


def test_002_optimizer(tmp_path: Path) -> None:
    made = composed(printed.OPTIMIZER, tmp_path).config["optimizer"]
    assert made["type"] == "AdamW"
    assert made["config"] == {"lr": 3e-4, "betas": [0.9, 0.999], "weight_decay": 1e-4}


def test_002_scheduler(tmp_path: Path) -> None:
    made = composed(printed.SCHEDULER, tmp_path).config["scheduler"]
    assert made["type"] == "InverseLR"
    assert made["config"] == {"inv_gamma": 1.0, "power": 1.0, "warmup": 0}
    assert composed(printed.SCHEDULER, tmp_path, "trainer.scheduler.enabled=false").config[
        "scheduler"
    ]["enabled"] is False  # fmt: skip


@pytest.mark.parametrize("block", [printed.LOSS, printed.BOTTLENECK])
def test_002_losses(block: str, tmp_path: Path) -> None:
    made = composed(block, tmp_path)
    assert made.config["loss"]["groups"] == yaml.safe_load(block)["loss_config"]
    # A spectrogram's loss comes with the audio recipe; until then the person is told.
    waits = any("loss.groups.spectral.stft_mse" in note for note in made.notes)
    assert waits is (block is printed.LOSS)


def test_001_terms_are_switched_and_weighted_by_overrides() -> None:
    made = compose(
        [
            "loss=weighted_sum",
            "loss.composite.smoothness.weight=0.05",
            "loss.composite.fft.enabled=true",
            "loss.composite.asymmetry.overrides.p=2",
            "loss.composite.max_component_penalty=10",
        ]
    )
    composite = made.config["loss"]["composite"]
    assert composite["smoothness"] == {"weight": 0.05, "overrides": {"order": 2}}
    assert composite["fft"]["enabled"] is True
    assert made.config["loss"]["max_component_penalty"] == 10
    assert [note for note in made.notes if "not acted on" in note] == []


def test_002_losses_below_the_trainer_as_its_text_says(tmp_path: Path) -> None:
    indented = "trainer:\n" + "".join(f"  {line}\n" for line in printed.LOSS.splitlines())
    assert (
        composed(indented, tmp_path).config["loss"]
        == composed(printed.LOSS, tmp_path).config["loss"]
    )


def test_002_eval_losses(tmp_path: Path) -> None:
    made = composed(printed.EVAL_LOSS, tmp_path).config["eval_loss"]
    # Beside the score of the default composition's loss.
    assert made == {"score": {}, **yaml.safe_load(printed.EVAL_LOSS)["eval_loss_config"]}
    notes = composed(printed.EVAL_LOSS, tmp_path).notes
    assert [n.partition(":")[0] for n in notes if "not acted on" in n] == [
        "eval_loss.sisdr",
        "eval_loss.stft",
        "eval_loss.mel",
    ]


def test_003_minimal_example(tmp_path: Path) -> None:
    made = composed(printed.MINIMAL, tmp_path).config
    assert {k: made["dataloader"][k] for k in yaml.safe_load(printed.MINIMAL)["dataloader"]} == (
        yaml.safe_load(printed.MINIMAL)["dataloader"]
    )
    assert made["optimizer"]["config"]["lr"] == 2e-4
    assert made["optimizer"]["config"]["weight_decay"] == 0.1
    assert made["trainer"]["compile"] is False
    assert made["scheduler"]["type"] == "CosineAnnealingLR"
    assert made["scheduler"]["config"] == {"eta_min": 1e-5, "T_max": 100}
    assert made["scheduler"]["warmup"] == {"steps": 1000, "interval": "step"}
    assert made["trainer"]["max_epochs"] == 100
    assert (made["trainer"]["accelerator"], made["trainer"]["precision"]) == ("cuda", "bf16-mixed")
    assert made["trainer"]["early_stopping"] == {"monitor": "val/loss", "patience": 5}


def test_003_the_preset_holds_the_minimal_example(tmp_path: Path) -> None:
    preset = compose(["minimal_brain_gen"]).config
    made = composed(printed.MINIMAL, tmp_path).config
    assert preset["trainer"]["tune_batch_size"] is True
    for section in ("dataloader", "scheduler"):
        for key, value in preset[section].items():
            if key != "drop_last":
                assert made[section][key] == value, key
    for key in ("max_epochs", "accelerator", "precision", "gradient_clip_val", "early_stopping"):
        assert made["trainer"][key] == preset["trainer"][key]


def test_004_the_keys_of_its_tables(tmp_path: Path) -> None:
    canonical, notes = rewrite_mapping(tomllib.loads(D004_TABLES), "config/training.toml")
    assert canonical["trainer"] == {"max_epochs": 1}
    assert canonical["optimizer"] == {"config": {"lr": 2e-4, "weight_decay": 0.01}}
    assert canonical["scheduler"] == {"warmup": 50}
    assert {note.old for note in notes} == {
        f"hyperparameters.{name}"
        for name in ("num_epochs", "learning_rate", "warmup_steps", "weight_decay")
    }
    text = yaml.safe_dump(canonical, sort_keys=False)
    with pytest.raises(ConfigError, match=r"takes at most 1 \(hardware.max_batch_size"):
        composed(text, tmp_path)
    made = composed(text, tmp_path, "dataloader.batch_size=1").config
    assert made["hardware"]["device"] == "mps"
    assert made["trainer"]["accelerator"] == "mps"
    assert made["lora"]["r"] == 8
    assert made["expert"]["role"] == "asm"


def test_004_the_numbers_of_a_preset() -> None:
    preset = {"dataset": "alttp_yaze_full", "sequence_length": 1024, "batch_size": 1,
              "gradient_accumulation": 2}  # fmt: skip
    canonical, _ = rewrite_mapping(preset, "config/training.toml")
    assert canonical == {
        "data": {"name": "alttp_yaze_full", "sequence_length": 1024},
        "dataloader": {"batch_size": 1},
        "trainer": {"accumulate_grad_batches": 2},
    }
