"""The page on the app: its tables are the app's own, and what it says of the filter holds."""

from __future__ import annotations

import re

import pytest

from tui import docs
from tui.screens.runs.filter import parse
from tui.settings import Settings

TEXT = docs.PAGE.read_text(encoding="utf-8")


def test_the_tables_are_up_to_date() -> None:
    assert docs.page() == TEXT, "run `make docs`"


def test_every_setting_is_on_the_page() -> None:
    for name in Settings.__dataclass_fields__:
        assert f"| `{name}` |" in TEXT


def _examples() -> list[str]:
    part = TEXT.partition("### The filter")[2].partition("## Monitor")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return [text for row in rows for text in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("text", [each for each in _examples() if re.search(r"[:<>=]", each)])
def test_every_example_of_the_filter_is_understood(text: str) -> None:
    found = parse(text)
    assert not found.problem
    assert found.tests


def test_every_key_has_a_sentence() -> None:
    tables = {name: text for name, text in docs.tables().items() if name.startswith("keys")}
    for name, table in tables.items():
        assert table.count("\n") > 2, name
        for row in table.splitlines()[2:]:
            tip = row.rstrip(" |").rpartition("| ")[2]
            assert len(tip) > 3, (name, row)
            assert tip[0].isupper(), (name, row)
