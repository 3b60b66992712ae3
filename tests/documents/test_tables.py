"""Every key in the documents' tables is a key here: same meaning, same default, every printed type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.config.aliases import ALIASES
from trainer.config.compose import compose
from trainer.config.docs import asked_by, document_table, key_table
from trainer.config.documents import DOCUMENTS, OWN
from trainer.config.schema import fields
from trainer.config.schema_base import Key

TABLES = {
    file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent / "tables").glob("*.yaml"))
}
ROWS = [
    pytest.param(number, row, id=f"{number}-{row['written']}-{at}")
    for number, table in TABLES.items()
    for at, row in enumerate(table["rows"])
]
KINDS = {"int": int, "float": float, "str": str, "bool": bool, "dict": dict, "list": list,
         "null": type(None)}  # fmt: skip
ABSENT = object()


@pytest.fixture(autouse=True)
def built_in_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}", encoding="utf-8")


def typed(value: Any) -> str:
    """Write a value as an override has it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(typed, value)) + "]"
    return json.dumps(value) if not isinstance(value, str) else value


def at(config: dict[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node.get(part, ABSENT) if isinstance(node, dict) else ABSENT
    return node


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_a_row_has_its_key_here(number: str, row: dict[str, Any]) -> None:
    known = _known(row)
    if not known.section:
        assert number in known.source.split(), (
            "the tables of docs/configuration.md would not say so"
        )
    if "here" in row:
        assert row["why"]
        assert known.default == row["here"] != row["default"]
    elif row.get("default", "required") != "required":
        assert known.default == row["default"]
        assert isinstance(known.default, bool) == isinstance(row["default"], bool)


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_a_row_takes_every_type_that_is_printed(number: str, row: dict[str, Any]) -> None:
    kinds = set() if row["type"] == "any" else set(row["type"].split(" | "))
    if "sets" not in row and kinds:
        tried = {name for value in row["takes"] for name in kinds if type(value) is KINDS[name]}
        assert tried == kinds - ({"dict"} if row["written"] == "lightning.lr_scheduler" else set())
    for value in row["takes"]:
        made = compose([*row.get("with", []), f"{row['written']}={typed(value)}"]).config
        for key, wanted in row.get("sets", {row.get("key", row["written"]): value}).items():
            found = at(made, key)
            assert found == wanted
            assert isinstance(found, bool) == isinstance(wanted, bool)


def _known(row: dict[str, Any]) -> Key:
    """Give the key of the schema that a row's own key is or lies in."""
    key = str(row.get("key") or row["written"])
    while key not in fields():
        key = key.rpartition(".")[0]
    return fields()[key]


@pytest.mark.parametrize("choice", TABLES["001"]["profiles"])
def test_a_profile_has_the_documents_values(choice: str) -> None:
    made = compose([choice]).config
    for key, value in TABLES["001"]["profiles"][choice].items():
        assert at(made, key) == value, key
    for key, most in TABLES["001"]["at_most"].get(choice, {}).items():
        assert 0 < at(made, key) <= most, key


def test_every_document_has_a_table() -> None:
    assert set(TABLES) == set(DOCUMENTS)


def test_each_spelling_is_of_a_key_that_names_its_document() -> None:
    for alias in ALIASES:
        known = _known({"key": alias.new.removesuffix(".*")})
        assert set(alias.source.split()) <= set(known.source.split()), alias.old


def test_the_generated_tables_name_the_documents() -> None:
    assert asked_by(fields()["trainer.min_steps"]) == "Lightning"
    assert asked_by(fields()["trainer.max_steps"]) == "EulerAudioBackbone 002, hafs 004"
    assert asked_by(fields()["run.tags"]) == OWN
    table = key_table().splitlines()
    for known in fields().values():
        if not known.section:
            (row,) = [line for line in table if line.startswith(f"| `{known.key}` |")]
            assert f"| {asked_by(known)} |" in row
    for number, about in DOCUMENTS.items():
        assert f"| {about.project} {number} | “{about.title}”" in document_table()
