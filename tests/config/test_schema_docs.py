"""What docs/configuration.md shows works as it is printed, and its tables can be regenerated."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from trainer.config import docs
from trainer.config.compose import compose
from trainer.config.loss_rules import read_terms
from trainer.config.symbolic_rules import read_rules
from trainer.config.validate import validate

PAGE = docs.PAGE.read_text(encoding="utf-8")
OWN_WORDS = re.sub(r"<!-- generated.*?<!-- end: \w+ -->", "", PAGE, flags=re.DOTALL)
_TABLE = OWN_WORDS.partition("| override | what it does |")[2].partition("\n\n")[0]
OVERRIDES = [
    override
    for row in _TABLE.splitlines()[2:]
    for override in re.findall(r"`([^`]+)`", row.split(" | ")[0])
]
RULES = "symbolic.rules=[{name:gravitational_lensing}]"


@pytest.fixture(autouse=True)
def built_in_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_there_are_overrides_to_try() -> None:
    assert len(OVERRIDES) >= 9


@pytest.mark.parametrize("override", OVERRIDES)
def test_the_overrides_in_the_table_compose(override: str) -> None:
    # As a shell would hand them over.
    (argument,) = shlex.split(override) if override.startswith("'") else (override,)
    assert compose([RULES, argument]).config


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", OWN_WORDS, flags=re.DOTALL))
def test_the_yaml_blocks_are_valid(block: str, tmp_path: Path) -> None:
    if "settings.yaml" in block:
        (tmp_path / "traindeck").mkdir()
        (tmp_path / "traindeck" / "settings.yaml").write_text(block, encoding="utf-8")
        assert compose(["model._target_=my_package.Net"]).config["model"]
    else:
        (tmp_path / "my.yaml").write_text(block, encoding="utf-8")
        # A block with a loss of its own is laid over the loss of a recipe that has no terms.
        preset = ["quickstart"] if "composite:" in block else []
        made = compose(preset, config_file=tmp_path / "my.yaml").config
        assert validate(made) == []
        if "composite:" in block:
            assert [spec.name for spec in read_terms(made).loss] == [
                "smoothness",
                "spectral/l1",
                "bottleneck/kl",
            ]
            return
        if block.startswith("symbolic:"):
            (rule,) = read_rules(made)[0]
            assert dict(rule.keywords) == {"match_weight": 2.0}
            return
        if "compile:" in block:
            assert made["trainer"]["compile"]["mode"] == "max-autotune"
            return
        assert made["optimizer"]["type"] == "SGD"
        assert "betas" not in made["optimizer"]["config"]


def test_the_page_names_what_a_reader_looks_for() -> None:
    for word in ("XDG_CONFIG_HOME", "_self_", "@package _global_", "_target_", "oc.env", "--config",
                 "run_hash_summary.json", "two spellings".capitalize()):  # fmt: skip
        assert word in OWN_WORDS


def test_check_notices_a_stale_table_and_rewriting_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "configuration.md"
    page.parent.mkdir()
    page.write_text(PAGE.replace("| `lightning.lr` |", "| `lightning.rate` |"), encoding="utf-8")
    monkeypatch.setattr(docs, "PAGE", page)
    monkeypatch.setattr(docs, "REPOSITORY", tmp_path)
    assert docs.main(["--check"]) == 1
    assert "docs/configuration.md is out of step" in capsys.readouterr().err
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert page.read_text(encoding="utf-8") == PAGE


def test_bars_in_cells_do_not_break_a_table() -> None:
    table = docs.markdown_table(("a",), [("`int | null`",), ("two\nlines",)])
    assert table.splitlines() == ["| a |", "| --- |", "| `int \\| null` |", "| two lines |"]


def test_a_block_is_replaced_where_it_stands_or_added_at_the_end() -> None:
    text = "before\n<!-- generated: x -->\nold\n<!-- end: x -->\nafter\n"
    assert docs.with_block(text, "x", "new") == text.replace("old", "new")
    assert docs.with_block("words\n", "x", "new").startswith(
        "words\n\n<!-- generated: x -->\nnew\n"
    )
    assert docs.with_block("", "x", "new").startswith("<!-- generated")
