"""What a recipe's data need is known before anything is started."""

from __future__ import annotations

import pytest

from trainer.config import recipe_rules
from trainer.errors import ConfigError

SPECTRA = {"data": {"_target_": "trainer.recipes.spectra.data.SpectraData"}}


def test_an_extra_that_is_missing_is_named_before_launch(monkeypatch):
    from trainer.runs.again import need_training_packages

    monkeypatch.setattr(recipe_rules, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as raised:
        need_training_packages(SPECTRA)
    (problem,) = raised.value.problems
    assert "pyarrow, which is not installed" in problem.what
    assert "traindeck[spectra]" in problem.remedy


@pytest.mark.parametrize("config", [{}, {"data": None}, {"data": {"_target_": 3}}, {"data": {}}])
def test_other_data_need_nothing(config, monkeypatch):
    monkeypatch.setattr(recipe_rules, "find_spec", lambda name: None)
    assert list(recipe_rules.lacking(config)) == []
