"""Every training command of document 004 trains: on a CPU, with a small base model and data of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documentlab import oracle

from .conftest import Typed

pytest.importorskip("peft")

Type = Callable[..., Typed]
HERE = ("hardware=cpu", "trainer.max_steps=1", "evaluation.answers=0", "run.num_threads=1")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a base model that takes the document's 2048 tokens, and has learned nothing."""
    from trainer.recipes.lora.base import BaseSettings, make_base

    sources, folder = (tmp_path_factory.mktemp(name) for name in ("sources", "models"))
    for number in range(20):
        text = f'def add_{number}(a, b):\n    """Add {number} to both."""\n    return a + b\n'
        (sources / f"mod{number}.py").write_text(text * 8, encoding="utf-8")
    settings = BaseSettings(
        steps=1, vocab_size=320, hidden_size=16, layers=1, heads=2, context=2048, window=32,
        batch_size=2, threads=1,
    )  # fmt: skip
    make_base(sources, folder / "qwen25-coder-15b", settings, lambda _: None)
    return folder / "qwen25-coder-15b"


@pytest.fixture
def home(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the document's two datasets where it says that they are."""
    home = project / "person"
    monkeypatch.setenv("HOME", str(home))
    samples = [
        {"instruction": f"Load {n} into A.", "output": f"LDA #${n:02X}", "domain": domain,
         "quality_score": score}
        for n, (domain, score) in enumerate([("asm", 0.9), ("debugging", 0.7), ("asm", 0.5),
                                             ("prose", 0.9)] * 3)
    ]  # fmt: skip
    text = "".join(json.dumps(sample) + "\n" for sample in samples)
    for name in ("alttp_yaze_full_1000_20251221_195746", "my_dataset_20251222"):
        folder = home / ".context" / "training" / "datasets" / name
        folder.mkdir(parents=True)
        for split in ("train", "val", "test"):
            (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    (project / "config").mkdir()
    return home


def finished(project: Path) -> tuple[str, dict[str, Any]]:
    """Give the name and the metadata of the one model that was left."""
    (folder,) = (project / "models").iterdir()
    told = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    assert sorted(told["files"]) == sorted(path.name for path in folder.iterdir())
    return folder.name, told


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", oracle.TRAINS)
def test_each_command_trains(command: str, project: Path, base: Path, typed: Type) -> None:
    (project / "config" / "training.toml").write_text(oracle.CUSTOM_PRESET, encoding="utf-8")
    own = "\n".join([oracle.PRESET, oracle.HARDWARE])
    (project / "my_config.toml").write_text(own, encoding="utf-8")
    done = typed(command, *HERE, f"model.base_model={base}")
    assert (done.code, done.ended[0]) == (0, "completed"), done.err
    custom, cloud = "custom" in command, "cloud" in command
    name, told = finished(project)
    who = "sheik-debug" if custom else "rauru-asm"
    assert name.startswith(f"oracle-{who}-qwen25-coder-15b-20")
    trained = told["training"]
    assert trained["num_samples"] == 12
    assert trained["learning_rate"] == 2e-4
    assert trained["num_epochs"] == (3 if custom or cloud else 1)
    assert trained["gradient_accumulation"] == (4 if custom else 2)
    assert told["model"]["lora_rank"] == (16 if custom or cloud else 8)
    for section, keys in json.loads(oracle.METADATA).items():
        assert set(keys) <= set(told[section]), section


@pytest.mark.usefixtures("home")
def test_the_new_components_train(project: Path, base: Path, typed: Type) -> None:
    text = "\n".join(oracle.ADDITIONS)
    (project / "config" / "training.toml").write_text(text, encoding="utf-8")
    done = typed("traindeck train oracle-purah-cloud", *HERE, f"model.base_model={base}")
    assert (done.code, done.ended[0]) == (0, "completed"), done.err
    name, told = finished(project)
    assert name.startswith("oracle-purah-performance-qwen25-coder-15b-20")
    assert told["training"]["num_samples"] == 6
    assert told["training"]["domains"] == {"asm": 3, "debugging": 3}
    assert (told["training"]["below_quality"], told["training"]["other_domains"]) == (3, 3)
    assert done.config["expert"]["prompt_template"].startswith("Below is a performance analysis")
