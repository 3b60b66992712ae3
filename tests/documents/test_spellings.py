"""Every block of configuration printed in the source documents composes as it is printed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.config.aliases import rewrite_mapping
from trainer.config.compose import Composed, compose
from trainer.config.schema import fields
from trainer.config.validate import validate

D000_DEFAULTS = """\
defaults:
  - trainer: defaults
"""

D002_OPTIMIZER = """\
optimizer:
  type: AdamW
  config:
    lr: 3e-4
    betas: [0.9, 0.999]
    weight_decay: 1e-4
"""

D002_SCHEDULER = """\
scheduler:
  type: InverseLR
  config:
    inv_gamma: 1.0
    power: 1.0
    warmup: 0
"""

D002_LOSS = """\
loss_config:
  spectral:
    stft_mse:
      config:
        reduction: mean
    weights:
      stft_mse: 1.0
"""

D002_BOTTLENECK = """\
loss_config:
  bottleneck:
    weights:
      kl: 1.0
"""

D002_EVAL = """\
eval_loss_config:
  sisdr:
    zero_mean: true
    reduction: mean
  stft:
    sample_rate: 44100
    fft_size: 2048
    hop_size: 512
    win_length: 2048
  mel:
    fft_size: 2048
    hop_size: 512
    win_length: 2048
    n_mels: 128
"""

D003_MINIMAL = """\
dataloader:
  batch_size: 4
  num_workers: 16
  prefetch_factor: 4
  pin_memory: true
  persistent_workers: true

lightning:
  lr: 2.0e-4
  weight_decay: 0.1
  compile: false
  lr_warmup:
    steps: 1000
    interval: step
  lr_scheduler:
    class_name: CosineAnnealingLR
    eta_min: 1.0e-5
    T_max: 100

trainer:
  max_epochs: 100
  accelerator: cuda
  precision: bf16-mixed
  gradient_clip_val: 1.0
  log_every_n_steps: 100
  early_stopping:
    monitor: val/loss
    patience: 5
