"""Fine-tuning in our engine: what is trained, saved, resumed and left at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file, save_file

from trainer.engine.fit import fit
from trainer.engine.requests import Requests
from trainer.errors import RunError
from trainer.recipes.lora import leave
from trainer.recipes.lora.finish import FinishAdapter
from trainer.recipes.lora.folder import save

Lab = Callable[..., Path]
DOCUMENTED = {
    "expert": ["name", "role", "group", "specialization"],
    "model": ["base", "lora_rank", "lora_alpha"],
    "training": [
        "dataset",
        "num_samples",
        "num_epochs",
        "batch_size",
        "gradient_accumulation",
        "learning_rate",
        "sequence_length",
        "duration_seconds",
        "duration_minutes",
    ],
    "hardware": ["name", "device", "fp16", "bf16"],
    "metadata": ["created", "git_commit"],
}


def test_a_run_leaves_the_documented_folder(
    lab: Lab, events: Callable[..., Any], tmp_path: Path, base: Path
) -> None:
    folder = lab(**{"trainer.limit_train_batches": 24, "trainer.accumulate_grad_batches": 2})
    assert fit(folder) == 0, (folder / "logs" / "events.jsonl").read_text()
    date = datetime.now().strftime("%Y%m%d")
    (model,) = (tmp_path / "models").iterdir()
    assert model.name == f"oracle-rauru-asm-tiny-base-{date}"
    told = json.loads((model / "metadata.json").read_text())
    for section, keys in DOCUMENTED.items():
        assert [key for key in keys if key not in told[section]] == []
    assert told["expert"]["name"] == "Oracle: Rauru Assembler"
    assert told["model"] | {"base": str(base), "lora_rank": 4, "lora_alpha": 8} == told["model"]
    assert told["training"]["gradient_accumulation"] == 2
    assert told["training"]["learning_rate"] == 0.01
    assert told["training"]["duration_seconds"] > 0
    assert datetime.fromisoformat(told["metadata"]["created"])
    assert sorted(told["files"]) == sorted(path.name for path in model.iterdir())
    wanted = ["adapter_config.json", "adapter_model.safetensors", "config.json", "tokenizer.json"]
    wanted += ["tokenizer_config.json", "special_tokens_map.json"]
    assert set(wanted) <= set(told["files"])
    evaluation = told["evaluation"]
    assert evaluation["adapter_perplexity"] < evaluation["base_perplexity"]
    assert (folder / "outputs" / "model").resolve() == model
    kept = json.loads((folder / "outputs" / "evaluation.json").read_text())
    assert kept["answers"][0]["instruction"]
    told_of = events(folder, "metrics")
    measured = [e["metrics"] for e in told_of if "test/perplexity" in e["metrics"]]
    assert {e["epoch"] for e in told_of} == {0}, "what is measured at the end is of the last epoch"
    assert measured[0]["test/perplexity"] == pytest.approx(
        evaluation["adapter_perplexity"], rel=1e-3
    )
    assert "val/perplexity" in {n for e in events(folder, "metrics") for n in e["metrics"]}


@pytest.mark.parametrize(("publish", "published"), [("best", False), ("all", True)])
def test_a_trial_of_a_sweep_keeps_its_model(
    lab: Lab, tmp_path: Path, publish: str, published: bool
) -> None:
    changes = {"evaluation.after_training": False, "ablation.publish": publish}
    folder = lab("trial-1", **{**changes, "trainer.max_steps": 1})
    (folder / "run.json").write_text(json.dumps({"parent": {"sweep": "s", "trial": "1"}}))
    assert fit(folder) == 0
    place = tmp_path / "models" if published else folder / "outputs" / "models"
    (model,) = place.iterdir()
    assert (model / "adapter_model.safetensors").is_file()
    link = folder / "outputs" / "model"
    assert link.resolve() == model
    # A run folder may be moved.
    assert link.readlink().is_absolute() is published
    assert (tmp_path / "models").exists() is published


def test_the_folder_loads_as_peft_loads_any(lab: Lab, tmp_path: Path, base: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    folder = lab(**{"evaluation.after_training": False})
    assert fit(folder) == 0
    (place,) = (tmp_path / "models").iterdir()
    model = AutoPeftModelForCausalLM.from_pretrained(place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    ids = tokenizer("def read(path):", return_tensors="pt")["input_ids"]
    assert model(input_ids=ids).logits.shape[-1] == len(tokenizer)
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    mine = model.state_dict()
    names = [name for name in saved if "lora_B" in name]
    assert names
    for name in names:
        assert torch.equal(mine[name.removeprefix("model.network.")], saved[name])


def test_checkpoints_hold_the_adapter_alone(lab: Lab) -> None:
    folder = lab(**{"evaluation.after_training": False, "trainer.limit_train_batches": 2})
    assert fit(folder) == 0
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    extra = state.pop("model._extra_state")
    assert extra["digest"]
    assert all("lora_" in name for name in state)
    assert len(state) == 2 * 7 * 2  # two matrices for each of seven linear layers of two blocks


@pytest.mark.parametrize("packing", [False, True])
def test_an_interrupted_run_equals_an_uninterrupted_one(
    lab: Lab, stop_after: Callable[..., int], packing: bool
) -> None:
    changes = {
        "data.packing": packing,
        "trainer.limit_train_batches": 6,
        "trainer.max_epochs": 2,
        "trainer.accumulate_grad_batches": 2,
        "dataloader.batch_size": 2,
        "evaluation.after_training": False,
        "scheduler": {"type": "LinearLR", "warmup": 2, "interval": "step",
                      "config": {"start_factor": 1.0, "end_factor": 0.0, "total_iters": "auto"}},
    }  # fmt: skip
    whole = lab("whole", **changes)
    assert fit(whole) == 0
    cut = lab("cut", **changes)
    assert stop_after(2, cut) == 2
    settings = yaml.safe_load((cut / "config.yaml").read_text())
    settings["run"]["resume"] = "auto"
    (cut / "config.yaml").write_text(yaml.safe_dump(settings))
    assert fit(cut) == 0
    one, two = (
        torch.load(each / "checkpoints" / "last.ckpt", weights_only=True) for each in (whole, cut)
    )
    for name, value in one["state_dict"].items():
        other = two["state_dict"][name]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other
    assert one["global_step"] == two["global_step"]


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Path], int]:
    """Train until so many steps are done, and stop as `traindeck stop` would; gives the steps."""

    def train(steps: int, folder: Path) -> int:
        requests = Requests()

        def look(self: Any, trainer: Any, *_: Any) -> None:
            if trainer.global_step >= steps:
                requests.stop("step", "asked")

        with monkeypatch.context() as patched:
            patched.setattr(FinishAdapter, "on_train_batch_end", look)
            assert fit(folder, requests) == 0
        last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        return int(last["global_step"])

    return train


def test_a_stopped_run_leaves_no_folder(
    lab: Lab, stop_after: Callable[..., int], tmp_path: Path
) -> None:
    assert stop_after(2, lab()) == 2
    assert not (tmp_path / "models").exists()


def test_a_checkpoint_is_refused_beside_another_base(
    lab: Lab, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab(**{"trainer.limit_train_batches": 2, "evaluation.after_training": False})
    assert fit(folder) == 0
    other = tmp_path / "other-base"
    shutil.copytree(base, other)
    weights = load_file(other / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1.0}, other / "model.safetensors", {"format": "pt"})
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    settings["model"]["base_model"] = str(other)
    settings["run"]["resume"] = "auto"
    settings["trainer"]["max_epochs"] = 2
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    assert fit(folder) != 0
    assert "has other weights" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_half_precision_keeps_the_base_in_half(lab: Lab, precision: str, tmp_path: Path) -> None:
    folder = lab(
        **{
            "trainer.precision": precision,
            "trainer.limit_train_batches": 2,
            "model.dtype": "bfloat16",
            "evaluation.answers": 1,
        }
    )
    assert fit(folder) == 0
    (place,) = (tmp_path / "models").iterdir()
    told = json.loads((place / "metadata.json").read_text())
    assert (told["hardware"]["fp16"], told["hardware"]["bf16"]) == (False, True)
    assert told["evaluation"]["adapter_perplexity"] > 1
    saved = load_file(place / "adapter_model.safetensors")
    kept = torch.float32 if precision == "bf16-mixed" else torch.bfloat16
    assert {value.dtype for value in saved.values()} == {kept}


def test_a_missing_test_file_is_told_before_training(
    lab: Lab, instructions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "set"
    shutil.copytree(instructions, place)
    (place / "test.jsonl").unlink()
    folder = lab(**{"data.root": str(place)})
    assert fit(folder) == 2
    assert "data.test_split is test.jsonl" in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()


def test_an_evaluation_that_fails_does_not_lose_the_model(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.recipes.lora import finish

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(finish, "evaluate", fails)
    folder = lab(**{"trainer.limit_train_batches": 2})
    assert fit(folder) == 0
    (place,) = (tmp_path / "models").iterdir()
    assert "evaluation" not in json.loads((place / "metadata.json").read_text())


def test_a_folder_that_cannot_be_made_is_told_before_training(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    folder = lab(**{"output.models_dir": str(tmp_path / "taken" / "models")})
    assert fit(folder) != 0
    assert "output.models_dir" in capsys.readouterr().err
    assert not list((folder / "checkpoints").glob("*.ckpt"))


def test_a_full_disk_does_not_lose_the_model(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    real = save
    refused = [tmp_path / "models"]

    def full(place: Path, *rest: Any) -> Path:
        if place in refused:
            raise OSError(28, "No space left on device")
        return real(place, *rest)

    monkeypatch.setattr(leave, "save", full)
    changes = {"trainer.limit_train_batches": 2, "evaluation.after_training": False}
    folder = lab(**changes)
    assert fit(folder) == 0
    assert (folder / "outputs" / "model" / "adapter_model.safetensors").is_file()
    assert not (folder / "outputs" / "model").is_symlink()

    again = lab("again", **changes)
    refused.append(again / "outputs")
    assert fit(again) == 1
    refused.clear()
    made = leave.from_checkpoint(again, "last")
    assert made.parent == tmp_path / "models"
    assert (again / "outputs" / "model").resolve() == made
    one, two = (
        load_file(place / "adapter_model.safetensors")
        for place in (folder / "outputs" / "model", made)
    )
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    told = json.loads((made / "metadata.json").read_text())["training"]
    assert (told["steps"], told["num_epochs"]) == (2, 1)
    assert told["duration_seconds"] > 0

    def broken(*_: Any, **__: Any) -> None:
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(PeftModel, "save_pretrained", broken)
    with pytest.raises(RunError, match="No space left"):
        leave.from_checkpoint(again, "last")
