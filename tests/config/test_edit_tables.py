"""Whole tables of a TOML file: made, renamed, taken out; and who names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config.edit import EditError
from trainer.config.edit_toml import TableText
from trainer.config.edit_toml_files import begun, home_of, renamed, taken_out
from trainer.config.references import references, stands_on
from trainer.config.sources import search_path
from trainer.config.toml_tables import GROUPS

TEXT = """\
title = "x"

# Reads crashes.
[experts.reader]  # ours
role = "debug"

[ presets . "my.one" ]
expert = 'reader'  # who
lora = "full"
  [presets."my.one".trainer]
  max_steps = 7

# ── more ──

[lora.small]
r = 2
"""
DOTTED = 'presets.mine.lora = "full"\n[lora]\nsmall = { r = 2 }\n'


def table(group: str, name: str, text: str = TEXT) -> TableText:
    text_ = text.removeprefix('title = "x"\n\n')
    return TableText(text_, group, name, "config/training.toml")


def test_a_new_name_changes_headers_and_nothing_else() -> None:
    old = table("preset", "my.one")
    new = renamed(old, "yours")
    assert new.text == old.text.replace('"my.one"', "yours")
    assert new.values == old.values
    back = renamed(new, "my.one")
    assert back.text == old.text


@pytest.mark.parametrize("work", [lambda text: renamed(text, "other"), taken_out])
@pytest.mark.parametrize("what", [("preset", "mine"), ("lora", "small")])
def test_a_table_without_a_header_of_its_own_is_refused(
    work: object, what: tuple[str, str]
) -> None:
    with pytest.raises(EditError, match="written in a way"):
        work(table(*what, text=DOTTED))  # type: ignore[operator]


def test_a_name_that_is_taken_is_refused() -> None:
    text = TEXT + "\n[lora.large]\nr = 9\n"
    with pytest.raises(EditError, match="already"):
        renamed(table("lora", "small", text), "large")


def test_a_table_goes_with_its_comment_and_leaves_the_others() -> None:
    text = table("expert", "reader").text
    assert taken_out(table("expert", "reader")).text == text[text.index("[ presets") :]
    rest = taken_out(table("preset", "my.one")).text
    assert rest.endswith('role = "debug"\n\n# ── more ──\n\n[lora.small]\nr = 2\n')
    assert taken_out(table("lora", "small")).text.endswith("max_steps = 7\n\n# ── more ──\n")
    assert taken_out(TableText("[lora.a]\nr = 1\n", "lora", "a", "f")).text == ""


def test_windows_line_ends_stay() -> None:
    text = "[lora.a]\r\nr = 1\r\n\r\n[lora.b]\r\nr = 2\r\n"
    assert taken_out(TableText(text, "lora", "a", "f")).text == "[lora.b]\r\nr = 2\r\n"
    assert renamed(TableText(text, "lora", "a", "f"), "c").text == text.replace("lora.a", "lora.c")


@pytest.mark.parametrize("group", GROUPS)
def test_a_new_table_can_be_read_and_sets_nothing_yet(tmp_path: Path, group: str) -> None:
    path = tmp_path / "training.toml"
    path.write_text(TEXT.removeprefix('title = "x"\n\n'))
    new = begun(group, "fresh", path, "training.toml")
    assert new.text.startswith(path.read_text())
    assert not new.problems
    assert new.values == {}
    path.write_text(new.text)
    with pytest.raises(EditError, match="already"):
        begun(group, "fresh", path, "training.toml")


def test_who_names_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toml = tmp_path / "config" / "training.toml"
    toml.parent.mkdir()
    toml.write_text(table("expert", "reader").text)
    other = tmp_path / "profiles" / "preset" / "other.yaml"
    other.parent.mkdir(parents=True)
    other.write_text("# @package _global_\ndefaults:\n  - override /lora: full\n  - lora\n")
    sources = search_path()
    assert [(each.who, each.where) for each in references(sources, "expert/reader")] == [
        ("preset/my.one", "config/training.toml:6")
    ]
    found = {each.who: each.where for each in references(sources, "lora/full")}
    assert found == {
        "preset/my.one": "config/training.toml:7",
        "preset/other": "profiles/preset/other.yaml:3",
    }
    assert "preset/other" in {each.who for each in references(sources, "preset/lora")}
    base = {each.where for each in references(sources, "hyperparameters/default")}
    assert "hyperparameters/production inherits from it" in base
    assert not stands_on(sources, "expert/reader")
    toml.write_text("[lora.full]\nr = 64\n")
    assert stands_on(search_path(), "lora/full"), "the built-in one is used again"


def test_tables_go_to_the_file_that_was_named() -> None:
    assert home_of(Path("/p"), Path("mine.toml")) == (Path("/p/mine.toml"), "mine.toml")
    assert home_of(Path("/p"), Path("train.yaml"))[0].name == "training.toml"
