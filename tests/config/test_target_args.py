"""Keywords of our own recipes' classes are checked from their source, before a launch."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml

from trainer.config.compose import compose
from trainer.config.target_args import argument_problems, taken_by
from trainer.errors import ConfigError

PROFILES = Path(__file__).parents[2] / "profiles"


def named() -> set[str]:
    """Give the classes that built-in profiles of `data` and `model` name."""
    found = set()
    for group in ("data", "model"):
        for path in (PROFILES / group).glob("*.yaml"):
            written = yaml.safe_load(path.read_text())
            found.add(written.get(group, written).get("_target_"))
    return found - {None}


@pytest.mark.parametrize("target", sorted(named()))
def test_what_is_read_from_the_source_is_what_the_class_takes(target: str) -> None:
    module, _, name = target.rpartition(".")
    cls = getattr(__import__(module, fromlist=[name]), name)
    parameters = inspect.signature(cls).parameters
    taken = taken_by(target)
    assert taken is not None
    assert list(taken.kinds) == [p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    assert taken.open == any(p.kind is p.VAR_KEYWORD for p in parameters.values())


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.planet=3", "SpectraData takes no 'planet'. Did you mean 'planets'?"),
        ("data.qqq=3", "SpectraData takes no 'qqq'. It takes root, planets, generator_seed"),
        ("model.widht=3", "SpectraNet takes no 'widht'. Did you mean 'width'?"),
        ("data.time_bins=abc", "'data.time_bins' cannot be \"abc\": SpectraData takes a whole n"),
        ("data.planets=1.5", "SpectraData takes a whole number."),
        ("data.skip_bad=1", "SpectraData takes true or false."),
        ("model.dropout=true", "SpectraNet takes a number."),
        ("+data.fgs_frames=x", "SpectraData takes a whole number or null."),
    ],
)
def test_a_slip_is_told_before_launch_with_its_place(override: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose(["spectramind", override])
    (problem,) = refused.value.problems
    assert told in str(problem)
    assert problem.where == f"override {override}"


def test_what_is_right_or_the_schemas_to_tell_is_left_alone() -> None:
    compose(["spectramind", "data.max_items=null", "model.dropout=0", "+data.cache_dir=/tmp/x"])
    with pytest.raises(ConfigError) as refused:
        compose(["spectramind", "data.root=3"])
    assert len(refused.value.problems) == 1


def test_classes_of_ones_own_are_the_training_process_s_to_check() -> None:
    section = {"_target_": "mine.data.Moons", "anything": 1}
    assert not list(argument_problems({"data": section, "model": None}, {}))
    for target in ("trainer.recipes.none.There", "trainer.recipes.text.data.None_", "trainer.X"):
        assert taken_by(target) is None
