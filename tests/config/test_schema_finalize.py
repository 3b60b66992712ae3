"""Device, precision and lengths of time are decided, told and explained."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config.durations import seconds
from trainer.config.finalize import finalize
from trainer.config.schema import defaults

CPU = {"device": "cpu", "name": "CPU"}
A100 = {"device": "cuda", "name": "A100", "supports_bf16": True, "supports_fp16": True}
MAC = {"device": "mps", "name": "Mac", "supports_bf16": False, "supports_fp16": True}


def final(
    hardware: dict[str, Any], **trainer: Any
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    config = defaults()
    config["hardware"].update(hardware)
    config["trainer"].update(trainer)
    made, notes, reasons = finalize(config, {})
    return made["trainer"], notes, reasons


@pytest.mark.parametrize(
    ("hardware", "accelerator", "devices"), [(CPU, "cpu", 1), (A100, "gpu", "auto"), (MAC, "mps", "auto")]
)  # fmt: skip
def test_the_accelerator_follows_the_hardware(
    hardware: dict[str, Any], accelerator: str, devices: Any
) -> None:
    trainer, _, reasons = final(hardware)
    assert (trainer["accelerator"], trainer["devices"]) == (accelerator, devices)
    assert hardware["name"] in reasons["trainer.accelerator"]


def test_what_was_asked_for_stays() -> None:
    trainer, _, reasons = final(CPU, accelerator="gpu", devices=2)
    assert (trainer["accelerator"], trainer["devices"]) == ("gpu", 2)
    assert reasons == {}
    assert final({}, accelerator="auto")[0]["accelerator"] == "auto"


def test_the_devices_of_the_hardware_are_used() -> None:
    trainer, _, reasons = final({**A100, "devices": 4})
    assert trainer["devices"] == 4
    assert "trainer.devices" in reasons


@pytest.mark.parametrize(
    ("hardware", "trainer", "precision"),
    [
        (CPU, {"amp": True}, "32-true"),
        (A100, {"amp": True}, "bf16-mixed"),
        (A100, {"amp": True, "accelerator": "cuda"}, "bf16-mixed"),
        (MAC, {"amp": True}, "16-mixed"),
        ({**MAC, "supports_fp16": False}, {"amp": True}, "32-true"),
        ({}, {"amp": True, "accelerator": "gpu"}, "16-mixed"),
        ({}, {"amp": True, "accelerator": "cpu"}, "32-true"),
        (A100, {"amp": True, "accelerator": "cpu"}, "32-true"),
        (CPU, {"precision": "16-mixed"}, "32-true"),
        (CPU, {"precision": 16}, "32-true"),
    ],
)
def test_mixed_precision_is_resolved_by_the_hardware(
    hardware: dict[str, Any], trainer: dict[str, Any], precision: str
) -> None:
    made, notes, reasons = final(hardware, **trainer)
    assert made["precision"] == precision
    (note,) = notes
    assert note.startswith("trainer.precision: ")
    assert f"-> {precision}, because " in note
    assert reasons["trainer.precision"] in note


@pytest.mark.parametrize(
    ("hardware", "trainer", "precision"),
    [
        (CPU, {}, None),
        (CPU, {"precision": "bf16-mixed"}, "bf16-mixed"),
        (CPU, {"precision": "64-true", "amp": True}, "64-true"),
        (A100, {"precision": "16-mixed", "amp": True}, "16-mixed"),
        (A100, {"amp": False}, None),
    ],
)
def test_precision_that_stays(
    hardware: dict[str, Any], trainer: dict[str, Any], precision: Any
) -> None:
    made, notes, _ = final(hardware, **trainer)
    assert made["precision"] == precision
    assert notes == []


def test_the_note_for_a_cpu_reads_as_documented() -> None:
    _, notes, _ = final(CPU, precision="16-mixed")
    assert notes == ["trainer.precision: 16-mixed -> 32-true, because hardware 'CPU' is a CPU"]


def test_keys_that_are_not_acted_on_are_told_once_each() -> None:
    config = defaults()
    config["trainer"]["resume_context"] = {"rope_theta": 1e4}
    config["lora"] = {"r": 8, "own": 1}
    config["eval_loss"] = {"mel": {"n_mels": 128}}
    config["data"] = {"splitter": {"val": 0.1}}
    config["hardware"]["max_batch_size"] = 4
    _, notes, _ = finalize(config, {})
    told = [note.partition(":")[0] for note in notes]
    assert sorted(told) == sorted(["eval_loss.mel", "data.splitter"])
    assert all("not acted on by this version" in note for note in notes)


def test_defaults_tell_nothing() -> None:
    made, notes, reasons = finalize(defaults(), {})
    assert (made, notes, reasons) == (defaults(), [], {})


def test_what_it_is_given_is_not_changed() -> None:
    config = defaults()
    config["hardware"].update(CPU)
    config["limits"]["wall_clock"] = "9h"
    before = repr(config)
    finalize(config, {})
    assert repr(config) == before


def test_whole_floats_become_integers_where_integers_are_meant() -> None:
    config = defaults()
    config["trainer"].update(max_steps=1e5, gradient_clip_val=1.0, max_epochs=2.5)
    made = finalize(config, {})[0]["trainer"]
    assert repr(made["max_steps"]) == "100000"
    assert repr(made["gradient_clip_val"]) == "1.0"
    assert made["max_epochs"] == 2.5, "that is for the check to name"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("9:00:00", 32400.0), ("540m", 32400.0), ("9h", 32400.0), (32400, 32400.0),
        ("8:30:00", 30600.0), ("1h30m", 5400.0), ("1 h 30 min", 5400.0), ("90s", 90.0),
        ("0.5h", 1800.0), ("90", 90.0), ("1e3", 1000.0), ("8:30", 510.0), ("1:00:00:00", 86400.0),
        ("2 days", 172800.0), ({"hours": 1, "minutes": 30}, 5400.0), (None, None), (0, 0.0),
    ],
)  # fmt: skip
def test_lengths_of_time(written: Any, expected: float | None) -> None:
    assert seconds(written) == expected
    config = defaults()
    config["limits"]["wall_clock"] = written
    assert finalize(config, {})[0]["limits"]["wall_clock"] == expected


@pytest.mark.parametrize(
    "written",
    ["soon", "", "-1", -1, "nan", float("inf"), True, [], {}, {"hour": "x"}, {"x": 1}, "1:2:3:4:5",
     "9h30", "h", "1" * 400, "5 parsecs", "1::2"],
)  # fmt: skip
def test_what_is_no_length_of_time_is_left_for_the_check(written: Any) -> None:
    with pytest.raises(ValueError, match="length of time"):
        seconds(written)
    config = defaults()
    config["limits"]["wall_clock"] = written
    assert repr(finalize(config, {})[0]["limits"]["wall_clock"]) == repr(written)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_told_mistake(text: str) -> None:
    told = ""
    found: float | None = 0.0
    try:
        found = seconds(text)
    except ValueError as error:
        told = str(error)
    assert not told or "length of time" in told
    assert found is not None
    assert found >= 0


@pytest.mark.parametrize("broken", [None, 3, "x", [], {"amp": True, "precision": {}}])
def test_a_broken_section_is_left_for_the_check(broken: Any) -> None:
    for name in ("trainer", "hardware", "limits", "dataloader", "symbolic", "logger"):
        config = defaults()
        config[name] = broken
        assert finalize(config, {})[0]["seed"] == 42


LM = {"base_model": "x", "dtype": None, "gradient_checkpointing": None}


@pytest.mark.parametrize(
    ("hardware", "precision", "dtype", "saves"),
    [
        (CPU | {"supports_gradient_checkpointing": True}, "32-true", "float32", False),
        (A100 | {"supports_gradient_checkpointing": True}, "bf16-mixed", "bfloat16", True),
        (A100 | {"supports_gradient_checkpointing": False}, "16-mixed", "float16", False),
        (A100, None, "float32", False),
    ],
)
def test_a_language_model_follows_hardware_and_precision(
    hardware: dict[str, Any], precision: str | None, dtype: str, saves: bool
) -> None:
    config = defaults()
    config["hardware"] |= hardware
    config["trainer"] |= {"precision": precision, "amp": False}
    config["model"] = dict(LM)
    made, _, reasons = finalize(config, {})
    assert (made["model"]["dtype"], made["model"]["gradient_checkpointing"]) == (dtype, saves)
    assert {"model.dtype", "model.gradient_checkpointing"} <= reasons.keys()
    config["model"] = {"base_model": "x", "dtype": "float16", "gradient_checkpointing": True}
    made, _, reasons = finalize(config, {})
    assert made["model"] == config["model"]
