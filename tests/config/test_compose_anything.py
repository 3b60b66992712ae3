"""Whatever people type or write into a file, they get a config or problems, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.config.compose import compose
from trainer.config.provenance import leaves
from trainer.config.schema import fields
from trainer.errors import ConfigError, Problem

_VALUES = st.sampled_from(
    ["1", "-1", "1.5", "true", "null", "word", "[]", "{}", "[1,{a:b}]", "{a:{b:c}}", "''", "???",
     "{1:2}", "{true:x}", "inf", "nan", "1e999", "${seed}", "${trainer}", "${.}", "${", "${nothing}",
     "{_target_:os.system}", "{name:[1]}", "9:00:00", "a,b", "'\\n'", "[[[]]]", "99999999999999999999"]
)  # fmt: skip
_KEYS = st.one_of(
    st.sampled_from(sorted(fields())),
    st.sampled_from(
        ["trainer", "optimizer", "lightning.lr", "lr_scheduler", "trainer.loss_config", "a.b.c",
         "trainer.trainer", "symbolic.rules.0", "symbolic.rules.x.y", "model_config", "seed.x"]
    ),
)  # fmt: skip
_TYPED = st.one_of(
    st.builds(lambda sign, key, value: f"{sign}{key}={value}", st.sampled_from(["", "+", "~"]), _KEYS, _VALUES),
    st.builds(lambda key: f"~{key}", _KEYS),
    st.text(max_size=20),
)  # fmt: skip


def check(overrides: list[str], config_file: Path | None = None) -> None:
    """Compose; anything but a config that can be written, or clean problems, is a failure."""
    problems: tuple[Problem, ...] = ()
    try:
        composed = compose(overrides, config_file=config_file)
    except ConfigError as error:
        problems = error.problems
    else:
        assert composed.yaml()
        assert len(composed.hash) == 64
        assert set(composed.provenance) == {key for key, _ in leaves(composed.config)}
        return
    assert problems
    for problem in problems:
        assert problem.what
        assert not set(str(problem)) & {"\x1b", "\x07", "\x9b", "\n"}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(_TYPED, max_size=4))
def test_overrides(overrides: list[str]) -> None:
    check(overrides)


_TEXTS = st.one_of(
    st.text(max_size=80),
    st.builds(
        lambda key, value: f"{key}: {value}\n",
        st.sampled_from([*sorted(fields()), "defaults", "lightning", "1", "true", "optimizer"]),
        st.one_of(_VALUES, st.text(max_size=10)),
    ),
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.one_of(_TEXTS, st.lists(_TEXTS, max_size=4).map("".join)))
def test_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    check([], config_file=file)


def test_bytes(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    for data in (b"\x00", b"\xff\xfe", b"a: \x1b[31m\n", b"%YAML 9.9\n---\na: 1\n", b"{" * 3000):
        file.write_bytes(data)
        with pytest.raises(ConfigError):
            compose(config_file=file)
