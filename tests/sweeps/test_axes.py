"""What varies, in Hydra's syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.sweeps.axes import parse_axes


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=0.0,0.05,0.1", [0.0, 0.05, 0.1]),
        ("k=true,false,null", [True, False, None]),
        ("k=choice(a,b)", ["a", "b"]),
        ("k=range(1,4)", [1, 2, 3]),
        ("k=range(0,1,0.25)", [0.0, 0.25, 0.5, 0.75]),
        ("k='a b','c,d'", ["a b", "c,d"]),
        ("k=[1,2],[3]", [[1, 2], [3]]),
        ("k={x:1},{x:2}", [{"x": 1}, {"x": 2}]),
        ("k=sort(3,1,2)", [1, 2, 3]),
        ("k=tag(t,choice(1,2))", [1, 2]),
        ("k=float(range(1,3))", [1.0, 2.0]),
        ("k=1,1,2", [1, 2]),
        ("+k=1,2", [1, 2]),
        ("rules[0].weight=1,2", [1, 2]),
    ],
)
def test_values_are_as_hydra_reads_them(text: str, values: list[object]) -> None:
    parsed, problems = parse_axes([text])
    assert problems == []
    (axis,) = parsed.axes
    assert [value.plain for value in axis.values] == values
    # Each value reads back as itself when it stands in an override of its own.
    for value in axis.values:
        again, wrong = parse_axes([axis.override(value)])
        assert (again.base, wrong) == ((axis.override(value),), [])


def test_shuffled_values_are_all_there() -> None:
    (axis,) = parse_axes(["k=shuffle(range(0,20))"])[0].axes
    assert sorted(value.plain for value in axis.values) == list(range(20))


def test_glob_chooses_among_the_profiles_of_a_group(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "model").mkdir(parents=True)
    for name in ("wide_a", "wide_b", "narrow"):
        (tmp_path / "profiles" / "model" / f"{name}.yaml").write_text("# M.\nx: 1\n")
    (axis,) = parse_axes(["model=glob(wide_*)"], cwd=tmp_path)[0].axes
    assert [value.text for value in axis.values] == ["wide_a", "wide_b"]
    (axis,) = parse_axes(["model=glob([wide*,narrow],exclude=*_b)"], cwd=tmp_path)[0].axes
    assert [value.text for value in axis.values] == ["narrow", "wide_a"]


def test_seeds_are_no_axis_and_plain_overrides_stay() -> None:
    parsed, problems = parse_axes(["quickstart", "seed=0,1", "a=1", "b=1,2"])
    assert problems == []
    assert parsed.seeds == (0, 1)
    assert parsed.base == ("quickstart", "a=1")
    assert [axis.key for axis in parsed.axes] == ["b"]


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("k=interval(0,1)", "no end of values", "k=range(0,1,0.1)"),
        ("seed=a,b", "'a' is no seed", "whole numbers"),
        ("optimzer=glob(*)", "no group", "Did you mean 'optimizer'"),
        ("optimizer=glob(zz*)", "No profile of 'optimizer' fits", "adamw"),
        ("k=range(0,100000000)", "more than 2000 values", ""),
        ("~k=1,2", "deleted", "k=A,B"),
        ("hydra.run.dir=a,b", "belongs to Hydra", "docs/configuration.md"),
    ],
)
def test_what_cannot_vary_is_refused_with_a_reason(text: str, says: str, remedy: str) -> None:
    parsed, (problem,) = parse_axes([text])
    assert parsed.axes == ()
    assert says in problem.what
    assert remedy in problem.remedy


def test_one_key_varies_once_however_it_is_spelt() -> None:
    _, problems = parse_axes(["trainer.max_epochs=1,2", "trainer.trainer.max_epochs=3,4"])
    assert "varies twice" in problems[0].what
