"""Which classes a config may name: judged by the text alone, nothing is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainer.config.schema import defaults
from trainer.config.settings import settings_file
from trainer.config.targets_allowed import (
    BUILT_IN_PREFIXES,
    allowed_prefixes,
    problem_with_target,
)
from trainer.config.validate import validate
from trainer.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def settings(text: str) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "target",
    [
        "trainer.recipes.text.model.GPT",
        "torch.nn.Linear",
        "torch.optim.SGD",
        "pytorch_lightning.callbacks.LearningRateMonitor",
        "lightning.pytorch.callbacks.RichProgressBar",
        "torchmetrics.Accuracy",
        "transformers.GPT2LMHeadModel",
        "peft.LoraConfig",
    ],
)
def test_classes_under_the_prefixes_may_be_named(target: str) -> None:
    assert problem_with_target(target) is None


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "torchx.Model",
        "trainers.Model",
        "torch",
        "torch.",
        ".torch.nn.Linear",
        "torch..nn.Linear",
        "torch.nn.Linear()",
        "torch.nn.Linear; import os",
        "torch.nn.Linear\n",
        "tоrch.nn.Linear",  # a Cyrillic letter
        "torch.hub.load",
        "torch.hub.Anything",
        "torch.load",
        "torch.jit.load",
        "torch.utils.cpp_extension.BuildExtension",
        "transformers.pipeline",
        "torch.nn.functional.relu",
        "",
        None,
        3,
        ["torch.nn.Linear"],
    ],
)
def test_everything_else_is_refused(target: object) -> None:
    wrong = problem_with_target(target)
    assert wrong is not None
    what, remedy = wrong
    assert "_target_" in what
    assert remedy


def test_a_target_is_found_at_any_depth_and_nothing_is_imported() -> None:
    config = defaults()
    config["model"] = {"_target_": "antigravity.Fly", "parts": [{"_target_": "this.Zen"}]}
    config["trainer"]["callbacks"] = [{"_target_": "os.system", "command": "true"}]
    config["callbacks"] = {"one": {"_target_": "torch.hub.load"}}
    config["loss"] = {"a": {"b": {"_target_": 3}}}
    assert {problem.key for problem in validate(config, {})} == {
        "model._target_",
        "model.parts.0._target_",
        "trainer.callbacks.0._target_",
        "callbacks.one._target_",
        "loss.a.b._target_",
    }
    assert not {"antigravity", "this"} & set(sys.modules)


def test_the_settings_file_adds_prefixes() -> None:
    assert allowed_prefixes() == BUILT_IN_PREFIXES
    assert problem_with_target("my_package.models.Net") is not None
    settings("allowed_prefixes: [my_package, other.sub.]\n")
    assert problem_with_target("my_package.models.Net") is None
    assert problem_with_target("my_package.models.net") is None, (
        "one's own classes may be lower case"
    )
    assert problem_with_target("my_packages.Net") is not None
    assert problem_with_target("other.sub.Net") is None
    assert problem_with_target("other.Net") is not None
    settings("allowed_prefixes: [another_name]\n")
    assert problem_with_target("my_package.models.Net") is not None, "the file is read again"


def test_settings_for_other_things_add_none() -> None:
    settings("theme: dark\n")
    assert allowed_prefixes() == BUILT_IN_PREFIXES


@pytest.mark.parametrize(
    "text",
    ["allowed_prefixes: os\n", "allowed_prefixes: ['']\n", "allowed_prefixes: ['*']\n",
     "allowed_prefixes: [1]\n", "allowed_prefixes: [\n", "- a\n", "a: !!python/object:os.x {}\n"],
)  # fmt: skip
def test_wrong_settings_are_said_so(text: str) -> None:
    settings(text)
    with pytest.raises(ConfigError, match=r"settings\.yaml"):
        allowed_prefixes()


def test_a_profile_cannot_add_prefixes() -> None:
    config = defaults()
    config["allowed_prefixes"] = ["os"]
    config["model"] = {"_target_": "os.system"}
    assert {problem.key for problem in validate(config, {})} == {
        "allowed_prefixes",
        "model._target_",
    }


@pytest.mark.parametrize(
    ("target", "stranger"),
    [
        ("torch.serialization.subprocess.Popen", "subprocess"),
        ("torch.serialization.os.DirEntry", "os"),
        ("torch.nn.modules.linear.math.Thing", "math"),
        ("trainer.runs.launch.subprocess.Popen", "subprocess"),
        ("pytorch_lightning.trainer.trainer.os.PathLike", "os"),
    ],
)
def test_a_path_through_what_a_module_imports_is_refused(target: str, stranger: str) -> None:
    wrong = problem_with_target(target)
    assert wrong is not None
    assert f"leads through '{stranger}'" in wrong[0]


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.modules.linear.Linear",
        "torch.optim.lr_scheduler.StepLR",
        "torch.utils.data.DataLoader",
        "torch.nn.Transformer.Inner",
        "transformers.models.gpt2.modeling_gpt2.GPT2Model",
        "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    ],
)
def test_a_path_through_modules_of_the_package_is_right(target: str) -> None:
    assert problem_with_target(target) is None
