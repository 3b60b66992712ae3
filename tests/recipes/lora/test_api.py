"""`ConfigTrainer`, as the document uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainer import ConfigTrainer, TrainingConfig
from trainer.errors import ConfigError, RunError

TOML = """
[experts.oracle-rauru-assembler]
display_name = "Oracle: Rauru Assembler"
role = "asm"
group = "rom-tooling"
base_model = "{base}"
context_window = 8192
specialization = "65816 assembly, ALTTP routines, ROM patching"

[datasets.mine]
path = "{data}"
quality_threshold = 0.2

[presets.mine]
expert = "oracle-rauru-assembler"
hardware = "cpu"
dataset = "mine"
hyperparameters = "production"
lora = "minimal"
sequence_length = 192
batch_size = 2
gradient_accumulation = 2
max_steps = 3
"""
# The document's two blocks as printed, apart from the package's name.
TRAIN = """
from trainer import ConfigTrainer

# Initialize
trainer = ConfigTrainer()

# Train with preset
output_dir = trainer.train("oracle-rauru-mac")

print(f"Model saved to: {output_dir}")
"""
CHANGE = """
from trainer import ConfigTrainer

trainer = ConfigTrainer()

# Build config from preset
config = trainer.build_training_config("oracle-rauru-mac")

# Modify config
config.learning_rate = 3e-4
config.num_epochs = 2

# Execute training with modified config
trainer.train_with_config(config)
"""
# Its Mac is this machine's CPU, and its dataset and base model are local ones.
HERE = """
[presets.oracle-rauru-mac]
hardware = "cpu"
dataset = "mine"
sequence_length = 192
max_steps = 2

