"""What is beyond a hardware profile is refused before launch, or clamped with the batch as it was."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hardwarelab import A100, GIB, RTX_4090, RTX_5060, T4

from trainer.config import hardware_detect, hardware_here
from trainer.config.compose import Composed, compose
from trainer.config.hardware_batch import batch_of
from trainer.config.hardware_clamp import clamp, unlike
from trainer.config.hardware_detect import Machine
from trainer.config.hardware_fit import best, misfits, profile_text, uses, verdicts
from trainer.config.hardware_machine import Cpu, Gpu, Memory
from trainer.config.hardware_rules import hardware_profiles
from trainer.config.hardware_torch import Torch
from trainer.config.loader import parse
from trainer.errors import ConfigError

CU128 = Torch("2.8.0+cu128", cuda="12.8", arches=("sm_75", "sm_80", "sm_86", "sm_90"))
MEMORY = Memory(32 * GIB, 32 * GIB, 16 * GIB)


def machine(*models: Any, kind: str = "cuda", torch: Torch | None = CU128) -> Machine:
    gpus = tuple(
        Gpu(at, model[0], kind, int(model[1] * GIB), None, model[2])
        for at, model in enumerate(models)
    )
    return Machine(Cpu("Lab CPU", 8, 8.0), MEMORY, gpus, torch=torch)


@pytest.fixture(autouse=True)
def built_in_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def on(hardware: str, *overrides: str, **options: Any) -> Composed:
    return compose(["quickstart", f"hardware={hardware}", *overrides], **options)


def refused(hardware: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        on(hardware, *overrides)
    return [str(problem) for problem in caught.value.problems]


# Refused


def test_a_batch_beyond_the_profile_names_key_value_limit_and_profile() -> None:
    (said,) = refused("cloud-rtx-4090", "dataloader.batch_size=8")
    assert said.startswith("override dataloader.batch_size=8: 'dataloader.batch_size' is 8,")
    assert "hardware 'Cloud RTX 4090' takes at most 4" in said
    assert "hardware.max_batch_size, hardware/cloud-rtx-4090.yaml:5" in said
    assert "Set dataloader.batch_size=4 trainer.accumulate_grad_batches=2" in said
    assert "--clamp" in said


@pytest.mark.parametrize(
    ("hardware", "words", "said"),
    [
        ("cloud-rtx-4090", ["data.sequence_length=4097"], "'data.sequence_length' is 4097"),
        ("mac-mps", ["model.context=2048"], "'data.context' is 2048"),
        (
            "mac-mps",
            ["dataloader.type=TextDataLoader", "dataloader.max_length=1025", "dataloader.tokenizer_path=t"],
            "'dataloader.max_length' is 1025",
        ),
        ("mac-mps", ["lora.r=16"], "'lora.r' is 16"),
        ("mac-mps", ["trainer.precision=bf16-mixed"], "does not support bf16"),
        ("kaggle-t4x2", ["trainer.precision=bf16-true"], "does not support bf16"),
        ("cpu", ["trainer.precision=16-true"], "does not support fp16"),
        ("mac-mps", ["++model.gradient_checkpointing=true"], "does not support it"),
        ("kaggle-t4x2", ["trainer.devices=4"], "has 2"),
    ],
)  # fmt: skip
def test_everything_else_beyond_it(hardware: str, words: list[str], said: str) -> None:
    found = [
        each for each in refused(hardware, "dataloader.batch_size=1", *words) if "--clamp" in each
    ]
    assert [said in each for each in found] == [True], found
    assert f"hardware/{hardware}.yaml:" in found[0]


def test_what_is_within_the_limits_passes() -> None:
    words = ["dataloader.batch_size=1", "data.sequence_length=1024", "lora.r=8"]
    assert on("mac-mps", *words).config["dataloader"]["batch_size"] == 1
    assert on("mac-mps", "dataloader.batch_size=64", "hardware.max_batch_size=null")
    assert on("cloud-rtx-4090", "dataloader.batch_size=99", "trainer.tune_batch_size=true")


def test_a_profile_speaks_of_its_own_kind_of_device() -> None:
    made = on("cloud-rtx-4090", "trainer.accelerator=cpu", "dataloader.batch_size=64")
    assert any("so its limits are not checked" in note for note in made.notes)
    made = on("cloud-rtx-4090", "trainer.accelerator=cpu", "dataloader.batch_size=4")
    assert not any("limits" in note for note in made.notes)


def test_unsupported_hardware_names_only_profiles_that_would_do() -> None:
    (said,) = refused("windows-rtx-5060", "dataloader.batch_size=8")
    assert "is unsupported: CUDA capability sm_120 not supported by PyTorch." in said
    assert "hardware=cloud-a100-40gb" in said
    assert "hardware=cpu" in said
    assert "hardware=mac-mps" not in said  # it takes one sample
    assert "hardware=windows-rtx-5060" not in said


def test_a_guard_that_could_never_act_is_told() -> None:
    made = on("kaggle-p100", "limits.gpu_memory_gb=20")
    assert any(note.startswith("limits.gpu_memory_gb=20 is more than") for note in made.notes)
    assert not any("limits" in note for note in on("kaggle-p100", "trainer=kaggle_safe").notes)


# Clamped


def settings(composed: Composed) -> dict[str, tuple[Any, Any]]:
    return {change.key: (change.old, change.new) for change in composed.clamped}


def test_a_clamped_batch_keeps_the_effective_one() -> None:
    made = on("cloud-rtx-4090", "dataloader.batch_size=16", clamp=True)
    assert settings(made) == {
        "dataloader.batch_size": (16, 4),
        "trainer.accumulate_grad_batches": (1, 4),
        # Counted in batches, of which there are four times as many.
        "trainer.val_check_interval": (200, 800),
    }
    (origin,) = made.where("dataloader.batch_size").values()
    assert str(origin) == "resolved (clamped from 16 by hardware.max_batch_size)"
    assert made.overrides == ("quickstart", "hardware=cloud-rtx-4090", "dataloader.batch_size=16")


@pytest.mark.parametrize(
    ("batch", "accumulate", "most", "size", "times", "note"),
    [
        (64, 2, 4, 4, 32, ""),
        (10, 1, 4, 2, 5, ""),
        (6, 2, 4, 4, 3, ""),
        (7, 1, 4, 4, 2, "8 instead of 7"),
        (5, 3, 1, 1, 15, ""),
        (97, 1, 64, 64, 2, "128 instead of 97"),
    ],
)
def test_sizes_that_divide_and_sizes_that_do_not(
    batch: int, accumulate: int, most: int, size: int, times: int, note: str
) -> None:
    config = on(
        "cpu", f"dataloader.batch_size={batch}", f"trainer.accumulate_grad_batches={accumulate}"
    ).config
    config = {**config, "hardware": {**config["hardware"], "max_batch_size": most}}
    found = clamp(config)
    values = {each.key: each.value for each in found}
    notes = unlike(config, laid(config, values))
    assert values["dataloader.batch_size"] == size
    assert values.get("trainer.accumulate_grad_batches", accumulate) == times
    assert [note in each for each in notes] == ([True] if note else [])


def laid(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over a config, by dotted key."""
    over = {name: dict(section) for name, section in config.items() if isinstance(section, Mapping)}
    for key, value in values.items():
        section, _, name = key.partition(".")
        over.setdefault(section, {})[name] = value
    return {**config, **over}


