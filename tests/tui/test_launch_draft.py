"""The draft: which override gives way to which, and what counts as finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuilab import context

from tui.screens.launch.composer import Outcome, put_value, work_out
from tui.screens.launch.draft import (
    Draft,
    is_whole,
    last_on,
    on_line,
    tags_of,
    target,
    words_on,
)
from tui.screens.launch.values import form_rows


def out(folder: Path, *words: str, line: str = "") -> Outcome:
    return work_out(Draft(words), line, context(folder / "runs"))


@pytest.mark.parametrize(
    ("word", "aim"),
    [
        ("quickstart", "preset"),
        ("preset=quickstart", "preset"),
        ("trainer=ci_fast", "trainer"),
        ("~trainer", "trainer"),
        ("trainer.max_epochs=3", "trainer.max_epochs"),
        ("++trainer.max_epochs=3", "trainer.max_epochs"),
        ("lightning.lr=1", "optimizer.config.lr"),
        ("batch_size=9", "dataloader.batch_size"),
        ("dataset=mine", "data"),
        ("seed=1", "seed"),
        ("lora=full", "lora"),
        ("symbolic.rules[0].enabled=true", "symbolic.rules.0.enabled"),
    ],
)
def test_an_override_is_about_one_thing(word: str, aim: str) -> None:
    assert target(word) == aim


def test_one_override_for_a_thing() -> None:
    draft = Draft(("quickstart", "lightning.lr=1", "trainer=ci_fast"))
    assert draft.put("optimizer.config.lr=2").words == (
        "quickstart",
        "trainer=ci_fast",
        "optimizer.config.lr=2",
    )
    assert draft.put("minimal_brain_gen").words[0] == "minimal_brain_gen"
    assert "quickstart" not in draft.put("preset=minimal_brain_gen").words
    assert draft.choose("trainer", "defaults").words[-1] == "trainer=defaults"
    assert draft.choose("logger", None).words[-1] == "~logger"
    assert draft.drop(1).words == ("quickstart", "trainer=ci_fast")
    assert draft.without("trainer").words == ("quickstart", "lightning.lr=1")


def test_finished_or_being_typed() -> None:
    presets = ["quickstart"]
    for line in ("a=1", "~a", "+a=1", "quickstart", " quickstart "):
        assert is_whole(line, presets)
    for line in ("", "a", "a=", "=1", "~", "+=1", "quick", "a= "):
        assert not is_whole(line, presets)


def test_tags_are_apart_by_blanks_or_commas() -> None:
    assert tags_of(" a, b  a c ") == ("a", "b", "c")


def test_a_value_of_the_profiles_is_no_override(tmp_path: Path) -> None:
    plain = out(tmp_path)
    assert put_value(plain, "optimizer.config.lr", 0.005).words == ()
    assert put_value(plain, "optimizer.config.lr", 0.01).words == ("optimizer.config.lr=0.01",)
    changed = out(tmp_path, "optimizer.config.lr=0.01")
    assert put_value(changed, "optimizer.config.lr", 0.005).words == ()
    assert put_value(changed, "optimizer.config.lr", 0.1).words == ("optimizer.config.lr=0.1",)
    assert put_value(plain, "model.name", "two words").words == ("model.name=two words",)


def test_what_is_wrong_stands_where_it_arises(tmp_path: Path) -> None:
    outcome = out(tmp_path, "trainer=ci_fst", "optimizer.config.lr=abc", "trainer.max_epochs=-7")
    assert "Did you mean 'ci_fast'?" in outcome.problem_of_word("trainer=ci_fst")
    assert "Did you mean 'ci_fast'?" in outcome.problem_of_key("trainer")
    rows = {row.key: row for row in form_rows(outcome)}
    assert "AdamW takes a number" in rows["optimizer.config.lr"].problem
    assert rows["trainer.max_epochs"].problem
    assert outcome.blocked
    assert not out(tmp_path, "trainer=ci_fast").problems


def test_every_key_has_one_row(tmp_path: Path) -> None:
    from trainer.config.provenance import leaves

    outcome = out(tmp_path, "quickstart")
    rows = [row for row in form_rows(outcome) if not row.heading]
    keys = [row.key for row in rows]
    assert len(keys) == len(set(keys))
    assert outcome.composed is not None
    assert {key for key, _ in leaves(outcome.composed.config)} <= set(keys)
    assert keys[0] == "optimizer.config.lr"
    assert "optimizer.config.amsgrad" in keys


def test_the_line_counts_once_it_is_finished(tmp_path: Path) -> None:
    assert out(tmp_path, line="trainer.max_ep").words == ()
    outcome = out(tmp_path, "seed=1", line="seed=2")
    assert outcome.words == ("seed=2",)
    assert outcome.config["seed"] == 2


def test_a_broken_folder_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    world = context(tmp_path / "runs", profiles_dir=tmp_path / "nowhere")
    outcome = work_out(Draft(), "", world)
    assert outcome.composed is None
    assert "nowhere" in outcome.problems[0].what


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=40) | st.from_regex(r"[+~]{0,2}[a-z.\[\]0-9]{0,12}=?[\w\[\]{}:,'\"$ ]{0,12}")
)
def test_any_text_composes_or_is_told(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    outcome = work_out(Draft((text,)).put(text), text, context(Path("/nowhere/runs")))
    assert outcome.composed is not None or outcome.problems
    form_rows(outcome)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quickstart model=gpt_nano", ["quickstart", "model=gpt_nano"]),
        ("  a.b=1   ~c  ", ["a.b=1", "~c"]),
        ("x=[1, 2] y={a: 1, b: [2, 3]} z=1", ["x=[1, 2]", "y={a: 1, b: [2, 3]}", "z=1"]),
        ("run.name='two words' seed=1", ["run.name='two words'", "seed=1"]),
        ("run.name='it\\'s one' seed=1", ["run.name='it\\'s one'", "seed=1"]),
        (
            "traindeck train quickstart 'run.name=\"two words\"'",
            ["quickstart", 'run.name="two words"'],
        ),
        ("a=')' b=2", ["a=')'", "b=2"]),
        ("a='open b=2", ["a='open b=2"]),
        ("'open", ["'open"]),
        ("", []),
    ],
)
def test_a_line_holds_several_overrides(line: str, words: list[str]) -> None:
    assert words_on(line) == words


@given(st.lists(st.text(min_size=1).filter(lambda word: word.strip() == word), max_size=4))
def test_overrides_written_on_a_line_are_read_back(words: list[str]) -> None:
    if words[:2] != ["traindeck", "train"]:
        assert words_on(" ".join(map(on_line, words))) == words


def test_only_the_end_of_a_line_is_being_typed() -> None:
    assert last_on("quickstart mod") == ("quickstart ", "mod")
    assert last_on("quickstart ") == ("quickstart ", "")
    assert last_on("x=[1, 2") == ("", "x=[1, 2")


def test_an_edited_override_keeps_its_place() -> None:
    draft = Draft(("quickstart", "seed=1", "trainer=ci_fast"))
    assert draft.put_line("seed=2", "seed=1").words == ("quickstart", "seed=2", "trainer=ci_fast")
    assert draft.put_line("", "seed=1") == draft
    assert draft.put_line("trainer=defaults a.b=1", "seed=1").words == (
        "quickstart",
        "trainer=defaults",
        "a.b=1",
    )
    assert draft.put_line("minimal_brain_gen", "seed=1").words[0] == "minimal_brain_gen"
    assert draft.put_line("seed=3", "gone=1").words[-1] == "seed=3"


def test_an_option_of_any_name_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "training.toml").write_text(
        '[trainer."ünï 長い"]\nmax_steps = 7\n[trainer.2024]\nmax_steps = 8\n'
        '[presets."zwei wörter"]\ntrainer = "2024"\n[presets.plain]\nseed = 3\n'
    )
    for group, option, steps in (
        ("trainer", "ünï 長い", 7),
        ("trainer", "2024", 8),
        ("preset", "zwei wörter", 8),
    ):
        outcome = out(tmp_path, *Draft().choose(group, option).words)
        assert outcome.composed is not None
        assert outcome.composed.config["trainer"]["max_steps"] == steps
        assert outcome.choices[group] == option
        assert Draft().choose(group, option).without(group) == Draft()
    assert Draft().choose("preset", "plain").words == ("plain",)
