"""In every section an unknown key, and in every key a value of another type, is told before launch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.config.schema import defaults, fields, sections
from trainer.config.schema_base import Key
from trainer.config.validate import validate

CLOSED = [known for known in fields().values() if known.section and not known.open]
VALUES = [known for known in fields().values() if not known.section and "*" not in known.key]
# Neither is what any key takes; only open ones take keys of their own.
NEVER = [[["nonsense"]], {"nonsense": [1]}]


def config_with(key: str, value: Any) -> dict[str, Any]:
    """Give the defaults with a value at a dotted key."""
    config = defaults()
    node: dict[str, Any] = config
    *above, last = key.split(".")
    for part in above:
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    node[last] = value
    return config


def concerned(config: dict[str, Any]) -> list[str]:
    return [problem.key for problem in validate(config, {})]


@pytest.mark.parametrize("known", VALUES, ids=[known.key for known in VALUES])
def test_a_value_of_another_type_is_told(known: Key) -> None:
    for value in NEVER:
        if known.open and isinstance(value, dict):
            continue  # its keys are somebody's own
        told = concerned(config_with(known.key, value))
        assert any(key == known.key or key.startswith(f"{known.key}.") for key in told), value


@pytest.mark.parametrize("known", CLOSED, ids=[known.key for known in CLOSED])
def test_an_unknown_key_of_a_section_is_told(known: Key) -> None:
    assert f"{known.key}.nonsense" in concerned(config_with(f"{known.key}.nonsense", 1))


@pytest.mark.parametrize(
    "key",
    [
        "nonsense",
        "trainer.early_stopping.nonsense",
        "scheduler.warmup.nonsense",
        "optimizer.config.nonsense",
        "loss.composite.nonsense",
        "eval_loss.nonsense",
    ],
)
def test_an_unknown_key_below_a_value_is_told(key: str) -> None:
    assert any(told.startswith(key) for told in concerned(config_with(key, {"weight": 1.0})))


def test_an_unknown_keyword_of_a_scheduler_is_told() -> None:
    config = config_with("scheduler", {"type": "StepLR", "config": {"step_size": 3, "nonsense": 1}})
    assert any(told.startswith("scheduler.config") for told in concerned(config))


def test_bounds_are_checked_where_the_tables_name_them() -> None:
    for known in VALUES:
        if known.bounds in ("≥ 1", "≥ 0", "> 0"):
            assert known.key in concerned(config_with(known.key, -5)), known.key


@pytest.mark.parametrize(
    "section", [s for s in sections() if fields()[s].section and not fields()[s].open]
)
def test_the_command_refuses_before_anything_is_launched(
    section: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as stop:
        main(["config", "validate", f"{section}.nonsense=1", "--json"])
    assert stop.value.code == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert f"{section}.nonsense" in json.dumps(problem)
    assert list(tmp_path.iterdir()) == []
