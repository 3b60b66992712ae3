"""Reading profiles: OmegaConf's YAML rules, a line for each value, nothing but plain values."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from trainer.config.dump import to_yaml
from trainer.config.loader import load, parse
from trainer.config.provenance import flatten
from trainer.config.sources import Found, Source
from trainer.errors import ConfigError


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(text, "a.yaml", "project")
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "a: 2e-4\nb: 1.5e3\nc: 1e3\nd: .5\ne: -.inf\nf: 1_000\ng: 0x1f\nh: 0o17\ni: 017\nj: 1:30",
        "a: 2026-01-01\nb: yes\nc: 'yes'\nd: ~\ne:\nf: ''\ng: 1.\nh: 1e\ni: '1e3'\nj: 12:30:45.5",
        "base: &b {x: 1, y: 2}\nuse: *b\nmore: {<<: *b, y: 3, z: 4}\ntwo: {<<: [{a: 1}, {a: 2}]}",
        "text: |\n  one\n  two\nfolded: >\n  a\n  b\n2: int\ntrue: bool\n1.5: float",
    ],
)
def test_values_are_those_of_omegaconf(text: str) -> None:
    expected = OmegaConf.to_container(OmegaConf.create(text))
    values = parse(text, "a.yaml", "project").values
    assert repr(values) == repr(expected)


def test_every_value_knows_its_line() -> None:
    text = """# doc
a: 1
s:
  b: [1,
    2]
  rules:
    - name: x
      weight: 2
  empty: {}
"""
    profile = parse(text, "a.yaml", "project")
    lines = {key: origin.line for key, origin in flatten(profile.values, profile.origins).items()}
    assert lines == {
        "a": 2, "s.b": 4, "s.rules.0.name": 7, "s.rules.0.weight": 8, "s.empty": 9,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "a.yaml:2:1: The key 'a' is written twice."),
        ("s:\n  1: x\n  1: y\n", "a.yaml:3:3: The key '1' is written twice."),
        ("a: [1\nb: 2\n", "a.yaml:2:"),
        ("a: b: c\n", "a.yaml:1:5"),
        ("- 1\n", "a.yaml:1: A profile must be a mapping"),
        ("word", "a.yaml:1: A profile must be a mapping"),
        ("a: !!python/object/apply:os.system [x]\n", "not allowed"),
        ("a: !!python/object/apply:pathlib.Path [x]\n", "not allowed"),
        ("a: !!set {x, y}\n", "not allowed"),
        ("a: !!binary aGk=\n", "not allowed"),
        ("a: !!timestamp 2026-01-01\n", "not allowed"),
        ("a: !!int x\n", "cannot be read"),
        ("? [1, 2]\n: x\n", "A key must be a plain word"),
        ("a: &a [*a]\n", "refers to what contains it"),
        ("a: *nothing\n", "a.yaml:1:4"),
        ("~: 1\n", "cannot be null"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1"),
        ("# doc\n# @package _global_\na: 1\n", "a.yaml:2: '# @package' stands after"),
        ("# @package a b\n", "takes one word"),
        ("defaults: {a: b}\n", "a.yaml:1: 'defaults' must be a list."),
        ("defaults:\n  - a: 1\n  - [x]\n", "a.yaml:2: The option of 'a' must be a name"),
        ("defaults:\n  - {a: x, b: y}\n", "a.yaml:2: An entry of a defaults list has one group"),
        ('a: "\\ud800"\n', "half a character"),
        ("a: \x07\n", "is not allowed in YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    assert said in " ".join(problems(text))


def test_problems_of_a_file_come_at_once() -> None:
    assert len(problems("a: 1\na: 2\nb: !x 1\n")) == 2


def test_bombs_are_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 200,000 values" in problems("\n".join(levels))[0]
    for text in ("a: " + "[" * 300_000, "{" * 3000, "- " * 200_000, "".join(
        f"{' ' * n}a:\n" for n in range(1200)
    )):  # fmt: skip
        assert "too deeply" in problems(text)[0]


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    found = Found(Source("project", str(tmp_path), ""), str(path), "a.yaml")
    path.write_text("a: 1\n")
    first = load(found)
    assert load(found) is first
    new = tmp_path / "b.yaml"
    new.write_text("a: 2\n")
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    new.replace(path)
    assert load(found).values == {"a": 2}
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(found)


def test_files_that_are_no_profiles(tmp_path: Path) -> None:
    def said(data: bytes) -> str:
        path = tmp_path / "a.yaml"
        path.write_bytes(data)
        with pytest.raises(ConfigError) as raised:
            load(Found(Source("project", str(tmp_path), ""), str(path), "a.yaml"))
        path.unlink()
        return str(raised.value)

    assert "a.yaml:2: Byte 8 is no UTF-8" in said(b"a: 1\nb: \xff\n")
    assert "larger than 1 MiB" in said(b"a: " + b"x" * (5 << 20))


def test_a_byte_order_mark_and_an_empty_file_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    found = Found(Source("project", str(tmp_path), ""), str(path), "a.yaml")
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(found).values == {"a": 1}
    path.write_bytes(b"")
    assert load(found).values == {}


plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
        st.from_regex(r"[-+]?[0-9_.:]{1,5}([eE][-+]?[0-9]{1,2})?", fullmatch=True),
        st.sampled_from(["yes", "null", "~", "1e3", "2026-01-01", "=", "<<", "on", ".inf", "0x1"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.text(st.characters(categories=["L", "N"]), max_size=5), inner, max_size=3
        ),
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["a", "b", "1e3", "on"]), plain, max_size=3))
def test_what_is_written_reads_back_under_both_sets_of_rules(config: dict[str, object]) -> None:
    text = to_yaml(config)
    assert repr(parse(text, "a.yaml", "run").values) == repr(config)
    assert repr(yaml.safe_load(text)) == repr(config)
