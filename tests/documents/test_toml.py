"""Every TOML block and every command of document 004, as they are printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documentlab import oracle

from trainer.config.compose import Composed, compose
from trainer.config.sources import list_options
from trainer.errors import ConfigError

Typing = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project with `config/`; nobody's own files beside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(
        "HOME", str(tmp_path / "home")
    )  # who has the document's data set has it not here
    (tmp_path / "config").mkdir()
    return tmp_path


def write(project: Path, *blocks: str, name: str = "config/training.toml") -> None:
    (project / name).write_text("\n".join(blocks), encoding="utf-8")


def refused(*words: str, config_file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        compose(words, config_file=config_file)
    return [str(problem) for problem in error.value.problems]


def is_rauru_mac(made: Composed) -> None:
    config = made.config
    assert made.choices["hardware"] == "mac-mps"
    assert config["expert"]["display_name"] == "Oracle: Rauru Assembler"
    assert config["model"]["base_model"] == "Qwen/Qwen2.5-Coder-1.5B"
    assert config["lora"]["r"] == config["lora"]["lora_alpha"] == 8
    assert config["data"]["name"] == "alttp_yaze_full"
    assert config["data"]["sequence_length"] == 1024
    assert config["dataloader"]["batch_size"] == 1
    assert config["trainer"]["accumulate_grad_batches"] == 2
    assert config["trainer"]["max_epochs"] == 1
    assert config["trainer"]["accelerator"] == "mps"
    assert config["trainer"]["precision"] == "16-mixed"  # it supports no bf16
    assert config["optimizer"]["config"]["lr"] == 2e-4
    assert config["optimizer"]["config"]["weight_decay"] == 0.01
    assert config["scheduler"]["type"] == "LinearLR"
    assert config["scheduler"]["warmup"] == 50
    assert config["run"]["recipe"] == "lora"


def test_its_presets_are_there_out_of_the_box(here: Path) -> None:
    is_rauru_mac(compose(["oracle-rauru-mac"]))
    cloud = compose(["oracle-rauru-cloud"]).config
    assert cloud["trainer"]["precision"] == "bf16-mixed"  # bf16 before fp16
    assert cloud["trainer"]["max_epochs"] == 3
    assert cloud["lora"]["r"] == 16
    assert cloud["data"]["sequence_length"] == 2048
    assert cloud["dataloader"]["batch_size"] == 4


def test_its_hardware_is_there_out_of_the_box(here: Path) -> None:
    names = {option.name for option in list_options("hardware")}
    assert names >= {"mac-mps", "windows-rtx-5060", "cloud-rtx-4090", "cloud-a100-40gb"}
    made = compose(["oracle-rauru-cloud", "hardware=cloud-a100-40gb"]).config["hardware"]
    assert made["cost_per_hour"] == 1.20
    (told,) = refused("oracle-rauru-windows")
    assert "is unsupported: CUDA capability sm_120 not supported by PyTorch" in told


def test_its_structure_composes_and_each_value_tells_its_line(here: Path) -> None:
    write(here, *oracle.STRUCTURE)
    made = compose(["oracle-rauru-mac"])
    is_rauru_mac(made)
    lines = (here / "config" / "training.toml").read_text(encoding="utf-8").splitlines()
    for key, said in {
        "hardware.max_lora_rank": "max_lora_rank = 8",
        "expert.role": 'role = "asm"',
        "lora.r": "r = 8",
        "optimizer.config.lr": "learning_rate = 2e-4",
        "dataloader.batch_size": "batch_size = 1",
    }.items():
        origin = made.provenance[key]
        assert (origin.where, origin.kind) == ("config/training.toml", "project")
        assert origin.line is not None
        assert lines[origin.line - 1] == said
    # Hardware stands in a file of its own among the built-in ones; the table lies over it.
    assert made.provenance["hardware.status"].where == "hardware/mac-mps.yaml"


def test_production_inherits_what_it_lacks_from_default(here: Path) -> None:
    write(here, oracle.HYPERPARAMETERS)
    made = compose(["oracle-rauru-cloud"])
    assert made.config["trainer"]["max_epochs"] == 3
    assert made.config["scheduler"]["warmup"] == 100
    assert made.config["scheduler"]["type"] == "LinearLR"  # only `default` names it
    assert made.config["optimizer"]["config"]["weight_decay"] == 0.01
    assert made.provenance["optimizer.config.weight_decay"].line == 5
    assert made.provenance["trainer.max_epochs"].line == 9


def test_a_set_of_ones_own_inherits_too_and_the_nearest_default_counts(here: Path) -> None:
    write(here, "[hyperparameters.default]\nweight_decay = 0.5\neval_strategy = 'no'\n",
          "[hyperparameters.mine]\nlearning_rate = 1e-3\neval_strategy = 'steps'\neval_steps = 7\n")  # fmt: skip
    made = compose(["oracle-rauru-mac", "hyperparameters=mine"]).config
    assert made["optimizer"]["config"] == {"lr": 1e-3, "betas": [0.9, 0.999], "weight_decay": 0.5}
    assert made["scheduler"]["warmup"] == 50  # from the built-in `default`
    assert made["trainer"]["limit_val_batches"] is None  # not the 0 that `no` would have become
    assert made["trainer"]["val_check_interval"] == 7


def test_a_preset_beyond_its_hardware_is_refused(here: Path) -> None:
    write(here, '[presets.oracle-farore-windows]\nexpert = "oracle-sheik-debugger"\n'
          'hardware = "windows-rtx-5060"\ndataset = "alttp_yaze_full"\nhyperparameters = "default"\n'
          'lora = "standard"\nsequence_length = 4096\nbatch_size = 2\ngradient_accumulation = 4\n',
          '[hardware.windows-rtx-5060]\nstatus = "supported"\n')  # fmt: skip
    (told,) = refused("oracle-farore-windows")
    assert told.startswith("config/training.toml:7")
    assert "4096" in told
    assert "2048" in told


def test_the_custom_preset_is_refused_for_the_rank_that_it_tries(here: Path) -> None:
    write(here, oracle.CUSTOM_PRESET)
    (told,) = refused("my-custom-training")  # "Try higher rank if it fits": it does not
    assert "16" in told
    assert "8" in told
    made = compose(["my-custom-training", "lora=minimal"]).config
    assert made["trainer"]["max_epochs"] == 3
    assert made["trainer"]["accumulate_grad_batches"] == 4
    assert made["expert"]["role"] == "debug"


def test_the_command_that_keeps_to_the_limits_is_told(here: Path, typed: Typing) -> None:
    (here / "config").mkdir(exist_ok=True)
    write(here, oracle.CUSTOM_PRESET)
    done = typed("traindeck train my-custom-training")
    assert done.code == 2
    told = done.err.strip()
    assert "Set lora.r=8 lora.lora_alpha=8" in told
    command = told.partition("What the limits allow: ")[2]
    assert "my-custom-training" in command
    assert command.endswith("--clamp")
    made = typed(command, "--dry-run", "--json")
    assert made.code == 0
    assert json.loads(made.out)["config"]["lora"]["r"] == 8
    # What no clamping mends is told alone.
    assert "limits allow" not in typed("traindeck train my-custom-training lora.rr=1").err


def test_new_components_compose(here: Path) -> None:
    write(here, *oracle.ADDITIONS)
    made = compose(["oracle-purah-cloud"]).config
    assert made["expert"]["prompt_template"].startswith("Below is a performance analysis task{c")
    assert made["expert"]["prompt_template"].endswith("### Analysis:\n{output}")
    assert made["data"]["root"] == "~/.context/training/datasets/my_dataset_20251222"
    assert made["data"]["quality_threshold"] == 0.6
    assert made["data"]["domains"] == ["asm", "debugging"]
    assert made["data"]["test_split"] == "test.jsonl"
    made = compose(["oracle-purah-cloud", "hardware=my-workstation"]).config
    assert made["hardware"]["name"] == "My RTX 4090 Workstation"
    assert made["trainer"]["precision"] == "bf16-mixed"


def test_less_memory_is_two_lines(here: Path) -> None:
    write(here, oracle.LESS_MEMORY)
    told = " ".join(refused("oracle-rauru-mac"))
    assert "512" in told
    assert "4" in told
    made = compose(["oracle-rauru-mac", "data.sequence_length=512", "lora.r=4"]).config
    assert made["hardware"]["name"] == "Mac M1/M2/M3 with MPS"  # the rest is the built-in profile's
    assert made["hardware"]["max_batch_size"] == 1


@pytest.mark.parametrize("command", oracle.LISTS)
def test_lists(command: str, here: Path, typed: Typing) -> None:
    (here / "config").mkdir(exist_ok=True)
    write(here, *oracle.STRUCTURE, *oracle.ADDITIONS)
    done = typed(command)
    assert done.code == 0
    what = command.rpartition("-")[2]
    wanted = {
        "presets": ("oracle-rauru-mac", "oracle-rauru-cloud", "oracle-purah-cloud", "quickstart"),
        "experts": ("oracle-rauru-assembler", "Oracle: Purah Profiler", "rom-tooling"),
        "hardware": ("mac-mps", "windows-rtx-5060", "my-workstation", "cloud-a100-40gb"),
    }[what]
    for word in wanted:
        assert word in done.out
    rows = json.loads(typed(f"{command} --json").out)
    assert {row["from"] for row in rows} >= {"built-in", "project"}


def test_lists_that_are_asked_for_together_are_all_shown_in_order(
    here: Path, typed: Typing
) -> None:
    done = typed("traindeck train --list-hardware --list-presets --list-hardware")
    heads = [line.split()[0] for line in done.out.splitlines() if line[:1].isupper()]
    assert heads == ["HARDWARE", "PRESET"]
    found = json.loads(typed("traindeck train --list-hardware --list-experts --json").out)
    assert list(found) == ["hardware", "experts"]
    assert "mac-mps" in [row["hardware"] for row in found["hardware"]]


@pytest.mark.parametrize("command", oracle.LISTS)
def test_verbose_lists_tell_all_of_each_and_where_it_stands(
    command: str, here: Path, typed: Typing
) -> None:
    (here / "config").mkdir(exist_ok=True)
    write(here, *oracle.STRUCTURE, *oracle.ADDITIONS)
    done = typed(f"{command} --verbose")
    assert done.code == 0
    what = command.rpartition("-")[2]
    name = {"presets": "oracle-purah-cloud", "experts": "oracle-purah-profiler",
            "hardware": "my-workstation"}[what]  # fmt: skip
    lines = (here / "config/training.toml").read_text(encoding="utf-8").splitlines()
    at = lines.index(f"[{what}.{name}]") + 1
    assert f"{name}  (project, config/training.toml:{at})" in done.out.splitlines()
    for fact in {"presets": ("oracle-purah-profiler", "2048"), "experts": ("rom-tooling", "8192"),
                 "hardware": ("My RTX 4090 Workstation", "yes")}[what]:  # fmt: skip
        assert fact in done.out
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize("command", oracle.TRAINS)
def test_trains(command: str, here: Path, typed: Typing) -> None:
    (here / "config").mkdir(exist_ok=True)
    write(here, oracle.CUSTOM_PRESET)
    write(here, oracle.PRESET, oracle.HARDWARE, name="my_config.toml")
    more = ["lora=minimal"] if "custom" in command else []
    done = typed(command, "--dry-run", *more)
    assert done.code == 0
    assert all(
        line.startswith("note: it cannot start here yet: ") for line in done.err.splitlines()
    )
    assert "There is no file of samples" in done.err
    assert "recipe: lora" in done.out
    assert command.removesuffix(" --verbose") in done.out
    assert ("# files, the lowest first" in done.out) == ("--verbose" in command)


def test_a_preset_that_is_not_there_is_told_with_the_nearest(here: Path, typed: Typing) -> None:
    done = typed("traindeck train oracle-rauru-mc")
    assert done.code == 2
    assert "'oracle-rauru-mac'" in done.err
    assert "--list-presets" in done.err


def test_expert_and_hardware_may_be_named(here: Path, typed: Typing) -> None:
    done = typed("traindeck train --expert oracle-sheik-debugger --hardware cpu --dry-run --json")
    config = json.loads(done.out)["config"]
    assert config["expert"]["role"] == "debug"
    assert config["hardware"]["device"] == "cpu"
    assert config["run"]["recipe"] == "lora"
