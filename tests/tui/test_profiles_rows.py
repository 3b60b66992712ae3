"""What the form, the card and the YAML make of any text: a row, a problem, never a crash."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult

import profiles
from trainer.config.edit import EditError, ProfileText
from tui.context import Context
from tui.screens.profiles.editing import line_of, look, open_profile
from tui.screens.profiles.form import addable, card, rows_of
from tui.screens.profiles.yaml import YamlPane
from tui.sources.profiles import Catalogue, Entry, fingerprint, scan

ANYTHING = st.text(st.sampled_from("ab: -[]{}#&*!|>'\"\n\t,?<%@`\x1b\r\x85é1.e"), max_size=60)


@given(ANYTHING)
@example("1\t1:")
@settings(max_examples=300)
def test_any_text_is_a_form_or_a_problem(text: str) -> None:
    profile = ProfileText(text, "hardware", "hardware/x.yaml")
    rows = rows_of(profile, None, Catalogue())
    assert rows or profile.problems or not profile.leaves
    card(profile)
    profile.secrets()
    for leaf in profile.leaves[:2]:
        with contextlib.suppress(EditError):
            profile.set(leaf.key, 1)
        with contextlib.suppress(EditError):
            profile.unset(leaf.key)
    with contextlib.suppress(EditError):
        assert profile.set("hardware.name", "x").get("hardware.name") == "x"


@given(ANYTHING)
@settings(max_examples=60, deadline=None)
def test_any_text_composes_or_says_why(text: str) -> None:
    entry = Entry("hardware", "cpu", profiles.FOLDER / "hardware" / "cpu.yaml", "built-in")
    profile = ProfileText(text, "hardware", "hardware/cpu.yaml")
    seen = look(entry, profile, Context(cwd=Path("/nonexistent")))
    assert seen.composed is not None or seen.problems
    if profile.problems:
        assert seen.own
        assert line_of(seen.problems[0], profile) is not None or ":" not in seen.problems[0].where
    rows_of(profile, seen, Catalogue())
    assert addable(profile, seen)


@pytest.fixture
def project(tmp_path: Path) -> Context:
    (tmp_path / "profiles" / "trainer").mkdir(parents=True)
    return Context(cwd=tmp_path)


def test_the_catalogue_knows_sources_and_broken_files(project: Context) -> None:
    folder = project.cwd / "profiles" / "trainer"
    before = fingerprint(project)
    (folder / "ci_fast.yaml").write_text("# My own.\nmax_epochs: 1\n")
    (folder / "bad.yaml").write_text("a: [\n")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    found = scan(project)
    assert fingerprint(project) != before
    own = found.find("trainer/ci_fast")
    assert own is not None
    assert (own.kind, own.doc, own.hides) == ("project", "My own.", 1)
    bad = found.find("trainer/bad")
    assert bad is not None
    assert "bad.yaml:2" in bad.problem
    binary = found.find("trainer/binary")
    assert binary is not None
    assert "no UTF-8" in open_profile(binary, project).unread
    kinds = {e.kind for _, entries in found.groups for e in entries}
    assert kinds == {"project", "built-in"}


def test_a_huge_file_is_not_opened_for_typing(project: Context) -> None:
    path = project.cwd / "profiles" / "trainer" / "huge.yaml"
    path.write_text("# x\n" * 50_000)
    entry = scan(project).find("trainer/huge")
    assert entry is not None
    editing = open_profile(entry, project)
    assert "too large" in editing.unread
    assert not editing.is_changed


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    found = scan(Context(cwd=tmp_path, profiles_dir=Path("nowhere")))
    assert "no profiles folder" in found.problem


@pytest.mark.parametrize("new", ["a: 1\r\nb: 22\r\n", "é: 2\n", "", "a: 1\nc: \x1b[31m\n"])
async def test_the_yaml_pane_shows_exactly_the_text(new: str) -> None:
    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield YamlPane()

    async with Host().run_test() as pilot:
        pane = pilot.app.query_one(YamlPane)
        pane.open("a: 1\nb: 2\n")
        pane.show(new)
        await pilot.pause()
        assert pane.text.replace("\r\n", "\n") == new.replace("\r\n", "\n")
        shown = "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
        assert "\x1b" not in shown