[evaluation]
max_samples = 4
answers = 0
"""
MORE = ["evaluation.max_samples=4", "evaluation.answers=0", "trainer.limit_val_batches=1"]


@pytest.fixture
def project(
    tmp_path: Path, base: Path, instructions: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "config").mkdir()
    text = TOML.format(base=base, data=instructions)
    (tmp_path / "config" / "training.toml").write_text(text)
    return tmp_path


def test_the_documents_blocks_train(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    toml = project / "config" / "training.toml"
    toml.write_text(toml.read_text() + HERE)
    exec(TRAIN, {})
    output = Path(capfd.readouterr().out.rpartition("Model saved to: ")[2].strip())
    told = json.loads((output / "metadata.json").read_text())
    assert output.parent == project / "models"
    assert output.name.startswith("oracle-rauru-asm-tiny-base-")
    assert told["training"]["learning_rate"] == 2e-4
    assert told["training"]["gradient_accumulation"] == 2
    assert told["model"]["lora_rank"] == told["model"]["lora_alpha"] == 8
    exec(CHANGE, {})
    second = project / "models" / f"{output.name}-2"
    told = json.loads((second / "metadata.json").read_text())["training"]
    assert (told["learning_rate"], told["num_epochs"]) == (3e-4, 2)


def test_a_preset_is_built_and_changed(project: Path) -> None:
    trainer = ConfigTrainer(quiet=True)
    config = trainer.build_training_config("mine", *MORE)
    assert isinstance(config, TrainingConfig)
    assert (config.learning_rate, config.num_epochs, config.batch_size) == (2e-4, 3, 2)
    assert (config.lora_rank, config.sequence_length, config.warmup_steps) == (8, 192, 100)
    assert config.expert["role"] == "asm"
    assert config.hardware["device"] == "cpu"
    assert config.changes() == MORE
    config.learning_rate = 3e-4
    config.num_epochs = 2
    config.lora_rank = 2
    config.domains = ["body"]
    assert config.changes() == [
        *MORE,
        "optimizer.config.lr=0.0003",
        "trainer.max_epochs=2",
        "data.domains=['body']",
        "lora.r=2",
    ]


def test_an_attribute_that_is_none_names_the_nearest(project: Path) -> None:
    config = ConfigTrainer().build_training_config("mine")
    with pytest.raises(AttributeError, match="learning_rate"):
        config.learning_rte = 1.0


def test_a_missing_preset_and_a_wrong_value_are_told(project: Path) -> None:
    trainer = ConfigTrainer(quiet=True)
    with pytest.raises(ConfigError, match="mine"):
        trainer.train("mien")
    with pytest.raises(ConfigError, match=r"no folder './nowhere'"):
        trainer.train("mine", "model.base_model=./nowhere")
    with pytest.raises(ConfigError, match=r"no file of samples"):
        trainer.train("mine", "data.root=./nowhere")
    assert not (project / "runs").exists()
    config = trainer.build_training_config("mine")
    config.lora_rank = 0
    with pytest.raises(ConfigError, match=r"lora\.r"):
        trainer.train_with_config(config)


def test_what_cannot_be_built_is_told_at_once(project: Path) -> None:
    trainer = ConfigTrainer(quiet=True)
    with pytest.raises(ConfigError, match="Did you mean 'mine'"):
        trainer.build_training_config("mien")
    with pytest.raises(ConfigError, match="no key"):
        trainer.build_training_config("mine", "nothing.of_this=1")
    with pytest.raises(ConfigError, match="no such file"):
        ConfigTrainer("nope.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        ConfigTrainer(project)
    with pytest.raises(TypeError, match="build_training_config"):
        trainer.train_with_config("mine")  # type: ignore[arg-type]
    # What an attribute can mend is no reason to refuse.
    config = trainer.build_training_config("oracle-rauru-mac", "data.sequence_length=4096")
    config.sequence_length = 512


def test_a_run_that_fails_is_an_error_with_its_folder(project: Path) -> None:
    trainer = ConfigTrainer(quiet=True)
    (project / "empty").mkdir()
    (project / "empty" / "config.json").write_text("{}")
    with pytest.raises(RunError, match="resume"):
        trainer.train("mine", "model.base_model=./empty")


def test_importing_it_is_light() -> None:
    code = "import sys; from trainer import ConfigTrainer; ConfigTrainer(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "transformers", "peft", "pytorch_lightning", "numpy", "hydra"}


def test_hardware_is_chosen_by_an_override_and_says_so() -> None:
    config = ConfigTrainer().build_training_config("oracle-rauru-mac")
    with pytest.raises(AttributeError, match=r"config.overrides.append\('hardware=cpu'\)"):
        config.hardware = "cpu"  # type: ignore[assignment]
    config.overrides.append("hardware=cpu")
    assert config.changes() == ["hardware=cpu"]


def test_what_is_changed_goes_over_what_was_clamped() -> None:
    limits = ("hardware.max_batch_size=4", "trainer.limit_train_batches=10")
    trainer = ConfigTrainer(clamp=True)
    config = trainer.build_training_config("quickstart", "dataloader.batch_size=16", *limits)
    assert (config.batch_size, config.gradient_accumulation) == (4, 4)

    def trained() -> tuple[int, int, int]:
        found = trainer._composed([config.preset, *config.changes()]).config
        steps = found["trainer"]
        batches = steps["accumulate_grad_batches"], steps["limit_train_batches"]
        return (found["dataloader"]["batch_size"], *batches)

    assert trained() == (4, 4, 40)
    config.batch_size = 8
    assert trained() == (4, 8, 80)


def test_sections_are_changed_key_by_key() -> None:
    trainer = ConfigTrainer()
    config = trainer.build_training_config("quickstart", "hardware=cpu", "hardware.notes=old")
    assert config.changes() == ["hardware=cpu", "hardware.notes=old"]
    config.hardware["max_batch_size"] = 64
    del config.hardware["notes"]
    assert config.changes()[2:] == ["hardware.max_batch_size=64", "~hardware.notes"]
    found = trainer._composed([config.preset, *config.changes()]).config["hardware"]
    assert (found["max_batch_size"], found["notes"]) != (None, "old")
    config.hardware = {**config.hardware, "max_batch_szie": 64}
    with pytest.raises(ConfigError, match="max_batch_size"):
        trainer._composed([config.preset, *config.changes()])


def test_ctrl_c_ends_a_script_too_and_in_a_thread_a_run_is_followed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from trainer.commands import follow

    monkeypatch.setattr(follow, "follow_run", lambda *_, **__: 130)
    monkeypatch.setattr("trainer.runs.manage.wait", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        ConfigTrainer()._wait(object())
    found: list[int] = []

    def look() -> None:
        with follow.Interrupts() as interrupts:
            found.append(interrupts.count)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [0]
