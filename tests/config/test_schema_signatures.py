"""The generated tables and the schema agree with the installed Lightning and torch."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

pl = pytest.importorskip("pytorch_lightning")

from trainer.config import generate_args, lightning_args, torch_args  # noqa: E402
from trainer.config.schema import HANDLED_ELSEWHERE, LightningArgs, defaults, fields  # noqa: E402

# Where our default says something else than Lightning's.
OWN_DEFAULTS = {"callbacks": []}


def test_the_table_of_trainer_arguments_is_the_installed_one() -> None:
    installed = generate_args.lightning_table()
    table = lightning_args.LIGHTNING_ARGS
    stale = "run python -m trainer.config.generate_args"
    assert [name for name, *_ in installed] == list(table), stale
    for name, _, default, choices in installed:
        assert table[name].default == default
        assert table[name].choices == choices


def test_every_trainer_argument_is_a_key_or_handled_elsewhere() -> None:
    known = set(LightningArgs.model_fields)
    assert known | set(HANDLED_ELSEWHERE) == set(lightning_args.LIGHTNING_ARGS)
    assert not known & set(HANDLED_ELSEWHERE)


@pytest.mark.parametrize("name", list(LightningArgs.model_fields))
def test_defaults_are_lightnings(name: str) -> None:
    expected = OWN_DEFAULTS.get(name, lightning_args.LIGHTNING_ARGS[name].default)
    assert defaults()["trainer"][name] == expected


def test_precisions_are_lightnings() -> None:
    assert set(fields()["trainer.precision"].choices) == set(
        lightning_args.LIGHTNING_ARGS["precision"].choices
    )


def test_early_stopping_takes_what_lightning_takes() -> None:
    from pytorch_lightning.callbacks import EarlyStopping

    parameters = inspect.signature(EarlyStopping).parameters
    ours = {
        name.rpartition(".")[2]: known.default
        for name, known in fields().items()
        if name.startswith("trainer.early_stopping.")
    }
    assert set(ours) == set(parameters)
    # Document 003's defaults stand where they differ from Lightning's.
    documented = {"monitor": "val/loss", "patience": 10, "check_on_train_epoch_end": False}
    for name, default in ours.items():
        assert default == documented.get(name, parameters[name].default)


@pytest.mark.parametrize(
    ("module", "base", "table"),
    [
        ("torch.optim", "Optimizer", torch_args.OPTIMIZERS),
        ("torch.optim.lr_scheduler", "LRScheduler", torch_args.SCHEDULERS),
    ],
)
def test_the_tables_of_torch_classes_are_the_installed_ones(
    module: str, base: str, table: dict[str, tuple[torch_args.Keyword, ...]]
) -> None:
    installed = generate_args.torch_table(module, base)
    stale = "run python -m trainer.config.generate_args"
    assert set(table) - {"InverseLR"} == set(installed), stale
    for name, keywords in installed.items():
        assert [(w.name, w.default, w.required) for w in table[name]] == [
            (word, default, required) for word, _, default, required in keywords
        ]


def test_inverse_lr_is_described_as_the_engine_has_it() -> None:
    from trainer.engine.schedule import InverseLR

    parameters: dict[str, Any] = dict(inspect.signature(InverseLR).parameters)
    del parameters["optimizer"]
    assert [(w.name, w.default) for w in torch_args.SCHEDULERS["InverseLR"]] == [
        (name, p.default) for name, p in parameters.items()
    ]


def test_every_kind_of_keyword_is_one_that_is_checked() -> None:
    known = {"float", "int", "bool", "str", "list", "float or list", "function"}
    for table in (torch_args.OPTIMIZERS, torch_args.SCHEDULERS):
        for keywords in table.values():
            for word in keywords:
                assert word.kind.partition("*")[0] in known, word
