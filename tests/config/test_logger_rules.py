"""What is wrong with a logger is told before launch, and no logger is imported for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.config import logger_rules
from trainer.config.logger_rules import lacking, tracking_uri
from trainer.config.schema import defaults
from trainer.config.validate import validate
from trainer.errors import ConfigError, Problem


def chosen(*names: str, **settings: Any) -> dict[str, Any]:
    config = defaults()
    config["logger"]["tensorboard"]["enabled"] = False
    for name in names:
        config["logger"][name]["enabled"] = True
    for key, value in settings.items():
        logger, name = key.split("__")
        config["logger"][logger][name] = value
    return config


def problems(config: dict[str, Any]) -> list[Problem]:
    return validate(config, {})


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(logger_rules, "_installed", lambda package: True)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("wandb__project", "team/project", "logger.wandb.entity"),
        ("wandb__project", " ", "1 to 128"),
        ("wandb__entity", "a#b", "without"),
        ("wandb__id", "x" * 129, "1 to 128"),
        ("mlflow__tracking_uri", "sqlite://store.db", "sqlite:///mlflow.db"),
        ("mlflow__tracking_uri", "sqlite:///", "names no file"),
        ("mlflow__tracking_uri", "mysql://host/db?password=hunter2", "holds a password"),
        ("mlflow__tracking_uri", "https://me:hunter2@host", "holds a password"),
        ("mlflow__experiment_name", "  ", "empty"),
    ],
)
def test_values_that_no_logger_takes(key: str, value: str, word: str) -> None:
    found = problems(chosen(**{key: value}))
    assert len(found) == 1
    assert word in str(found[0])
    assert found[0].key == f"logger.{key.replace('__', '.')}"
    assert "hunter2" not in str(found[0])


def test_stores_that_mlflow_takes() -> None:
    for uri in ("sqlite:///a.db", "sqlite:////tmp/a.db", "mlruns", "file:///tmp/x", "http://h:5000",
                "databricks", "postgresql://host/db"):  # fmt: skip
        assert problems(chosen(mlflow__tracking_uri=uri)) == []


def test_wandb_online_wants_a_key_and_finds_it_in_the_environment_only(tmp_path: Path) -> None:
    config = chosen("wandb")
    (problem,) = lacking(config, {})
    assert "WANDB_API_KEY" in problem.what
    assert "logger.wandb.offline=true" in problem.remedy
    for env in (
        {"WANDB_API_KEY": "k"},
        {"WANDB_MODE": "offline"},
        {"WANDB_MODE": "disabled"},
        {"WANDB_IDENTITY_TOKEN_FILE": "f"},
    ):
        assert list(lacking(config, env)) == []
    assert list(lacking(chosen("wandb", wandb__offline=True), {})) == []
    (tmp_path / "mine").write_text("machine own.host login user password abc\n")
    env = {"NETRC": str(tmp_path / "mine")}
    assert len(list(lacking(config, env))) == 1
    assert list(lacking(config, {**env, "WANDB_BASE_URL": "https://own.host"})) == []
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password abc\n")
    assert list(lacking(config, {})) == []


@pytest.mark.parametrize(
    ("logger", "extra"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("tensorboard", "train")]
)
def test_a_package_that_is_not_installed(
    logger: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger_rules, "_installed", lambda package: package != logger)
    (problem,) = lacking(chosen(logger), {})
    assert f"pip install 'traindeck[{extra}]'" in problem.remedy
    assert list(lacking(chosen(), {})) == []


def test_a_database_wants_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger_rules, "_installed", lambda package: package == "mlflow")
    (problem,) = lacking(chosen("mlflow"), {})
    assert "sqlalchemy and alembic, which are not" in problem.what
    assert list(lacking(chosen("mlflow"), {"MLFLOW_TRACKING_URI": "http://host"})) == []
    assert list(lacking(chosen("mlflow", mlflow__tracking_uri="mlruns"), {})) == []


def test_a_mere_folder_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "loggerfolder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not logger_rules._installed("loggerfolder")
    assert not logger_rules._installed("no.such.package")
    assert logger_rules._installed("yaml")


def test_the_store_of_the_config_wins() -> None:
    env = {"MLFLOW_TRACKING_URI": "http://host"}
    assert tracking_uri(chosen("mlflow"), env) == "http://host"
    assert tracking_uri(chosen(mlflow__tracking_uri="x.db"), env) == "x.db"
    assert tracking_uri({}, {}) == ""


def test_a_launch_is_refused_and_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.runs.again import need_training_packages

    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    before = set(sys.modules)
    with pytest.raises(ConfigError, match="no API key") as caught:
        need_training_packages(chosen("wandb", "mlflow"))
    assert caught.value.exit_code == 2
    assert not {"wandb", "mlflow"} & (set(sys.modules) - before)
