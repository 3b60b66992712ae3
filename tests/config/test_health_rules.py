"""What is refused before launch in `health`, and what is only told."""

from __future__ import annotations

import pytest

from trainer.config.health_rules import health_notes, health_problems
from trainer.config.schema import fields
from trainer.config.schema_health import settings_of
from trainer.errors import ConfigError

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


def test_a_level_to_stop_at_is_told_where_nothing_stops():
    def notes(**section):
        return list(health_notes({"health": section}))

    (told,) = notes(on_alert="warn", stop_from="warning")
    assert told.startswith("health.stop_from:")
    assert len(notes(on_alert="command", stop_from="info", command=["x"])) == 1
    assert notes(on_alert="stop", stop_from="warning") == notes(stop_from="error") == notes() == []


def test_every_threshold_has_bounds():
    found = {name: known for name, known in fields().items() if name.startswith("health.")}
    assert all(k.bounds for k in found.values() if k.type in ("int", "float"))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"on_alert": "abort"}, "'health.on_alert' cannot be \"abort\""),
        ({"on_alrt": "stop"}, "Did you mean 'health.on_alert'?"),
        ({"per_kind": {"plateau": "ignore"}}, "It takes 'warn', 'stop', 'command' or 'off'."),
    ],
)
def test_a_scripts_own_settings_are_judged_in_the_same_words(section, said):
    with pytest.raises(ConfigError) as error:
        settings_of(section)
    (problem,) = error.value.problems
    assert said in str(problem)
