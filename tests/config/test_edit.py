"""Editing a profile touches the key that was asked for, and not a byte of any other line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml
from hypothesis import given
from hypothesis import strategies as st

import profiles
from trainer.config.edit import EditError, ProfileText
from trainer.config.edit_inline import inline
from trainer.config.loader import parse

SHIPPED = sorted(path for path in profiles.FOLDER.glob("*/*.yaml"))


def changed(old: str, new: str) -> list[str]:
    """The lines that differ, with their sign."""
    lines = difflib.ndiff(old.splitlines(keepends=True), new.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def of(text: str, group: str = "trainer") -> ProfileText:
    return ProfileText(text, group, f"{group}/x.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_value_of_every_shipped_profile_changes_on_its_own_lines(path: Path) -> None:
    text = ProfileText(path.read_text(), path.parent.name, path.name)
    assert not text.problems
    lines = text.text.splitlines(keepends=True)
    for leaf in text.leaves:
        new = text.set(leaf.key, "another value")
        assert new.find(leaf.key).value == "another value"  # type: ignore[union-attr]
        now = new.text.splitlines(keepends=True)
        assert now[: leaf.line - 2] == lines[: leaf.line - 2]
        if len(now) == len(lines):
            differing = [i for i, (a, b) in enumerate(zip(lines, now, strict=True)) if a != b]
            assert differing == [leaf.line - 1]
        assert new.set(leaf.key, leaf.value).values == text.values
        gone = text.unset(leaf.key)
        assert gone.find(leaf.key) is None
        added = [line[1:] for line in changed(text.text, gone.text) if line[0] == "+"]
        # Behind a list's dash the next key of the item moves up; else no line is new.
        moved = [line.replace("- ", "  ", 1).strip() for line in added]
        assert not moved or (moved == [now[leaf.line].strip()] and "- " in lines[leaf.line - 1])
        # Comments on lines of their own stay whatever is taken out.
        kept = [line for line in lines if line.lstrip().startswith("#")]
        assert [line for line in gone.text.splitlines(True) if line.lstrip()[:1] == "#"] == kept


AS_WRITTEN = """\
# @package _global_
# What it is for.

defaults:
  - override /model: gpt_nano   # small
  - _self_
trainer:     # how
    max_epochs:   30      # epochs, not steps

    precision: '16-mixed'   # quoted
    # about the callbacks
    early_stopping: {monitor: val/loss,  patience: 5}   # flow
base: &base
    lr: &lr 1e-3  # anchored
optimizer:
    config:
        <<: *base
        weight_decay: *lr
run: { tags: [a,  "b"], name: "quoted" }
symbolic:
    rules:
    - name: one   # first
      enabled: true
    - name: two
      enabled: false
data:
    text: |
        several
        lines
    empty:
    # the last word
