"""Symbolic rules, read from a config and judged without torch."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from trainer.config.compose import compose
from trainer.config.symbolic_rules import RULES, read_rules
from trainer.config.validate import validate
from trainer.errors import ConfigError


def rules(text: str, enabled: bool = True) -> Any:
    return read_rules({"symbolic": {"enabled": enabled, "rules": yaml.safe_load(text)}})


def test_rules_are_terms_of_the_loss() -> None:
    found, problems = rules(
        """
        - {name: molecular_fingerprint, weight: 0.2, match_weight: 2.0}
        - {name: gravitational_lensing, enabled: false}
        - {name: mine, _target_: mylab.rules.Mine, depth: 3}
        """
    )
    assert problems == []
    assert [(s.name, s.key, s.target, dict(s.keywords), s.weight) for s in found] == [
        (
            "symbolic/molecular_fingerprint",
            "symbolic.rules.0",
            RULES["molecular_fingerprint"].target,
            {"match_weight": 2.0},
            0.2,
        ),
        ("symbolic/mine", "symbolic.rules.2", "mylab.rules.Mine", {"depth": 3}, 1.0),
    ]


def test_rules_that_are_off_are_checked_and_not_given() -> None:
    assert rules("[{name: gravitational_lensing}]", enabled=False) == ([], [])
    assert rules("[{name: gravitational_lensing, weight: 0}]") == ([], [])
    assert rules("[{name: nonsense, enabled: false}]", enabled=False)[1]
    assert read_rules({"symbolic": {"enabled": True}}) == ([], [])


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[{name: molecular_fingerprnt}]", "symbolic.rules.0.name", "'molecular_fingerprint'"),
        ("[{name: warp}]", "symbolic.rules.0.name", "There are molecular_fingerprint, grav"),
        ("[{weight: 1.0, name: ''}]", "symbolic.rules.0", "has no name"),
        ("[{name: gravitational_lensing, bin: 3}]", "symbolic.rules.0.bin", "mean 'bins'"),
        (
            "[{name: gravitational_lensing}, {name: gravitational_lensing}]",
            "symbolic.rules.1.name",
            "two rules",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text: str, key: str, said: str) -> None:
    found, (problem,) = rules(text)
    assert len(found) <= 1
    assert problem.key == key
    assert said in str(problem)


def test_before_launch_with_what_set_it() -> None:
    config = {"symbolic": {"enabled": True, "rules": [{"name": "lensing_gravitational"}]}}
    found = validate(config, {"symbolic.rules": "override x"})
    (problem,) = [p for p in found if p.key.startswith("symbolic")]
    assert problem.where == "override x"
    negative = {"symbolic": {"rules": [{"name": "gravitational_lensing", "weight": -1.0}]}}
    assert [p.key for p in validate(negative) if p.key.startswith("symbolic")] == [
        "symbolic.rules.0.weight"
    ]


def test_rules_are_overridden_by_name_and_by_number() -> None:
    both = "symbolic.rules=[{name: molecular_fingerprint},{name: gravitational_lensing}]"
    made = compose(
        [
            both,
            "symbolic.rules.molecular_fingerprint.enabled=false",
            "symbolic.rules[1].weight=0.5",
        ]
    )
    assert [(r["name"], r.get("enabled", True)) for r in made.config["symbolic"]["rules"]] == [
        ("molecular_fingerprint", False),
        ("gravitational_lensing", True),
    ]
    assert made.config["symbolic"]["rules"][1]["weight"] == 0.5
    assert not [note for note in made.notes if "not acted on" in note]


def test_a_slip_in_a_rule_s_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'molecular_fingerprint'\? It has mol"):
        compose(["spectramind", "symbolic.rules.molecular_fingerprnt.enabled=false"])
