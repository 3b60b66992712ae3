"""Other spellings become canonical keys, in files, overrides and interpolations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config.aliases import (
    ALIASES,
    canonical_key,
    override_conflicts,
    rewrite_mapping,
    rewrite_override,
    rewrite_text,
    table,
)
from trainer.config.schema import fields, sections
from trainer.errors import ConfigError, Problem


def rewritten(mapping: dict[str, Any]) -> dict[str, Any]:
    return rewrite_mapping(mapping, "file.yaml")[0]


@pytest.mark.parametrize("row", ALIASES, ids=lambda row: row.old)
def test_every_alias_leads_to_a_key_of_the_schema(row: Any) -> None:
    key = canonical_key(row.old.replace("*", "something"))
    target = row.new.removesuffix(".*")
    assert key.partition(".")[0] in sections()
    assert target in fields() or fields()[target.rpartition(".")[0]].open
    assert canonical_key(key) == key


def test_no_canonical_key_is_an_alias() -> None:
    spelled = {row.old for row in table()}
    assert not spelled & set(fields())
    for key in fields():
        assert canonical_key(key) == key


def test_no_alias_stands_twice() -> None:
    assert len({row.old for row in ALIASES}) == len(ALIASES)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("trainer.trainer.max_epochs", "trainer.max_epochs"),
        ("trainer.trainer.optimizer.config.lr", "optimizer.config.lr"),
        ("trainer.optimizer.config.lr", "optimizer.config.lr"),
        ("trainer.scheduler.enabled", "scheduler.enabled"),
        ("trainer.seed", "seed"),
        ("trainer.loss_config.bottleneck.weights.kl", "loss.groups.bottleneck.weights.kl"),
        ("trainer.eval_loss_config.stft.hop_size", "eval_loss.stft.hop_size"),
        ("trainer.wandb.use_wandb", "logger.wandb.enabled"),
        ("trainer.wandb.project", "logger.wandb.project"),
        ("trainer.logger.csv.enabled", "logger.csv.enabled"),
        ("data.train_dataloader.batch_size", "dataloader.batch_size"),
        ("lightning.lr", "optimizer.config.lr"),
        ("lightning.lr_scheduler.class_name", "scheduler.type"),
        ("lightning.lr_scheduler.interval", "scheduler.interval"),
        ("lightning.lr_scheduler.T_max", "scheduler.config.T_max"),
        ("lightning.lr_warmup.steps", "scheduler.warmup.steps"),
        ("lightning.resume_context.rope_theta", "trainer.resume_context.rope_theta"),
        ("dataloader_class", "dataloader.type"),
        ("save_dir", "trainer.default_root_dir"),
        ("resume_from", "run.resume"),
        ("model_config.dim", "model.dim"),
        ("datasplitter.val_ratio", "data.splitter.val_ratio"),
        ("hyperparameters.num_epochs", "trainer.max_epochs"),
        ("hyperparameters.warmup_steps", "scheduler.warmup"),
        ("gradient_accumulation", "trainer.accumulate_grad_batches"),
        ("sequence_length", "data.sequence_length"),
        ("trainer.max_time", "limits.wall_clock"),
        ("trainer.num_gpus", "trainer.devices"),
        ("trainer.deterministic", "trainer.deterministic"),
        ("unknown.key", "unknown.key"),
    ],
)
def test_spellings(written: str, meant: str) -> None:
    assert canonical_key(written) == meant


def test_a_file_in_canonical_keys_stays_the_very_same() -> None:
    mapping = {"trainer": {"max_epochs": 3, "x": "${optimizer.config.lr}"}, "data": {0: [1]}}
    new, notes = rewrite_mapping(mapping, "f")
    assert new is mapping
    assert notes == []


def test_rewriting_does_not_change_what_it_was_given() -> None:
    mapping = {"lightning": {"lr": 1.0}, "optimizer": {"config": {"eps": 1.0}}}
    rewritten(mapping)
    assert mapping == {"lightning": {"lr": 1.0}, "optimizer": {"config": {"eps": 1.0}}}


def test_notes_say_what_became_of_which_key_and_where() -> None:
    _, notes = rewrite_mapping({"lightning": {"lr": 1.0}, "seed": 1}, "brain.yaml")
    (note,) = notes
    assert (note.old, note.new, note.where) == ("lightning.lr", "optimizer.config.lr", "brain.yaml")
    assert str(note) == "lightning.lr -> optimizer.config.lr"


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (0, {"devices": 1, "accelerator": "cpu"}),
        (2, {"devices": 2, "accelerator": "gpu"}),
        (-1, {"devices": -1, "accelerator": "gpu"}),
    ],
)
def test_num_gpus(gpus: int, expected: dict[str, Any]) -> None:
    assert rewritten({"trainer": {"num_gpus": gpus}}) == {"trainer": expected}
    assert dict(rewrite_override("trainer.num_gpus", gpus)[0]) == {
        f"trainer.{name}": value for name, value in expected.items()
    }


@pytest.mark.parametrize("gpus", ["two", True, 1.5, -2, None, [0]])
def test_num_gpus_that_is_no_count(gpus: Any) -> None:
    with pytest.raises(ConfigError, match="count of GPUs"):
        rewritten({"trainer": {"num_gpus": gpus}})
    with pytest.raises(ConfigError, match="count of GPUs"):
        rewrite_override("trainer.num_gpus", gpus)


@pytest.mark.parametrize(
    ("value", "on"),
    [(True, "tensorboard"), (False, None), (None, None), ("wandb", "wandb"), ("CSV", "csv"),
     ("WandB", "wandb"), ("none", None), ("mlflow", "mlflow")],
)  # fmt: skip
def test_trainer_logger_chooses_a_logger(value: Any, on: str | None) -> None:
    for spelling in ({"logger": value}, {"trainer": {"logger": value}}):
        loggers = rewritten({"trainer": spelling})["logger"]
        assert {name for name, section in loggers.items() if section["enabled"]} == ({on} - {None})
        assert set(loggers) == {"tensorboard", "csv", "wandb", "mlflow"}


def test_trainer_logger_as_a_list_chooses_many() -> None:
    loggers = rewritten({"trainer": {"logger": ["WandB", "tensorboard"]}})["logger"]
    on = {name for name, section in loggers.items() if section["enabled"]}
    assert on == {"wandb", "tensorboard"}
    with pytest.raises(ConfigError, match="tensorboard, csv, wandb, mlflow"):
        rewritten({"trainer": {"logger": ["wandb", 3]}})


def test_trainer_logger_as_a_mapping_is_the_logger_section() -> None:
    section = {"wandb": {"enabled": True, "project": "p"}}
    assert rewritten({"trainer": {"logger": section}}) == {"logger": section}


def test_trainer_logger_of_an_unknown_name() -> None:
    with pytest.raises(ConfigError, match="tensorboard, csv, wandb, mlflow"):
        rewritten({"trainer": {"logger": "tensorbord"}})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("8:30:00", 30600.0), ("00:08:30:00", 30600.0), ({"hours": 8, "minutes": 30}, 30600.0),
     (None, None), (90, 90.0)],
)  # fmt: skip
def test_max_time_becomes_the_wall_clock(written: Any, seconds: float | None) -> None:
    assert rewritten({"trainer": {"max_time": written}}) == {"limits": {"wall_clock": seconds}}


def test_lr_scheduler_in_all_its_shapes() -> None:
    full = {"class_name": "CosineAnnealingLR", "interval": "step", "frequency": 2, "monitor": None,
            "T_max": 100, "eta_min": 1e-5}  # fmt: skip
    expected = {
        "type": "CosineAnnealingLR",
        "interval": "step",
        "frequency": 2,
        "monitor": None,
        "config": {"T_max": 100, "eta_min": 1e-5},
    }
    assert rewritten({"lightning": {"lr_scheduler": full}}) == {"scheduler": expected}
    assert rewritten({"lr_scheduler": full}) == {"scheduler": expected}
    assert dict(rewrite_override("lightning.lr_scheduler", full)[0]) == {
        "scheduler.type": "CosineAnnealingLR",
        "scheduler.interval": "step",
        "scheduler.frequency": 2,
        "scheduler.monitor": None,
        "scheduler.config.T_max": 100,
        "scheduler.config.eta_min": 1e-5,
    }
    assert rewritten({"lightning": {"lr_scheduler": None}}) == {"scheduler": {"type": None}}
    assert rewritten({"hyperparameters": {"lr_scheduler": "StepLR"}}) == {
        "scheduler": {"type": "StepLR"}
    }
    linear = rewritten({"hyperparameters": {"lr_scheduler": "linear", "max_steps": 9}})
    assert linear["scheduler"]["type"] == "LinearLR"
    assert linear["scheduler"]["config"]["total_iters"] == "auto"


@pytest.mark.parametrize(
    ("value", "key", "result"),
    [("no", "limit_val_batches", 0), ("epoch", "check_val_every_n_epoch", 1),
     ("steps", "check_val_every_n_epoch", None)],
)  # fmt: skip
def test_eval_strategy(value: str, key: str, result: Any) -> None:
    made = rewritten({"hyperparameters": {"eval_strategy": value}})["trainer"]
    assert made[key] == result
    # Another strategy takes back what `no` in a lower layer has set.
    assert made["limit_val_batches"] == (0 if value == "no" else None)


def test_resume_from_nothing_is_never() -> None:
    assert rewritten({"resume_from": None}) == {"run": {"resume": "never"}}
    assert rewritten({"resume_from": "a.ckpt"}) == {"run": {"resume": "a.ckpt"}}


def test_model_config_is_the_model() -> None:
    assert rewritten({"model_config": {"dim": 3}, "model_name": "GPT"}) == {
        "model": {"dim": 3, "name": "GPT"}
    }
    assert rewritten({"model_config": "conf/model.yaml"}) == {
        "model": {"config": "conf/model.yaml"}
    }


# Conflicts


def test_two_spellings_with_different_values_in_one_file_are_both_named() -> None:
    with pytest.raises(ConfigError) as caught:
        rewritten({"lightning": {"lr": 1.0}, "optimizer": {"config": {"lr": 2.0}}, "seed": 1,
                   "trainer": {"seed": 2}})  # fmt: skip
    assert [p.key for p in caught.value.problems] == ["optimizer.config.lr", "seed"]
    first = caught.value.problems[0]
    assert "'lightning.lr'" in first.what
    assert "'optimizer.config.lr'" in first.what
    assert first.where == "file.yaml"


def test_two_spellings_with_one_value_are_no_conflict() -> None:
    both = {"lightning": {"lr": 1.0}, "optimizer": {"config": {"lr": 1.0}}}
    assert rewritten(both) == {"optimizer": {"config": {"lr": 1.0}}}


@pytest.mark.parametrize(
    "mapping",
    [
        {"seed": 1, "trainer": {"seed": True}},
        {"scheduler": None, "lightning": {"lr_warmup": 3}},
        {"lightning": {"lr_warmup": 3}, "scheduler": None},
        {"lightning": {"lr_warmup": {"steps": 3}}, "scheduler": {"warmup": 4}},
        {"scheduler": {"warmup": 4}, "lightning": {"lr_warmup": {"steps": 3}}},
    ],
)
def test_shapes_that_clash_are_a_conflict(mapping: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="two spellings"):
        rewritten(mapping)


def test_sections_of_several_spellings_are_merged() -> None:
    assert rewritten(
        {"optimizer": {}, "trainer": {"optimizer": {"type": "SGD"}, "trainer": {"max_steps": 3}},
         "lightning": {"lr": 1.0}}
    ) == {"optimizer": {"type": "SGD", "config": {"lr": 1.0}}, "trainer": {"max_steps": 3}}  # fmt: skip


def test_two_spellings_in_one_list_of_overrides() -> None:
    (problem,) = override_conflicts(
        [
            ("trainer.seed", "seed", 1, "trainer.seed=1"),
            ("trainer.seed", "seed", 2, "trainer.seed=2"),
            ("seed", "seed", 3, "seed=3"),
        ]
    )
    assert "trainer.seed=2" in problem.where
    assert "seed=3" in problem.where
    same = [("a.b", "b", 1, "a.b=1"), ("b", "b", 1, "b=1")]
    assert override_conflicts(same) == []


def test_an_override_of_a_whole_section_stays_whole_unless_it_holds_other_spellings() -> None:
    assert rewrite_override("trainer", {"max_epochs": 1})[0] == [("trainer", {"max_epochs": 1})]
    assert rewrite_override("trainer", {"max_epochs": 1, "seed": 2})[0] == [
        ("trainer.max_epochs", 1),
        ("seed", 2),
    ]


# Interpolations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${lightning.lr}", "${optimizer.config.lr}"),
        ("a ${ trainer.seed } b", "a ${ seed } b"),
        ("${trainer.trainer.max_epochs}/${trainer.max_epochs}",
         "${trainer.max_epochs}/${trainer.max_epochs}"),
        ("${oc.select:lightning.lr,1}", "${oc.select:optimizer.config.lr,1}"),
        ("${symbolic.rules[0].name}", "${symbolic.rules[0].name}"),
        ("${oc.env:HOME}", "${oc.env:HOME}"),
        ("$5 {lightning.lr}", "$5 {lightning.lr}"),
        ("\\${lightning.lr", "\\${lightning.lr"),
    ],
)  # fmt: skip
def test_interpolations_are_rewritten(text: str, expected: str) -> None:
    assert rewrite_text(text) == expected


def test_interpolations_in_lists_and_mappings_are_rewritten() -> None:
    mapping = {"data": {"a": ["${lightning.lr}", {"b": "${save_dir}/x"}]}}
    assert rewritten(mapping) == {
        "data": {"a": ["${optimizer.config.lr}", {"b": "${trainer.default_root_dir}/x"}]}
    }


def test_a_relative_interpolation_follows_its_value() -> None:
    mapping = {"lightning": {"lr": 1.0, "resume_lr": "${.lr}", "weight_decay": "${..seed}"}}
    assert rewritten(mapping) == {
        "optimizer": {"config": {"lr": 1.0, "weight_decay": "${seed}"}},
        "trainer": {"resume_lr": "${optimizer.config.lr}"},
    }
    unmoved = {"optimizer": {"config": {"lr": 1.0, "eps": "${.lr}"}}}
    assert rewritten(unmoved) is unmoved


def test_an_interpolation_where_shapes_differ_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.devices"):
        rewritten({"trainer": {"num_gpus": "${gpus}"}})


# Properties

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet="ab${}.:lr", max_size=6)
_NAMES = st.sampled_from(
    [
        "trainer",
        "seed",
        "lightning",
        "lr",
        "optimizer",
        "config",
        "lr_scheduler",
        "T_max",
        "logger",
        "wandb",
        "use_wandb",
        "num_gpus",
        "data",
        "train_dataloader",
        "batch_size",
        "x",
    ]
)
_TREES = st.dictionaries(
    _NAMES,
    st.recursive(_LEAVES, lambda inner: st.dictionaries(_NAMES, inner, max_size=3), max_leaves=6),
    max_size=4,
)


@settings(deadline=None)
@given(_TREES)
def test_rewriting_twice_is_rewriting_once_or_a_told_problem(tree: dict[str, Any]) -> None:
    told: tuple[Problem, ...] = ()
    try:
        once = rewritten(tree)
    except ConfigError as error:
        told = error.problems
        once = {}
    assert all(p.what and p.where == "file.yaml" for p in told)
    again, notes = rewrite_mapping(once, "file.yaml")
    assert again == once
    assert notes == []


def test_a_slip_in_the_name_of_a_schedule_is_told_with_the_nearest() -> None:
    told = "or a class of torch, not 'linaer'. Did you mean 'linear'?"
    with pytest.raises(ConfigError, match=told):
        rewritten({"hyperparameters": {"lr_scheduler": "linaer"}})
    for kept in ("LinearLR", "somebodys.own"):
        assert rewritten({"lr_scheduler": kept})["scheduler"]["type"] == kept
    assert rewritten({"lr_scheduler": "cosine_with_restarts"})["scheduler"]["type"]
