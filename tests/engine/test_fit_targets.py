"""Which classes a config may name."""

from __future__ import annotations

import pytest
from torch import nn

from trainer.engine import targets
from trainer.engine.build import module_of
from trainer.engine.targets import build, locate
from trainer.errors import ConfigError


def test_a_class_of_the_right_kind_is_found():
    assert locate("torch.nn.Linear", nn.Module) is nn.Linear


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("os.system", "none of the allowed packages"),
        ("subprocess.Popen", "none of the allowed packages"),
        ("torch.hub.load", "function"),
        ("torch.nn.functional.relu", "function"),
        ("torch.os.system", "function"),
        ("torch.nn.Linea", "Did you mean 'Linear'"),
        ("torch.nosuch.Thing", "through 'nosuch'"),
        ("torch.optim.SGD", "is no Module"),
        ("torch.nn.init", "function"),
        ("trainer.engine.fit.Path", "is no Module"),
        ("torch", "no dotted path"),
        ("torch..nn", "no dotted path"),
        ("../evil.Thing", "no dotted path"),
        (7, "no dotted path"),
        (None, "no dotted path"),
        ("pytorch_lightning.nosuch.Thing", "through 'nosuch'"),
    ],
)
def test_anything_else_is_refused(target, words):
    with pytest.raises(ConfigError, match=words):
        locate(target, nn.Module, key="model._target_")


def test_a_class_from_elsewhere_is_refused_under_an_allowed_name(lab):
    # tiny imports Path from the standard library: the name is allowed, its home is not.
    with pytest.raises(ConfigError, match="outside the allowed"):
        locate("enginelab.tiny.Path", object)


def test_a_class_that_a_module_imports_is_refused_by_the_engine_itself(monkeypatch):
    monkeypatch.setattr(targets, "problem_with_target", lambda target: None)
    with pytest.raises(ConfigError, match="defined in 'threading', outside the allowed"):
        locate("torch.serialization.threading.Thread", object)


def test_a_loss_is_a_module():
    model = {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1}
    loss = {"_target_": "torch.nn.utils.prune.RandomUnstructured", "amount": 1}  # it is callable
    with pytest.raises(ConfigError, match="RandomUnstructured' is no Module"):
        module_of({"model": model, "loss": loss})


def test_a_broken_module_says_what_it_lacks(lab, tmp_path, monkeypatch):
    package = tmp_path / "enginelab_broken"
    package.mkdir()
    (package / "__init__.py").write_text("import nosuchthing\n")
    (tmp_path / "home" / "traindeck" / "settings.yaml").write_text(
        "allowed_prefixes: [enginelab_broken]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ConfigError, match="nosuchthing"):
        locate("enginelab_broken.Thing", object)


def test_nested_targets_are_built_first():
    section = {
        "_target_": "torch.nn.TransformerEncoder",
        "num_layers": 2,
        "encoder_layer": {
            "_target_": "torch.nn.TransformerEncoderLayer",
            "d_model": 8,
            "nhead": 2,
        },
        "norm": {"_target_": "torch.nn.LayerNorm", "normalized_shape": 8},
        "enable_nested_tensor": False,
    }
    made = build(section, nn.Module, key="model")

    assert isinstance(made.norm, nn.LayerNorm)
    assert len(made.layers) == 2


@pytest.mark.parametrize(
    "nested",
    [{"_target_": "os.system"}, {"_target_": "torch.Tensor"}, {"_target_": "torch.hub.load"}],
)
def test_nested_targets_obey_the_same_rules(nested):
    section = {"_target_": "torch.nn.LayerNorm", "normalized_shape": [{"deep": nested}]}

    with pytest.raises(ConfigError):
        build(section, nn.Module, key="model")


def test_every_wrong_keyword_is_named():
    with pytest.raises(ConfigError) as caught:
        build(
            {"_target_": "torch.nn.Linear", "in_feature": 3, "biass": True}, nn.Module, key="model"
        )

    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"model.in_feature", "model.biass", "model.in_features", "model.out_features"}