def test_everything_is_clamped_at_once() -> None:
    made = on(
        "mac-mps", "lora.r=32", "lora.lora_alpha=64", "model.context=4096",
        "trainer.precision=bf16-mixed", "++model.gradient_checkpointing=true",
        "model._target_=torch.nn.Module", clamp=True,
    )  # fmt: skip
    assert not made.problems
    found = settings(made)
    assert found["lora.r"] == (32, 8)
    assert found["lora.lora_alpha"] == (64, 16)
    assert found["data.context"] == (4096, 1024)
    assert found["trainer.precision"] == ("bf16-mixed", "16-mixed")
    assert found["model.gradient_checkpointing"] == (True, False)
    assert found["dataloader.batch_size"] == (16, 1)


def test_fewer_devices_and_smaller_batches_together() -> None:
    made = on(
        "kaggle-t4x2", "trainer.devices=4", "dataloader.batch_size=128", "trainer.val_check_interval=10",
        clamp=True,
    )  # fmt: skip
    batch = batch_of(made.config)
    assert batch is not None
    assert (batch.size, batch.devices, batch.accumulate) == (64, 2, 4)
    assert batch.effective == 128 * 4
    assert made.config["trainer"]["val_check_interval"] == 40


def test_what_follows_a_clamped_value_follows_it() -> None:
    made = on(
        "cloud-rtx-4090", "dataloader.batch_size=16", "callbacks.sample.every=${dataloader.batch_size}",
        check=False, clamp=True,
    )  # fmt: skip
    assert made.config["callbacks"]["sample"]["every"] == 4


