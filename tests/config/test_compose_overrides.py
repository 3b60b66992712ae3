"""Override strings: Hydra's grammar, our short cut through it, and what people get wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import overrides as module
from trainer.config.overrides import Override, parse, parse_all
from trainer.errors import Problem

_ALPHABET = st.sampled_from(list("abeEnul0179_-+.=/:~@$ ,[]{}'\"\\()"))
_NUMBERS = st.one_of(
    st.from_regex(r"[+-]?[0-9_]{1,4}(\.[0-9_]{0,3})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(
        ["inf", "-inf", "nan", "NaN", "TRUE", "False", "nUll", "00", "-0", "1e400", "١"]
    ),
)


def hydra(text: str) -> Any:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        return error


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    sign=st.sampled_from(["", "+", "++"]),
    key=st.sampled_from(
        ["a", "a.b", "a.0", "a.01", "_x.y2", "a-b", "a.b-c", "optimizer.config.lr"]
    ),
    value=st.one_of(
        st.text(_ALPHABET, max_size=8),
        st.text(st.sampled_from(list("ae1/.-_")), max_size=6),
        st.from_regex(r"['\"][ -~\n]{0,6}['\"]", fullmatch=True),
        st.from_regex(r"[0-9]{1,2}-[a-z]{1,4}[0-9]?", fullmatch=True),
        _NUMBERS,
    ),
)
def test_the_short_cut_reads_as_hydra_reads(sign: str, key: str, value: str) -> None:
    text = f"{sign}{key}={value}"
    match = module._SIMPLE.match(text)
    short = module._simple(text, match) if match else None
    if short is None:
        return
    native = hydra(text)
    assert not isinstance(native, Exception), native
    assert not native.is_sweep_override()
    assert (type(short.value), repr(short.value)) == (type(native.value()), repr(native.value()))
    assert (short.key, short.package) == (native.key_or_group, native.package)
    assert {"change": 1, "add": 2, "force": 3}[short.kind] == native.type.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a=3e-4", 3e-4),
        ("a=-2.50", -2.5),
        ("a=TRUE", True),
        ("a=null", None),
        ("a=AdamW", "AdamW"),
        ("a=16-mixed", "16-mixed"),
        ("a=bf16-mixed", "bf16-mixed"),
        ("a=", ""),
        ("a='x, y'", "x, y"),
        ('a="it\'s"', "it's"),
        ("a=val/loss", "val/loss"),
        ("a=9:00:00", "9:00:00"),
        ("a=[0.9, 0.999]", [0.9, 0.999]),
        ("a={type: SGD, config: {lr: 1e-3}}", {"type": "SGD", "config": {"lr": 1e-3}}),
        ("a=x\\,y", "x,y"),
        ("a=${b.c}", "${b.c}"),
        ("a=1_000", 1000),
        ("a=str(5)", "5"),
    ],
)
def test_values(text: str, value: Any) -> None:
    override = parse(text)
    assert isinstance(override, Override)
    assert (type(override.value), override.value) == (type(value), value)


def test_lists_may_be_indexed_with_brackets() -> None:
    override = parse("symbolic.rules[0].enabled=false")
    assert isinstance(override, Override)
    assert (override.key, override.text) == (
        "symbolic.rules.0.enabled",
        "symbolic.rules[0].enabled=false",
    )
    named = parse("symbolic.rules[lensing].weight='[0]'")
    assert isinstance(named, Override)
    assert (named.key, named.value) == ("symbolic.rules.lensing.weight", "[0]")


def test_a_bare_word_is_a_preset() -> None:
    override = parse("oracle-rauru-mac")
    assert isinstance(override, Override)
    assert (override.key, override.value) == ("preset", "oracle-rauru-mac")


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("a=1,2", "sweep", "'a=[1,2]'"),
        ("a=choice(1,2)", "'choice(…)' sweeps", "a=VALUE"),
        ("a=range(1,10)", "'range(…)' sweeps", "a=VALUE"),
        ("trainer=glob(*)", "'glob(…)' sweeps", "trainer=VALUE"),
        ("lr=interval(0,1)", "'interval(…)' sweeps", "lr=VALUE"),
        ("hydra.run.dir=x", "Hydra's own application", ""),
        ("hydra/launcher=x", "Hydra's own application", ""),
        ("", "cannot be empty", ""),
        ("a b", "neither an override", ""),
        ("a=[1,2", "ends too early", "quote it"),
        ("a=b=c", "Column 4, at '=c'", "quote it"),
        ("a!b=c", "Column 2, at '!b=c'", "dotted words"),
        ("~", "needs a key", ""),
        ("a='\udcff'", "not valid UTF-8", ""),
    ],
)
def test_what_is_wrong_is_told(text: str, what: str, remedy: str) -> None:
    problem = parse(text)
    assert isinstance(problem, Problem)
    assert what in problem.what
    assert remedy in problem.remedy
    assert problem.where.startswith("override ")


def test_all_problems_come_at_once() -> None:
    parsed, problems = parse_all(["a=1", "b=1,2", "c=[", "quickstart"])
    assert [override.key for override in parsed] == ["a", "preset"]
    assert len(problems) == 2


def test_two_bare_words_are_too_many() -> None:
    _, problems = parse_all(["one", "two"])
    assert "preset=[one,two]" in problems[0].remedy


def test_hostile_text_does_not_reach_the_terminal() -> None:
    for text in ("a=\x1b]52;c;aGk=\x07", "\x1b[31m", "a\x00=1", "k=" + "x" * 10_000 + "["):
        _, problems = parse_all([text])
        for problem in problems:
            assert not re.search(r"[\x00-\x1f\x7f-\x9f]", str(problem))
            assert len(str(problem)) < 3000


def test_deeply_nested_values_are_a_problem_and_no_crash() -> None:
    assert isinstance(parse("a=" + "[" * 5000), Problem)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["trainer.max_epochs", "3"], "Write trainer.max_epochs=3."),
        (["seed", "7", "trainer.max_epochs=2"], "Write seed=7."),
        (["trainer.max_epochs", "seed=1"], "Write trainer.max_epochs=VALUE."),
        (["optimizer.config.lr"], "Write optimizer.config.lr=VALUE."),
    ],
)
def test_a_blank_in_place_of_the_equals_sign(words: list[str], remedy: str) -> None:
    _, problems = parse_all(words)
    assert [problem.remedy for problem in problems] == [remedy]


def test_a_preset_may_be_called_like_a_key() -> None:
    parsed, problems = parse_all(["seed", "trainer.max_epochs=2"])
    assert not problems
    assert parsed[0].key == "preset"