"""

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
    made = composed(D000_DEFAULTS, tmp_path)
    assert made.choices["trainer"] == "defaults"
    assert made.config["trainer"]["max_epochs"] == 50


@pytest.mark.parametrize("choice", ["defaults", "kaggle_safe", "ci_fast"])
def test_000_and_001_the_trainer_is_chosen_on_the_command_line(choice: str) -> None:
    assert compose([f"trainer={choice}"]).choices["trainer"] == choice


def test_000_parameters_are_overridden_inline() -> None:
    made = compose(
        ["trainer=defaults", "trainer.max_epochs=30", "trainer.gradient_clip_val=1.0"]
    ).config["trainer"]
    assert (made["max_epochs"], made["gradient_clip_val"]) == (30, 1.0)
    assert made["accumulate_grad_batches"] == 2


def test_002_optimizer(tmp_path: Path) -> None:
    made = composed(D002_OPTIMIZER, tmp_path).config["optimizer"]
    assert made["type"] == "AdamW"
    assert made["config"] == {"lr": 3e-4, "betas": [0.9, 0.999], "weight_decay": 1e-4}


def test_002_scheduler(tmp_path: Path) -> None:
    made = composed(D002_SCHEDULER, tmp_path).config["scheduler"]
    assert made["type"] == "InverseLR"
    assert made["config"] == {"inv_gamma": 1.0, "power": 1.0, "warmup": 0}
    assert composed(D002_SCHEDULER, tmp_path, "trainer.scheduler.enabled=false").config[
        "scheduler"
    ]["enabled"] is False  # fmt: skip


@pytest.mark.parametrize("block", [D002_LOSS, D002_BOTTLENECK])
def test_002_losses(block: str, tmp_path: Path) -> None:
    made = composed(block, tmp_path)
    assert made.config["loss"]["groups"] == yaml.safe_load(block)["loss_config"]
    # A spectrogram's loss comes with the audio recipe; until then the person is told.
    waits = any("loss.groups.spectral.stft_mse" in note for note in made.notes)
    assert waits is (block is D002_LOSS)


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
    assert [note for note in made.notes if "not acted on" in note] == [
        "loss.composite.asymmetry: recognised, not acted on by this version (it comes with a "
        "recipe of its own)"
    ]


@pytest.mark.parametrize("weight", ["0.0", "0.05", "0.1"])
def test_001_each_value_of_the_ablation_is_valid(weight: str) -> None:
    made = compose([f"loss.composite.smoothness.weight={weight}"])
    assert validate(made.config) == []


def test_002_losses_below_the_trainer_as_its_text_says(tmp_path: Path) -> None:
    indented = "trainer:\n" + "".join(f"  {line}\n" for line in D002_LOSS.splitlines())
    assert (
        composed(indented, tmp_path).config["loss"] == composed(D002_LOSS, tmp_path).config["loss"]
    )


def test_002_eval_losses(tmp_path: Path) -> None:
    made = composed(D002_EVAL, tmp_path).config["eval_loss"]
    assert made == yaml.safe_load(D002_EVAL)["eval_loss_config"]
    notes = composed(D002_EVAL, tmp_path).notes
    assert [n.partition(":")[0] for n in notes if "not acted on" in n] == [
        "eval_loss.sisdr",
        "eval_loss.stft",
        "eval_loss.mel",
    ]


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("trainer.seed=7", "seed", 7),
        ("trainer.strategy=ddp", "trainer.strategy", "ddp"),
        ("trainer.num_gpus=0", "trainer.accelerator", "cpu"),
        ("trainer.precision=bf16-mixed", "trainer.precision", "bf16-mixed"),
        ("trainer.trainer.max_epochs=100", "trainer.max_epochs", 100),
        ("trainer.trainer.max_steps=5", "trainer.max_steps", 5),
        ("trainer.trainer.gradient_clip_val=0.5", "trainer.gradient_clip_val", 0.5),
        ("trainer.trainer.accumulate_grad_batches=4", "trainer.accumulate_grad_batches", 4),
        ("trainer.trainer.save_every_n_epochs=2", "trainer.save_every_n_epochs", 2),
        ("trainer.trainer.deterministic=true", "trainer.deterministic", True),
        ("trainer.deterministic=true", "trainer.deterministic", True),
        ("trainer.trainer.strict_deterministic=true", "trainer.strict_deterministic", True),
        ("trainer.trainer.num_sanity_val_steps=1", "trainer.num_sanity_val_steps", 1),
        ("trainer.optimizer.config.lr=3e-4", "optimizer.config.lr", 3e-4),
        ("trainer.trainer.check_val_every_n_epoch=2", "trainer.check_val_every_n_epoch", 2),
        ("trainer.trainer.log_every_n_steps=10", "trainer.log_every_n_steps", 10),
        ("trainer.trainer.save_top_k=3", "trainer.save_top_k", 3),
        ("trainer.trainer.log_model_structure=true", "trainer.log_model_structure", True),
        ("trainer.trainer.ckpt_dir=ckpt", "trainer.ckpt_dir", "ckpt"),
        ("trainer.trainer.profile=true", "trainer.profile", True),
        ("trainer.trainer.profiler_dir=prof", "trainer.profiler_dir", "prof"),
        ("trainer.logger=false", "logger.tensorboard.enabled", False),
        ("trainer.wandb.use_wandb=false", "logger.wandb.enabled", False),
        ("data.train_dataloader.batch_size=32", "dataloader.batch_size", 32),
        ("dataloader_class=DataLoader", "dataloader.type", "DataLoader"),
        ("lightning.lr=1e-3", "optimizer.config.lr", 1e-3),
        ("lightning.resume_lr=1e-3", "trainer.resume_lr", 1e-3),
        ("lightning.grad_clip_threshold=2.0", "trainer.grad_clip_threshold", 2.0),
        ("lightning.no_decay_verbose=true", "optimizer.no_decay_verbose", True),
        ("trainer.tune_batch_size=true", "trainer.tune_batch_size", True),
        ("trainer.early_stopping=5", "trainer.early_stopping", 5),
        ("trainer.checkpoint_cadence_epochs=5", "trainer.checkpoint_cadence_epochs", 5),
        ("trainer.max_time=8:30:00", "limits.wall_clock", 30600.0),
    ],
)
def test_002_and_003_keys_as_overrides(override: str, key: str, value: Any) -> None:
    node: Any = compose([override]).config
    for part in key.split("."):
        node = node[part]
    assert node == value
    assert isinstance(value, bool) == isinstance(node, bool)


def test_003_minimal_example(tmp_path: Path) -> None:
    made = composed(D003_MINIMAL, tmp_path).config
    assert {k: made["dataloader"][k] for k in yaml.safe_load(D003_MINIMAL)["dataloader"]} == (
        yaml.safe_load(D003_MINIMAL)["dataloader"]
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
    made = composed(D003_MINIMAL, tmp_path).config
    assert preset["trainer"]["tune_batch_size"] is True
    for section in ("dataloader", "scheduler"):
        for key, value in preset[section].items():
            if key != "drop_last":
                assert made[section][key] == value, key
    for key in ("max_epochs", "accelerator", "precision", "gradient_clip_val", "early_stopping"):
        assert made["trainer"][key] == preset["trainer"][key]


def test_003_the_dataloader_extras_are_known() -> None:
    extras = {"mixup_alpha": 0.0, "mixup_prob": 1.0, "num_classes": None, "quantize": False,
              "mu": 255, "max_val": 10.0, "tokenizer_path": None, "max_length": None,
              "use_separator": True}  # fmt: skip
    for name, default in extras.items():
        assert fields()[f"dataloader.{name}"].default == default


def test_004_the_keys_of_its_tables(tmp_path: Path) -> None:
    canonical, notes = rewrite_mapping(tomllib.loads(D004_TABLES), "config/training.toml")
    assert canonical["trainer"] == {"max_epochs": 1}
    assert canonical["optimizer"] == {"config": {"lr": 2e-4, "weight_decay": 0.01}}
    assert canonical["scheduler"] == {"warmup": 50}
    assert {note.old for note in notes} == {
        f"hyperparameters.{name}"
        for name in ("num_epochs", "learning_rate", "warmup_steps", "weight_decay")
    }
    made = composed(yaml.safe_dump(canonical, sort_keys=False), tmp_path).config
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
