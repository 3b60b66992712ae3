"""Keys of `trainer` that do not go together, judged before launch and without torch."""

from __future__ import annotations

import pytest

from trainer.config.compose import compose
from trainer.config.trainer_rules import trainer_notes, trainer_problems
from trainer.errors import ConfigError


def problems(**section):
    return [str(p) for p in trainer_problems({"trainer": section}, {"trainer": "x.yaml:1"})]


@pytest.mark.parametrize(
    "section",
    [
        {"devices": 2},
        {"devices": [0, 1]},
        {"devices": "2"},
        {"devices": "0,1"},
        {"devices": 1, "num_nodes": 2},
    ],
)
def test_a_batch_size_is_searched_for_on_one_device(section):
    (told,) = problems(tune_batch_size=True, **section)
    assert told.startswith("x.yaml:1: 'trainer.tune_batch_size'")
    assert "trainer.devices=1" in told
    assert problems(tune_batch_size=False, **section) == []


@pytest.mark.parametrize("devices", [1, [1], "auto", "1", "0,", -1, None, {}, True])
def test_one_device_or_an_unknown_number_passes(devices):
    assert problems(tune_batch_size=True, devices=devices) == []


def test_torch_compile_takes_a_mode_or_options():
    (told,) = problems(compile={"mode": "max-autotune", "options": {"a": 1}})
    assert "leave one out" in told
    assert problems(compile={"mode": "max-autotune"}) == []
    assert problems(compile=True) == []


def test_an_end_before_the_least_is_told():
    def notes(**section):
        return list(trainer_notes({"trainer": section}))

    (told,) = notes(min_steps=50, max_steps=30)
    assert told == "training ends at trainer.max_steps=30, before trainer.min_steps=50"
    assert notes(min_epochs=3, max_epochs=3) == notes(min_epochs=3, max_epochs=-1) == []
    assert len(notes(min_epochs=3, max_epochs=2)) == 1


def test_what_has_no_effect_is_told():
    def notes(**section):
        return list(trainer_notes({"trainer": section}))

    (told,) = notes(tune_batch_size=True, fast_dev_run=True)
    assert "trainer.fast_dev_run" in told
    assert notes(tune_batch_size=True, fast_dev_run=False) == []
    assert len(notes(barebones=True)) == 1
    assert list(trainer_notes({"trainer": "wrong"})) == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.compile={backnd: eager}", "trainer.compile.backend"),
        ("trainer.compile={mode: fast}", "'trainer.compile.mode' cannot be \"fast\""),
        ("trainer.compile=3", "'trainer.compile' cannot be 3"),
        ("trainer.resume_token_corruption={p_start: 1.5}", "p_start' cannot be 1.5"),
        ("trainer.resume_context={max_position_embeddings: 0}", "max_position_embeddings"),
        ("trainer.tune_batchsize=true", "Did you mean 'trainer.tune_batch_size'?"),
    ],
)
def test_a_slip_is_an_error_before_launch(override, said):
    with pytest.raises(ConfigError) as raised:
        compose(["quickstart", override])
    assert said in str(raised.value)


# Document 003, word for word.
SPELLINGS = [
    ("lightning.compile=true", "compile", True),
    ("lightning.compile=false", "compile", False),
    ("lightning.benchmark_train_step=true", "benchmark_train_step", True),
    ("lightning.grad_clip_threshold=1.0", "grad_clip_threshold", 1.0),
    ("lightning.resume_token_corruption=true", "resume_token_corruption", True),
    ("lightning.resume_token_corruption=false", "resume_token_corruption", False),
    ("lightning.resume_token_corruption=null", "resume_token_corruption", None),
    (
        "lightning.resume_token_corruption={enabled: true, p_start: 0.1}",
        "resume_token_corruption",
        {"enabled": True, "p_start": 0.1},
    ),
    (
        "lightning.resume_context={max_position_embeddings: 256, rope_theta: 50000.0}",
        "resume_context",
        {"max_position_embeddings": 256, "rope_theta": 50000.0},
    ),
    ("trainer.tune_batch_size=true", "tune_batch_size", True),
]


@pytest.mark.parametrize(("override", "name", "value"), SPELLINGS)
def test_the_documents_spelling_arrives(override, name, value):
    composed = compose(["quickstart", override])
    assert composed.config["trainer"][name] == value
    assert not any("not acted on" in note for note in composed.notes)


@pytest.mark.parametrize("none", [0, 0.0])
def test_a_training_without_batches_is_refused(none):
    (told,) = problems(limit_train_batches=none)
    assert told.startswith("x.yaml:1: 'trainer.limit_train_batches' is 0")


@pytest.mark.parametrize(
    "section",
    [
        {"limit_train_batches": None},
        {"limit_train_batches": 1},
        {"limit_train_batches": False},
        {"limit_train_batches": 0, "fast_dev_run": True},
        {"limit_train_batches": 0, "overfit_batches": 3},
    ],
)
def test_where_batches_are_left_nothing_is(section):
    assert problems(**section) == []