def test_what_cannot_be_clamped_stays_refused() -> None:
    with pytest.raises(ConfigError, match="sm_120"):
        on("windows-rtx-5060", clamp=True)
    plain = on("cpu")
    clamped = on("cpu", clamp=True)
    assert (clamped.config, clamped.clamped) == (plain.config, ())


def test_an_alias_beside_the_clamp_is_no_second_spelling() -> None:
    made = on("cloud-rtx-4090", "batch_size=16", clamp=True)
    assert made.config["dataloader"]["batch_size"] == 4


# Batches of several devices


@pytest.mark.parametrize(
    ("words", "said", "effective"),
    [
        ([], "16 a step", 16),
        (["trainer.accumulate_grad_batches=4"], "16 per device x 4 accumulated = 64 a step", 64),
        (
            ["trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp"],
            "16 per device x 2 devices = 32 a step",
            32,
        ),
        (["trainer.accelerator=gpu", "trainer.devices=[0,3]"], "16 per device x 2 devices = 32 a step", 32),
        (["trainer.accelerator=gpu", "trainer.devices='0,1,2'"], "16 per device x 3 devices = 48 a step", 48),
        (["trainer.accelerator=gpu", "trainer.devices=-1"], "16 per device x all devices", None),
    ],
)  # fmt: skip
def test_the_batch_in_words(words: list[str], said: str, effective: int | None) -> None:
    batch = batch_of(compose(["quickstart", *words]).config)
    assert batch is not None
    assert (str(batch), batch.effective) == (said, effective)


def test_multi_gpu_takes_the_devices_of_the_profile() -> None:
    made = compose(["quickstart", "trainer=multi_gpu", "hardware=kaggle-t4x2"])
    assert made.config["trainer"]["devices"] == 2
    assert str(batch_of(made.config)) == "64 per device x 2 devices = 128 a step"
    made = compose(
        ["quickstart", "trainer=multi_gpu", "hardware=cloud-h100-80gb", "hardware.devices=8"]
    )
    assert str(batch_of(made.config)) == "64 per device x 8 devices = 512 a step"


# auto


def test_auto_is_resolved_told_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_detect, "machine", lambda: machine(RTX_4090))
    made = on("auto", "trainer.amp=true")
    hardware = made.config["hardware"]
    assert hardware["name"] == "NVIDIA GeForce RTX 4090"
    assert (hardware["detect"], hardware["devices"]) == (False, 1)
    assert made.config["trainer"]["accelerator"] == "gpu"
    assert made.config["trainer"]["precision"] == "bf16-mixed"
    assert "hardware: NVIDIA GeForce RTX 4090 with 24 GB, fp16 and bf16" in made.notes
    assert str(made.provenance["hardware.name"]) == "resolved (found on this machine)"
    own = on(
        "auto",
        "hardware.max_batch_size=8",
        "hardware.supports_bf16=false",
        "trainer.amp=true",
        clamp=True,
    )
    assert own.config["trainer"]["precision"] == "16-mixed"
    assert own.config["dataloader"]["batch_size"] == 8


