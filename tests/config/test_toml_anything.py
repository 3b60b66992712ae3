"""Any values of the schema mean the same in TOML and in YAML, and any text is a config or a problem."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.config.compose import compose
from trainer.config.schema import fields
from trainer.config.schema_base import Key
from trainer.config.sources import options_of, search_path
from trainer.config.toml_tables import GROUPS
from trainer.errors import ConfigError, Problem

EXAMPLES = int(os.environ.get("TRAINDECK_EXAMPLES", "8"))
ANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TOML = Path("config/training.toml")
WORDS = st.sampled_from(
    ["a", "x-1", "no", "1e3", "2026-01-01", "true", "null", "a: b", "# c", "é", "'", '"']
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    TOML.parent.mkdir()
    (tmp_path / "profiles" / "preset").mkdir(parents=True)
    return tmp_path


def values_of(known: Key) -> st.SearchStrategy[Any]:
    """Give values for a key, most of a right type; TOML has no null."""
    kinds: list[st.SearchStrategy[Any]] = [WORDS]
    if known.choices:
        kinds.append(st.sampled_from([each for each in known.choices if each is not None]))
    for kind in known.type.split(" | "):
        if kind == "int":
            kinds.append(st.integers(-1, 99))
        elif kind == "float":
            kinds.append(st.floats(-1, 1e6, allow_nan=False))
        elif kind == "bool":
            kinds.append(st.booleans())
        elif kind.startswith("list"):
            kinds.append(st.lists(st.one_of(WORDS, st.integers(0, 3)), max_size=3))
        elif kind == "dict":
            kinds.append(
                st.dictionaries(st.sampled_from(["a", "b_c"]), st.integers(0, 3), max_size=2)
            )
    return st.one_of(kinds)


PLAIN = {
    name: known
    for name, known in fields().items()
    if not known.section and "*" not in name and not any(
        f"{above}." in f"{name}." and not fields()[above].section
        for above in fields() if above != name and name.startswith(f"{above}.")
    )
}  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a nested document of a few keys of the schema."""
    document: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(sorted(PLAIN)), min_size=1, max_size=8, unique=True)):
        node = document
        *above, last = name.split(".")
        for part in above:
            node = node.setdefault(part, {})
        node[last] = draw(values_of(PLAIN[name]))
    return document


def made(*words: str) -> tuple[Any, ...]:
    """Compose; of what is wrong the words, not the place."""
    found = compose(words, check=False)
    told = (
        (p.key, re.sub(r"[\w/]+/(training.toml|own.yaml|mine.yaml)[:\d]*", "", p.what))
        for p in found.problems
    )
    return found.config, found.choices, sorted(told)


@ANY
@given(documents())
def test_a_preset_means_the_same_in_toml_and_in_yaml(document: dict[str, Any]) -> None:
    TOML.write_text(tomlkit.dumps({"presets": {"mine": document}}), encoding="utf-8")
    preset = Path("profiles/preset/mine.yaml")
    from_toml = made("mine")
    TOML.unlink()
    # JSON is YAML, and quotes every text.
    text = json.dumps(document, ensure_ascii=False)
    preset.write_text(f"# @package _global_\n{text}\n", encoding="utf-8")
    from_yaml = made("mine")
    preset.unlink()
    assert from_toml == from_yaml


@ANY
@given(st.sampled_from(["lora", "hardware", "trainer", "optimizer", "limits", "data"]), st.data())
def test_a_profile_of_a_group_means_the_same_in_toml_and_in_yaml(
    group: str, data: st.DataObject
) -> None:
    names = sorted(
        n.partition(".")[2] for n in PLAIN if n.startswith(f"{group}.") and n.count(".") == 1
    )
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    values = {name: data.draw(values_of(PLAIN[f"{group}.{name}"])) for name in chosen}
    if group == "data":  # a table of no class of its own lies over data/instruct, a file does not
        values = {"name": "own", **values, "_target_": "trainer.recipes.lora.data.Instructions"}
    table = {"data": "datasets"}.get(group, group)
    TOML.write_text(tomlkit.dumps({table: {"own": values}}), encoding="utf-8")
    from_toml = made(f"{group}=own")
    TOML.unlink()
    file = Path("profiles") / group / "own.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    from_yaml = made(f"{group}=own")
    file.unlink()
    assert from_toml == from_yaml


JUNK = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.one_of(
            st.sampled_from(
                [f"[{name}]\n" for name in (*GROUPS, "presets", "experts", "datasets", "output", "metadata")]
                + ["[presets.a]\n", "[lora.minimal]\n", "[[presets]]\n", "[[lora.x]]\n", "[hyperparameters.default]\n",
                   "[presets.a.trainer]\n", "defaults = [", "]\n", "expert = ", "lora = ", "r = ", "= 3\n", "{", "}",
                   '"""', "'", "1979-05-27T07:32:00Z\n", "nan\n", "inf\n", "0x_1\n", "[1,[2,{a=3}]]\n", "lr_scheduler = ",
                   "dataset = ", "trainer.precision = ", "${data}", '"${oc.env:HOME}"\n', "true\n", '"minimal"\n', "\ufeff"]
            ),
            st.text(max_size=12),
        ),
        max_size=10,
    ).map("".join),
)  # fmt: skip


@ANY
@given(JUNK)
def test_junk_is_a_config_or_a_problem(text: str) -> None:
    TOML.write_bytes(text.encode("utf-8", "surrogatepass"))
    sources = search_path()
    for group in ("preset", "lora", "hyperparameters"):
        options_of(sources, group)
    for words in ((), ("oracle-rauru-mac",), ("a",)):
        problems: tuple[Problem, ...] = ()
        try:
            compose(words)
        except ConfigError as error:
            problems = error.problems
        assert all(str(problem).isprintable() for problem in problems)
        compose(words, check=False)
