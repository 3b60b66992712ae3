"""A tiny base model, a few instructions, and runs that fine-tune the one on the others."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.runs.orders import ENV_RUN, ENV_SUPERVISOR
from trainer.runs.proc import process_start_time

WORDS = ["read", "write", "open", "close", "sum", "count", "find", "sort", "copy", "move"]
TINY = {
    "vocab_size": 320,
    "hidden_size": 32,
    "layers": 2,
    "heads": 2,
    "context": 256,
    "window": 32,
    "batch_size": 4,
    "threads": 1,
}


def write_sources(folder: Path, modules: int = 40) -> Path:
    """Write Python modules with documented functions."""
    folder.mkdir(parents=True)
    for number in range(modules):
        draw = random.Random(number)
        text = f'"""Module {number}."""\n'
        for verb in draw.sample(WORDS, 3):
            text += (
                f"\n\ndef {verb}_it(path, times=1):\n"
                f'    """{verb.title()} the path so many times."""\n'
                f"    result = [{verb}(path) for _ in range(times)]\n    return result\n"
            )
        (folder / f"mod{number:02}.py").write_text(text)
    return folder


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources") / "lib")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def base(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a base model with random weights, nearly."""
    from trainer.recipes.lora.base import BaseSettings, make_base

    folder = tmp_path_factory.mktemp("models") / "tiny-base"
    make_base(sources, folder, BaseSettings(steps=4, **TINY), lambda _: None)
    return folder


@pytest.fixture(scope="session")
def instructions(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of train, val and test samples."""
    from trainer.recipes.lora.instruct import write

    folder = tmp_path_factory.mktemp("data") / "instruct"
    write(sources, folder)
    return folder


@pytest.fixture
def config(base: Path, instructions: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "seed": 7,
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": 1,
            "num_sanity_val_steps": 0,
            "limit_train_batches": 8,
            "limit_val_batches": 2,
            "precision": "32-true",
        },
        "optimizer": {"type": "AdamW", "config": {"lr": 0.01}},
        "scheduler": {},
        "dataloader": {"batch_size": 4},
        "data": {
            "_target_": "trainer.recipes.lora.data.Instructions",
            "root": str(instructions),
            "tokenizer": str(base),
            "sequence_length": 192,
        },
        "model": {
            "_target_": "trainer.recipes.lora.model.LoraModel",
            "base_model": str(base),
            "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "target_modules": "all-linear"},
        },
        "loss": {"_target_": "trainer.recipes.lora.loss.AnswerLoss"},
        "lora": {"r": 4, "lora_alpha": 8},
        "callbacks": {"adapter": {"_target_": "trainer.recipes.lora.finish.FinishAdapter"}},
        "expert": {
            "name": "oracle-rauru-assembler",
            "display_name": "Oracle: Rauru Assembler",
            "role": "asm",
            "group": "rom-tooling",
            "specialization": "65816 assembly, ALTTP routines, ROM patching",
        },
        "evaluation": {"max_samples": 12, "answers": 1, "max_new_tokens": 8},
        "output": {"models_dir": str(tmp_path / "models")},
        "logger": {"tensorboard": {"enabled": False}},
        "run": {"num_threads": 1, "recipe": "lora"},
    }


@pytest.fixture
def lab(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Make run folders: `lab("name", **{"trainer.max_epochs": 2})` gives the folder."""

    def make(name: str = "run", /, **changes: Any) -> Path:
        folder = tmp_path / name
        monkeypatch.setenv(ENV_RUN, str(folder))
        monkeypatch.setenv(ENV_SUPERVISOR, f"{os.getppid()}:{process_start_time(os.getppid())}")
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        mine = copy.deepcopy(config)
        for key, value in changes.items():
            *parents, leaf = key.split(".")
            place = mine
            for parent in parents:
                place = place.setdefault(parent, {})
            place[leaf] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(mine))
        return folder

    return make


@pytest.fixture
def events() -> Callable[..., list[dict[str, Any]]]:
    def read(folder: Path, kind: str) -> list[dict[str, Any]]:
        lines = (folder / "logs" / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    return read