# Which profiles fit


@pytest.mark.parametrize(
    ("models", "fitting", "chosen"),
    [
        ((), {"auto", "cpu"}, "cpu"),
        ((RTX_4090,), {"auto", "cpu", "cloud-rtx-4090", "kaggle-p100"}, "cloud-rtx-4090"),
        ((T4, T4), {"auto", "cpu", "kaggle-t4x2", "kaggle-p100"}, "kaggle-t4x2"),
        ((A100,), {"auto", "cpu", "cloud-rtx-4090", "cloud-a100-40gb", "kaggle-p100"}, "cloud-a100-40gb"),
        ((RTX_5060,), {"auto", "cpu"}, "cpu"),
    ],
)  # fmt: skip
def test_profiles_that_fit(models: tuple[Any, ...], fitting: set[str], chosen: str) -> None:
    found = verdicts(machine(*models))
    assert {verdict.name for verdict in found if verdict.fits} == fitting
    picked = best(found)
    assert picked is not None
    assert picked.name == chosen


def test_why_others_do_not() -> None:
    profiles = hardware_profiles()
    assert misfits(profiles["cloud-a100-40gb"], machine(RTX_4090)) == [
        "needs 40 GB, and NVIDIA GeForce RTX 4090 has 24"
    ]
    assert misfits(profiles["cloud-rtx-4090"], machine(T4)) == [
        "needs 24 GB, and Tesla T4 has 15",
        "needs bf16, which Tesla T4 (sm_75) lacks",
    ]
    assert misfits(profiles["kaggle-t4x2"], machine(T4)) == ["needs 2 GPUs, and there is 1"]
    assert misfits(profiles["cloud-rtx-4090"], machine()) == ["needs a CUDA GPU, and none is found"]
    (said,) = misfits(profiles["cloud-rtx-4090"], machine(RTX_5060))
    assert said.startswith("CUDA capability sm_120 not supported by PyTorch 2.8.0+cu128")
    cpu_only = machine(RTX_4090, torch=Torch("2.8.0+cpu"))
    assert misfits(profiles["cloud-rtx-4090"], cpu_only) == [
        "PyTorch 2.8.0+cpu is built without CUDA"
    ]
    assert "marked unsupported" in misfits(profiles["windows-rtx-5060"], machine(RTX_4090))[0]
    assert "Apple" in misfits(profiles["mac-mps"], machine())[0]


def test_a_mac_fits_the_profile_of_macs() -> None:
    mac = machine(("Apple M2 Pro", 21.3, None), kind="mps")
    assert misfits(hardware_profiles()["mac-mps"], mac) == []
    chosen = best(verdicts(mac))
    assert chosen is not None
    assert chosen.name == "mac-mps"


def test_what_to_type_for_each_preset() -> None:
    found = {use.preset: use for use in uses("cloud-rtx-4090")}
    assert found["quickstart"].words == ("quickstart", "hardware=cloud-rtx-4090")
    assert found["quickstart"].clamp
    assert "takes at most 4" in found["quickstart"].why
    assert not {use.preset: use for use in uses("cpu")}["quickstart"].clamp
    assert "trainer.accelerator=cuda" in {u.preset: u for u in uses("cpu")}["minimal_brain_gen"].why


