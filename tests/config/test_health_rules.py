"""What is refused before launch in `health`, and what is only told."""

from __future__ import annotations

import pytest

from trainer.config.health_rules import health_notes, health_problems
from trainer.config.schema import fields

WRONG = [
    ({"per_kind": {"divergance": "stop"}}, "Did you mean 'divergence'?"),
    ({"on_alert": "command"}, "'health.on_alert' asks for a command"),
    ({"per_kind": {"stall": "command"}}, "'health.per_kind.stall' asks for a command"),
    ({"command": []}, "names no program"),
    ({"command": [" "]}, "names no program"),
]


@pytest.mark.parametrize(("section", "told"), WRONG)
def test_what_cannot_be_is_refused(section, told):
    (problem, *_) = health_problems({"health": section}, {})
    assert told in str(problem)
    assert problem.key.startswith("health.")


@pytest.mark.parametrize(
    "section",
    [{}, {"on_alert": "stop"}, {"on_alert": "command", "command": ["true"]}, None, 3],
)
def test_what_can_be_is_not(section):
    assert list(health_problems({"health": section}, {})) == []


def test_a_command_that_nothing_runs_is_told():
    assert list(health_notes({"health": {"on_alert": "warn", "command": ["x"]}}))
    assert list(health_notes({"health": {"enabled": False, "command": ["x"]}}))
    assert not list(health_notes({"health": {"on_alert": "stop", "command": ["x"]}}))


def test_every_threshold_has_bounds():
    found = {name: known for name, known in fields().items() if name.startswith("health.")}
    assert all(k.bounds for k in found.values() if k.type in ("int", "float"))
