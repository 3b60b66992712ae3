"""What a recipe's data need is known before anything is started."""

from __future__ import annotations

import pytest

from trainer.config import recipe_rules
from trainer.errors import ConfigError, RunError

SPECTRA = {"data": {"_target_": "trainer.recipes.spectra.data.SpectraData"}}


def test_an_extra_that_is_missing_is_named_before_launch(monkeypatch):
    from trainer.runs.again import need_training_packages

    monkeypatch.setattr(recipe_rules, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as raised:
        need_training_packages(SPECTRA)
    (problem,) = raised.value.problems
    assert "pyarrow, which is not installed" in problem.what
    assert "traindeck[spectra]" in problem.remedy


def test_what_the_base_install_lacks_is_named_at_once(monkeypatch):
    from trainer.config.compose import compose
    from trainer.runs import again

    for module in (recipe_rules, again):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RunError) as raised:
        again.need_training_packages(compose([]).config)
    (problem,) = raised.value.problems
    assert "training needs torch, pytorch_lightning and pyarrow" in problem.what
    assert "pip install 'traindeck[train,spectra]'" in problem.remedy


@pytest.mark.parametrize("config", [{}, {"data": None}, {"data": {"_target_": 3}}, {"data": {}}])
def test_other_data_need_nothing(config, monkeypatch):
    monkeypatch.setattr(recipe_rules, "find_spec", lambda name: None)
    assert list(recipe_rules.lacking(config)) == []


@pytest.mark.parametrize("preset", ["spectramind", "quickstart"])
def test_a_folder_of_data_that_is_not_there_is_told_before_launch(preset, tmp_path, monkeypatch):
    from trainer.config.compose import compose
    from trainer.runs.again import need_training_packages

    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "planets").mkdir(parents=True)
    made = compose([preset, "data.root=data/planet"])
    with pytest.raises(ConfigError) as raised:
        need_training_packages(made.config, made.provenance)
    (problem,) = raised.value.problems
    assert str(problem).startswith(
        "override data.root=data/planet: There is no folder 'data/planet'. "
        "Did you mean 'data/planets'?"
    )
    need_training_packages(compose([preset, "data.root=data/planets"]).config)