"""


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        (
            "trainer.max_epochs",
            5,
            "max_epochs:   30      # epochs",
            "max_epochs:   5      # epochs",
        ),
        ("trainer.precision", "bf16", "'16-mixed'   #", "'bf16'   #"),
        ("trainer.early_stopping.patience", 9, "patience: 5}   #", "patience: 9}   #"),
        ("run.name", "it's", '"quoted" }', '"it\'s" }'),
        ("run.tags", ["x"], '[a,  "b"]', "[x]"),
        ("symbolic.rules.0.enabled", False, "enabled: true", "enabled: false"),
        ("symbolic.rules.0.name", "uno", "- name: one   # first", "- name: uno   # first"),
        ("optimizer.config.weight_decay", 0.5, "weight_decay: *lr", "weight_decay: 0.5"),
        ("data.text", "one", "|\n        several\n        lines\n", "one\n"),
        ("data.empty", 3, "empty:\n", "empty: 3\n"),
        (
            "trainer.early_stopping",
            None,
            "{monitor: val/loss,  patience: 5}   # flow",
            "null   # flow",
        ),
        ("trainer.early_stopping.mode", "min", "patience: 5}", "patience: 5, mode: min}"),
        (
            "trainer.max_steps",
            7,
            "patience: 5}   # flow\n",
            "patience: 5}   # flow\n    max_steps: 7\n",
        ),
        (
            "optimizer.config.eps",
            1e-8,
            "weight_decay: *lr\n",
            "weight_decay: *lr\n        eps: 1.0e-08\n",
        ),
    ],
)
def test_only_the_value_itself_is_written(key: str, value: Any, old: str, new: str) -> None:
    text = of(AS_WRITTEN)
    assert AS_WRITTEN.count(old) == 1
    edited = text.set(key, value)
    assert edited.text == AS_WRITTEN.replace(old, new)
    assert edited.get(key) == value


def test_a_key_in_another_spelling_is_changed_where_it_stands() -> None:
    text = of("trainer:\n  trainer:\n    max_epochs: 3\n", "preset")
    text = ProfileText("# @package _global_\n" + text.text, "preset", "x")
    assert text.find("trainer.max_epochs") is not None
    assert text.set("trainer.max_epochs", 4).text == text.text.replace("3", "4")
    assert text.set("trainer.max_steps", 9).text == text.text + "    max_steps: 9\n"
    assert text.set("optimizer.config.lr", 1.0).get("optimizer.config.lr") == 1.0
    short = of("max_epochs: 3\noptimizer:\n  config:\n    lr: 1\n")
    assert short.set("optimizer.config.lr", 2).text == short.text.replace("lr: 1", "lr: 2")
    old = ProfileText("# @package _global_\nlightning:\n  lr: 1e-3\n", "preset", "x")
    assert old.set("optimizer.config.lr", 0.5).text == old.text.replace("1e-3", "0.5")


def test_a_key_that_comes_from_an_anchor_is_not_changed_behind_its_back() -> None:
    text = of("# @package _global_\nbase: &base {a: 1}\ndata: *base\n")
    with pytest.raises(EditError, match="no section here"):
        text.set("data.a", 2)
    merged = of("# @package _global_\nbase: &base {a: 1}\ndata:\n  <<: *base\n  b: 2\n")
    assert merged.set("data.a", 3).values["data"] == {"a": 3, "b": 2}
    with pytest.raises(EditError, match="not set here"):
        merged.unset("data.a")


def test_a_file_of_one_group_says_why_it_cannot_set_another_sections_key() -> None:
    text = ProfileText("# doc\n\nlr: 1\nconfig:\n  lr: 3  # c\n", "optimizer", "optimizer/x.yaml")
    assert not text.reaches("trainer.max_epochs")
    assert text.reaches("optimizer.config.lr")
    with pytest.raises(EditError, match=r"keys of 'optimizer' only.*_global_"):
        text.set("trainer.max_epochs", 3)
    wide = text.widened()
    assert wide.text == (
        "# @package _global_\n# doc\n\noptimizer:\n  lr: 1\n  config:\n    lr: 3  # c\n"
    )
    assert wide.set("trainer.max_epochs", 3).get("trainer.max_epochs") == 3


def test_widening_leaves_a_defaults_list_at_the_top() -> None:
    text = ProfileText("# doc\ndefaults:\n  - adam\n  - _self_\ntype: SGD\n", "optimizer", "x")
    wide = text.widened()
    assert wide.defaults == tuple(
        type(entry)(**{**_fields(entry), "line": entry.line + 1}) for entry in text.defaults
    )
    assert wide.values == {"optimizer": {"type": "SGD"}}


def _fields(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in type(entry).__dataclass_fields__}


def test_options_of_the_defaults_list_are_chosen_in_place() -> None:
    text = of(AS_WRITTEN)
    assert text.choose(0, "gpt_tiny").text == AS_WRITTEN.replace("gpt_nano", "gpt_tiny")
    assert text.choose(0, None).text == AS_WRITTEN.replace("gpt_nano", "null")
    with pytest.raises(EditError):
        text.choose(1, "x")


def test_what_is_taken_out_takes_its_empty_sections_along() -> None:
    text = of("# @package _global_\ndata:\n  a:\n    b: 1  # gone\nrun:\n  name: x\n")
    assert text.unset("data.a.b").text == "# @package _global_\nrun:\n  name: x\n"
    flow = of("early_stopping: {monitor: x, patience: 3, mode: min}\n")
    assert "{monitor: x, mode: min}" in flow.unset("trainer.early_stopping.patience").text
    assert "{monitor: x, patience: 3}" in flow.unset("trainer.early_stopping.mode").text
    items = of("callbacks:\n- _target_: a\n  b: 1\n")
    assert items.unset("trainer.callbacks.0._target_").text == "callbacks:\n- b: 1\n"


@pytest.mark.parametrize(
    "text",
    ["a: [1\n", "a: 1\n b: 2\n", "\t- x", "a: 1\na: 2\n", "a: !!python/object:os.system x\n"],
)
def test_broken_texts_open_and_say_where(text: str) -> None:
    broken = of(text)
    assert broken.problems
    assert all(problem.where.startswith("trainer/x.yaml") for problem in broken.problems)
    assert broken.leaves == ()
    with pytest.raises(EditError):
        broken.set("trainer.max_epochs", 1)


@pytest.mark.parametrize("text", ["", "# only a comment", "# @package _global_\n", "---\n# x\n"])
def test_empty_files_take_their_first_key(text: str) -> None:
    new = of(text).set("trainer.max_epochs", 3)
    assert new.get("trainer.max_epochs") == 3
    assert new.text.startswith(text)


def test_windows_line_ends_and_byte_order_marks_stay() -> None:
    text = of("\ufeff# doc\r\nmax_epochs: 3 # x\r\namp: true\r\n")
    new = text.set("trainer.max_epochs", 4).set("trainer.max_steps", 5)
    assert new.text == "\ufeff# doc\r\nmax_epochs: 4 # x\r\namp: true\r\nmax_steps: 5\r\n"


def test_secrets_are_found_where_they_stand() -> None:
    text = ProfileText(
        "# @package _global_\nlogger:\n  wandb:\n    api_key: abc\n    enabled: true\n",
        "preset",
        "p",
    )
    assert [problem.where for problem in text.secrets()] == ["p:4"]
    assert ProfileText("data: http://me:pw@host/x\n", "data", "p").secrets()
    assert ProfileText("api_key: abc\nbroken: [\n", "logger", "p").secrets()
    assert not ProfileText("# a token: what a word is\npad_token: x\n", "data", "p").secrets()


# ── any file, any value ──────────────────────────────────────────────────────────────────────

NAMES = st.sampled_from(["a", "b", "lr", "long_name", "x-y", "with space", "9", "é"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1000, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["1e-3", "true", "null", "8:30:00", "2026-01-01", "a: b", "# x", "- y", "*z"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3)
TREES = st.recursive(
    VALUES, lambda below: st.dictionaries(NAMES, below, min_size=1, max_size=4), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))
COMMENTS = st.sampled_from(["", "", "  # why", " #", "      # far: away [x"])
ABOVE = st.sampled_from(["", "", "\n", "# above\n", "\n# two\n#   lines\n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """YAML as people write it: comments, blank lines, odd indentation, brackets."""

    def write(tree: dict[str, Any], column: int) -> str:
        text = ""
        for name, value in tree.items():
            above = draw(ABOVE)
            text += "".join(
                (" " * draw(st.integers(0, column)) + line if line.strip() else line)
                for line in above.splitlines(keepends=True)
            )
            text += " " * column + inline(name) + draw(st.sampled_from([":", ": ", ":   "]))
            if isinstance(value, dict) and draw(st.booleans()):
                text = text.rstrip(" ") + draw(COMMENTS) + "\n"
                text += write(value, column + draw(st.integers(1, 4)))
            else:
                gap = "" if text.endswith(" ") else " "
                text += gap + inline(value) + draw(COMMENTS) + "\n"
        return text

    text = draw(st.sampled_from(["", "# doc\n", "# @package _global_\n# doc\n", "---\n"]))
    return text + write(draw(TREES), 0)


@given(documents(), VALUES, st.data())
def test_any_value_of_any_file_changes_alone(text: str, value: Any, data: st.DataObject) -> None:
    profile = ProfileText(text, "data", "x")
    assert not profile.problems, profile.problems
    leaf = data.draw(st.sampled_from(profile.leaves))
    new = profile.set(leaf.key, value)
    assert new.find(leaf.key) is not None
    got = new.get(leaf.key)
    assert got == value
    assert type(got) is type(value)
    assert [(x.path, repr(x.value)) for x in new.leaves if x.path != leaf.path] == [
        (x.path, repr(x.value)) for x in profile.leaves if x.path != leaf.path
    ]
    old_lines, new_lines = text.splitlines(True), new.text.splitlines(True)
    if len(old_lines) == len(new_lines):
        differing = [i for i, (a, b) in enumerate(zip(old_lines, new_lines, strict=True)) if a != b]
        assert differing in ([], [leaf.line - 1])


@given(documents(), VALUES)
def test_any_file_takes_a_new_key_and_gives_it_back(text: str, value: Any) -> None:
    profile = ProfileText(text, "data", "x")
    if not profile.reaches("data.new.key"):
        return
    new = profile.set("data.new.key", value)
    assert new.get("data.new.key") == value
    assert not [line for line in changed(text, new.text) if line[0] == "-"]
    assert new.unset("data.new.key").text == text


@given(documents(), st.data())
def test_any_key_can_be_taken_out_alone(text: str, data: st.DataObject) -> None:
    profile = ProfileText(text, "data", "x")
    leaf = data.draw(st.sampled_from(profile.leaves))
    new = profile.unset(leaf.key)
    assert new.find(leaf.key) is None
    assert [(x.path, repr(x.value)) for x in new.leaves] == [
        (x.path, repr(x.value)) for x in profile.leaves if x.path != leaf.path
    ]


@given(documents(), VALUES, st.data())
def test_a_round_trip_dumper_sees_the_same_comments(
    text: str, value: Any, data: st.DataObject
) -> None:
    """An independent reader that keeps comments finds none lost."""
    profile = ProfileText(text, "data", "x")
    leaf = data.draw(st.sampled_from(profile.leaves))
    new = profile.set(leaf.key, value)

    def comments(source: str) -> list[str]:
        scanner = ruamel.yaml.YAML().scan(source)
        found = [part for token in scanner for part in _comments(token)]
        return [comment.strip() for comment in found if comment.strip()]

    assert sorted(comments(new.text)) == sorted(comments(text))


def _comments(token: Any) -> list[str]:
    found: list[str] = []

    def collect(item: Any) -> None:
        if isinstance(item, list | tuple):
            for below in item:
                collect(below)
        elif item is not None:
            found.extend(line.strip() for line in str(item.value).splitlines())

    collect(getattr(token, "_comment", None))
    return found


def test_a_change_within_a_list_is_held_to_its_own_key() -> None:
    """Without the key below it, a text that keeps its last lines would gain one."""
    text = "k:\n- a:\n    b: >+\n      first\n    c: 1\n\n  d: 1\n"
    with pytest.raises(EditError, match="without changing more"):
        ProfileText(text, "data", "x").unset("data.k.0.a.c")
    with pytest.raises(EditError, match="without changing more"):
        ProfileText("k:\n- 1\n-\n  a: 1\n", "data", "x").unset("data.k.1.a")


def test_an_anchored_value_changes_itself_and_what_refers_to_it_alone() -> None:
    text = "a: &x 1\nb: *x\nc: 1\nd:\n  - k: >+\n      t\n    e: &y 1\n\n  - 2\n"
    profile = ProfileText(text, "data", "x")
    assert profile.set("data.a", 5).values == {**profile.values, "a": 5, "b": 5}
    with pytest.raises(EditError, match="without changing more"):
        profile.unset("data.d.0.e")


def test_tabs_where_blanks_may_stand_are_no_obstacle() -> None:
    text = "a:\t\t1\t# one\nb:\t# nested\n  c:\t[1,\t2]\n"
    profile = ProfileText(text, "data", "x")
    assert profile.set("data.b.c", 7).text == text.replace("[1,\t2]", "7")
    assert profile.set("data.a", 2).text == text.replace("1\t#", "2\t#")


@given(VALUES, st.booleans())
def test_a_value_is_written_as_yaml_reads_it_back(value: Any, flow: bool) -> None:
    written = inline(value, flow=flow)
    assert "\n" not in written
    text = f"x: {{k: {written}}}\n" if flow else f"x: {written}\n"
    got = parse(text, "", "").values["x"]
    got = got["k"] if flow else got
    assert repr(got) == repr(value)
