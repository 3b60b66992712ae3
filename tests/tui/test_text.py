"""Texts in cells: wrapped whole, places cut where they say least."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import cell_len, fit_place, short_path, wrap


@pytest.mark.parametrize(
    ("place", "width", "cut"),
    [
        ("/a/long/folder/of/profiles/model/mine.yaml:12", 20, "…odel/mine.yaml:12"),
        ("~/.config/model/mine.yaml:12 (lightning.lr)", 30, "~/.config/model/mine.yaml:12"),
        ("override seed=1", 10, "override…"),
        ("model/mine.yaml:3", 40, "model/mine.yaml:3"),
    ],
)
def test_a_place_keeps_its_file_and_line(place: str, width: int, cut: str) -> None:
    found = fit_place(place, width)
    assert cell_len(found) <= width
    assert found.endswith(cut.removeprefix("…"))


@given(st.text(), st.integers(4, 60), st.integers(1, 5))
def test_lines_are_never_too_wide_or_too_many(text: str, width: int, most: int) -> None:
    lines = wrap(text, width, most)
    assert len(lines) <= most
    assert all(cell_len(line) <= width for line in lines)


def test_nothing_is_lost_where_there_is_room() -> None:
    text = "There is no group 'traner'. Did you mean 'trainer'?"
    assert " ".join(wrap(text, 20, 5)) == text
    assert wrap("", 20, 3) == []
    assert wrap("a" * 9, 4, 9) == ["aaaa", "aaaa", "a"]
    assert wrap("one two three four", 9, 2)[-1].endswith("…")


def test_a_path_is_written_from_where_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert short_path("/home/ada/work/runs/x", "/home/ada/work") == "./runs/x"
    assert short_path("/home/ada/other/x", "/home/ada/work") == "~/other/x"
    assert short_path("/home/adam/x", "/home/ada/work") == "/home/adam/x"
    assert short_path("/srv/x", "/home/ada/work") == "/srv/x"
