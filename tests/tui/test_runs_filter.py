"""The filter language of the list of runs."""

from __future__ import annotations

import math
import random

import pytest

from trainer.runs.status import Progress
from trainer.runs.summary import RunSummary
from tui.screens.runs.filter import parse

NOW = 1_000_000.0


def run(name: str, state: str = "completed", **more: object) -> RunSummary:
    known = {"tags": (), "preset": "quickstart", "host": "vm", "created": NOW - 3600}
    progress = Progress(
        **{
            key: more.pop(key)
            for key in ("step", "epoch", "total_steps", "metrics", "rate")
            if key in more
        }  # type: ignore[arg-type]
    )
    return RunSummary(
        id=f"id{name}"[:7],
        name=name,
        path=f"/r/{name}",
        state=state,
        progress=progress,
        **{**known, **more},  # type: ignore[arg-type]
    )


RUNS = [
    run("alpha-one", "running", step=100, total_steps=200, metrics={"train/loss": 0.4}, rate=2.0),
    run("beta-two", "failed", step=812, metrics={"train/loss": math.nan}, tags=("abl", "x y")),
    run("gamma", "lost", created=NOW - 10 * 3600, host="gpu1"),
    run("alphabet", metrics={"train/loss": 0.6, "val/loss": 1.0}, preset="spectra"),
]
METRICS = ("train/loss", "val/loss", "grad_norm")


def names(text: str) -> list[str]:
    found = parse(text, METRICS)
    assert not found.problem, found.problem
    return [each.name for each in found.apply(RUNS, NOW)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["alpha-one", "beta-two", "gamma", "alphabet"]),
        ("state:running", ["alpha-one"]),
        ("state:run", ["alpha-one"]),
        ("state:failed,lost", ["beta-two", "gamma"]),
        ("-state:failed", ["alpha-one", "gamma", "alphabet"]),
        ("state!=failed,lost", ["alpha-one", "alphabet"]),
        ("state:live", ["alpha-one"]),
        ("state:broken", ["beta-two", "gamma"]),
        ("loss<0.5", ["alpha-one"]),
        ("loss:nan", ["beta-two"]),
        ("val/loss<=1", ["alphabet"]),
        ("loss>=0.4 loss<=0.6", ["alpha-one", "alphabet"]),
        ("loss:0.3..0.5", ["alpha-one"]),
        ("step>100", ["beta-two"]),
        ("step:100,812", ["alpha-one", "beta-two"]),
        ("step>=.1k", ["alpha-one", "beta-two"]),
        ("progress=50%", ["alpha-one"]),
        ("eta<1m", ["alpha-one"]),
        ("age<2h", ["alpha-one", "beta-two", "alphabet"]),
        ("age>2h", ["gamma"]),
        ("tag:abl", ["beta-two"]),
        ('tag:"x y"', ["beta-two"]),
        ('tag="x y"', ["beta-two"]),
        ("preset:spec", ["alphabet"]),
        ("preset=spec", []),
        ("host:gpu1", ["gamma"]),
        ("name:alpha -name:bet", ["alpha-one"]),
        ("-alpha", ["beta-two", "gamma"]),
        ("STATE:RUNNING", ["alpha-one"]),
        ("rate>1", ["alpha-one"]),
    ],
)
def test_what_fits(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stat:running", "Did you mean 'state'?"),
        ("state:runing", "Did you mean 'running'?"),
        ("state:", "needs a value, as in state:running"),
        ("state<3", "cannot be compared with <"),
        ("loss<", "loss needs a value, as in loss<0.5"),
        ("loss<abc", "'abc' is not a number; write, for example, loss<0.5"),
        ("age<soon", "'soon' is not a duration; write, for example, age<2h"),
        ("loss<1,2", "< takes one value, not 2"),
        ("val/los<1", "Did you mean 'val/loss'?"),
        ("nonsense<1", "there is no field 'nonsense'. Some are state"),
        ("name<a", "name is text and cannot be compared with <"),
        ('name:"open', 'the quote " is not closed'),
        ("<5", "names no field"),
        ("x" * 2000, "at most 1000 characters"),
    ],
)
def test_what_is_not_understood_is_told(text: str, told: str) -> None:
    found = parse(text, METRICS)
    assert told in found.problem
    assert not found


def test_words_are_ranked() -> None:
    assert names("alpha") == ["alpha-one", "alphabet"]
    assert names("bet") == ["beta-two", "alphabet"]
    assert names("ao") == ["alpha-one", "beta-two"]
    assert names("alphabet") == ["alphabet"]
    assert names("one alpha") == ["alpha-one"]
    assert names("'alpha-one'") == ["alpha-one"]


def test_nothing_typed_raises() -> None:
    dice = random.Random(7)
    pieces = [
        *[
            "state",
            "loss",
            "step",
            "tag",
            "name",
            "age",
            ":",
            "<",
            "<=",
            ">",
            ">=",
            "=",
            "!=",
            "-",
            ",",
            "..",
            '"',
            "'",
            "nan",
            "inf",
            "1e999",
            "2h",
            "50%",
            "/",
            "*",
            "[",
            "]",
            "(",
            ")",
            "\\",
        ],
        " ",
        "\t",
        "\x1b[31m",
        "\u202e",
        "宽",
        "e\u0301",
        "running",
        "val/loss",
        "-5",
        "1_000",
        "..",
    ]
    for _ in range(5000):
        text = "".join(dice.choice(pieces) for _ in range(dice.randrange(9)))
        found = parse(text, METRICS)
        found.apply(RUNS, NOW)
        assert isinstance(found.problem, str)


def test_a_long_hostile_word_takes_no_time() -> None:
    many = [run("a" * 400) for _ in range(50)]
    assert parse("a" * 60 + "b").apply(many, NOW) == []