def test_a_written_profile_composes(tmp_path: Path) -> None:
    found = machine(RTX_4090)
    text = profile_text(found, verdicts(found))
    assert "# max_batch_size: 4\n" in text
    assert "cloud-rtx-4090" in text
    file = tmp_path / "profiles" / "hardware" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    made = compose(["quickstart", "hardware=mine"]).config
    assert made["hardware"]["name"] == "NVIDIA GeForce RTX 4090"
    assert made["hardware"]["max_batch_size"] is None
    file.write_text(text.replace("# max_batch_size", "max_batch_size"))
    with pytest.raises(ConfigError, match="takes at most 4"):
        compose(["quickstart", "hardware=mine"])
    assert parse(profile_text(machine(), []), "x", "project").values["device"] == "cpu"


# This very machine


def asks(accelerator: str, hardware: str = "cpu") -> dict[str, Any]:
    words = [
        f"hardware={hardware}",
        f"trainer.accelerator={accelerator}",
        "dataloader.batch_size=1",
    ]
    return compose(["quickstart", *words]).config


def test_a_gpu_that_pytorch_cannot_use_is_refused_before_launch() -> None:
    old = Torch("2.6.0+cu124", cuda="12.4", arches=("sm_80", "sm_90"))
    (said,) = map(str, hardware_here.lacking(asks("gpu"), machine(RTX_5060, torch=old)))
    assert said.startswith(
        "Hardware NVIDIA GeForce RTX 5060 Ti is unsupported: CUDA capability sm_120 not supported by "
        "PyTorch 2.6.0+cu124"
    )
    assert "What works here: hardware=auto, hardware=cpu; where the accelerator" in said
    (said,) = map(str, hardware_here.lacking(asks("cuda"), machine(torch=Torch("2.8.0+cpu"))))
    assert "torch finds no such device here: PyTorch 2.8.0+cpu is built for CPU" in said
    (said,) = map(str, hardware_here.lacking(asks("mps"), machine(RTX_4090)))
    assert "torch finds no such device here" in said


def test_only_what_is_certain_is_refused() -> None:
    mac = machine(("Apple M2", 16.0, None), kind="mps", torch=Torch("2.8.0"))
    for config, found in (
        (asks("gpu"), machine(RTX_4090)),
        (asks("cuda"), machine(RTX_5060, RTX_4090)),
        (asks("gpu"), machine()),  # no NVML, perhaps
        (asks("gpu"), machine(torch=None)),
        (asks("cpu"), machine(torch=Torch("2.8.0+cpu"))),
        (asks("gpu"), mac),
        (asks("mps"), mac),
    ):
        assert list(hardware_here.lacking(config, found)) == []
    assert list(hardware_here.lacking(asks("cuda"), mac))


def test_a_profile_of_another_machine_is_told() -> None:
    config = asks("auto", "cloud-a100-40gb")
    assert list(hardware_here.notes(config, machine(RTX_4090))) == [
        "hardware 'Cloud A100 40GB' is not this machine: needs 40 GB, and NVIDIA GeForce RTX 4090 has 24"
    ]
    assert list(hardware_here.notes(config, machine(A100))) == []
    assert list(hardware_here.notes(asks("cpu"), machine(RTX_4090))) == []


def test_tables_of_a_toml_file_are_profiles_too(tmp_path: Path) -> None:
    table = '[hardware.mine]\nname = "Mine"\ndevice = "cuda"\navailable_memory_gb = 24\n'
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "training.toml").write_text(table + "max_batch_size = 4\n")
    found = {verdict.name: verdict for verdict in verdicts(machine(RTX_4090))}
    assert found["mine"].fits
    with pytest.raises(ConfigError, match=r"training\.toml:5"):
        compose(["quickstart", "hardware=mine"])
    other = tmp_path / "other.toml"
    other.write_text(table.replace("mine", "theirs"))
    assert "theirs" in {verdict.name for verdict in verdicts(machine(), config_file=other)}


def test_a_mac_is_one_device() -> None:
    made = on("mac-mps", "dataloader.batch_size=1", "trainer.accumulate_grad_batches=2")
    assert str(batch_of(made.config)) == "1 per device x 2 accumulated = 2 a step"
