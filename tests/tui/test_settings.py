"""The settings file: documented, checked, and never the reason that the app does not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from textual.binding import BindingType
from tuilab import context, make_run, training

from trainer.config.settings import settings_file
from trainer.errors import Problem
from trainer.runs import control
from trainer.runs.layout import RunFolder
from tui import editor, entry, settings
from tui.app import Deck
from tui.context import Context
from tui.plain import plain
from tui.screens.monitor.control import RunControl
from tui.settings import Loaded, Settings, load, told
from tui.widgets.dialogs import Confirm
from tui.widgets.keybar import binding


def write(text: str) -> Path:
    path = settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_is_as_it_comes() -> None:
    assert load() == Loaded()


def test_what_is_set_holds() -> None:
    write("theme: nord\nglyphs: ascii\nrefresh: 1\nruns_dirs: [/mnt/runs]\nmouse: false\n")
    loaded = load()
    assert not loaded.problems
    assert loaded.settings == Settings(
        theme="nord", glyphs="ascii", refresh=1.0, runs_dirs=(Path("/mnt/runs"),), mouse=False
    )
    assert loaded.given == {"theme", "glyphs", "refresh", "runs_dirs", "mouse"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("\nthem: nord\n", 2, "Did you mean 'theme'?"),
        ("theme: nrd\n", 1, "Did you mean 'nord'?"),
        ("theme: 3\n", 1, "is no theme"),
        ("glyphs: off\n", 1, "must be one of auto, unicode, ascii"),
        ("refresh: 60\n", 1, "from 0.5 to 4"),
        ("refresh: .nan\n", 1, "from 0.5 to 4"),
        ("refresh: true\n", 1, "must be a number"),
        ("runs_dirs: [runs]\n", 1, "full paths"),
        ("runs_dirs: {a: b}\n", 1, "list of folders"),
        ("editor: [vi]\n", 1, "must be a text"),
        ("mouse: 1\n", 1, "true or false"),
        ("mouse: 2026-01-01\n", 1, "true or false"),
        ("allowed_prefixes: a\n", 1, "list of module names"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_hold(text: str, line: int, says: str) -> None:
    write(text + "refresh: 3\n" if "refresh" not in text else text + "mouse: false\n")
    loaded = load()
    (problem,) = loaded.problems
    assert says in str(problem)
    assert problem.where.endswith(f"settings.yaml:{line}")
    assert loaded.settings.refresh == 3.0 or loaded.settings.mouse is False


@pytest.mark.parametrize(
    "text",
    ["theme: [\n", "- a\n", "a: b: c\n", "\x00", "? {a: b}\n: c\n", "x: !!python/name:os.x\n",
     "theme: a\ntheme: b\n", "just words\n", "a: &a [*a]\nb: *nothing\n", "---\na: 1\n---\nb: 2\n",
     "[" * 3000, "when: 2026-99-99\n"],
)  # fmt: skip
def test_a_broken_file_is_said_and_costs_nothing_else(text: str) -> None:
    write(text)
    loaded = load()
    assert loaded.problems
    assert "settings.yaml" in str(loaded.problems[0])
    assert loaded.settings == Settings()


def test_a_file_that_cannot_be_read_is_said() -> None:
    settings_file().mkdir(parents=True)
    assert load().problems
    settings_file().rmdir()
    settings_file().write_bytes(b"theme: \xff\n")
    assert "settings.yaml" in str(load().problems[0])
    settings_file().write_text("#" * (2 << 20))
    assert "1 MB" in str(load().problems[0])


def test_an_empty_value_is_not_set() -> None:
    write("theme:\n# mouse: false\n")
    assert load() == Loaded()


def test_a_changed_file_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("refresh: 1\n")
    assert load().settings.refresh == 1.0
    with monkeypatch.context() as patch:
        patch.setattr(settings, "read", lambda path: pytest.fail("read again"))
        assert load().settings.refresh == 1.0
    path.write_text("refresh: 3.5\n")
    assert load().settings.refresh == 3.5


def test_starting_needs_no_yaml() -> None:
    code = (
        "import sys; from tui.settings import load; loaded = load();"
        "print(loaded.settings.refresh, not {'yaml', 'pydantic', 'ruamel'} & set(sys.modules))"
    )

    def run() -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert run() == "2.0 True"
    write("refresh: 1\n")
    assert run() == "1.0 False", "read once"
    assert run() == "1.0 True", "remembered"


def test_the_template_explains_every_setting_and_sets_none() -> None:
    text = settings.template()
    assert yaml.safe_load(text) is None
    for name, *_ in settings.table():
        assert f"\n# {name}: " in text
    bare = "\n".join(
        line[2:]
        for line in text.splitlines()
        if any(line.startswith(f"# {name}: ") for name, *_ in settings.table())
    )
    write(bare)
    loaded = load()
    assert not loaded.problems, "its examples are right"
    assert len(loaded.given) == len(settings.table())


def test_the_file_is_made_once() -> None:
    path = settings.make_file()
    assert path.read_text() == settings.template()
    path.write_text("theme: nord\n")
    assert settings.make_file().read_text() == "theme: nord\n"


@pytest.mark.parametrize(
    ("given", "environ", "words"),
    [
        ("", {}, ["vi"]),
        ("", {"EDITOR": "nano"}, ["nano"]),
        ("", {"EDITOR": "nano", "VISUAL": "code --wait"}, ["code", "--wait"]),
        ("hx", {"EDITOR": "nano"}, ["hx"]),
        ("'", {}, ["'"]),
    ],
)
def test_whose_editor(
    given: str, environ: dict[str, str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert editor.command(Settings(editor=given)) == words


async def test_wrong_settings_are_said_on_the_screen(runs_dir: Path) -> None:
    write("them: nord\n")
    app = Deck(context(runs_dir, settings_problems=load().problems))
    async with app.run_test() as pilot:
        await pilot.pause()
        (said,) = app._notifications
        assert "There is no setting 'them'" in said.message
        assert "Did you mean 'theme'?" in said.message


async def test_settings_cannot_be_edited_where_there_is_no_terminal(runs_dir: Path) -> None:
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        app.action_settings()
        await pilot.pause()
        (said,) = app._notifications
        assert "terminal" in said.message
        assert settings_file().read_text() == settings.template()


@pytest.mark.parametrize("asks", [True, False])
async def test_a_stop_is_asked_about_unless_the_settings_say_otherwise(
    asks: bool, runs_dir: Path
) -> None:
    run = make_run(runs_dir, state="running", events=training(10))

    class Keys(RunControl):
        BINDINGS: ClassVar[list[BindingType]] = [binding("s", "stop_step", "stop")]

        def controlled(self) -> list[RunFolder]:
            return [run]

    app = Deck(context(runs_dir, settings=Settings(confirm_stop=asks)), Keys)
    async with app.run_test() as pilot:
        await pilot.press("s")
        for _ in range(100):
            await pilot.pause(0.02)
            if isinstance(app.screen, Confirm) or control.pending(run):
                break
        assert isinstance(app.screen, Confirm) is asks
        assert bool(control.pending(run)) is not asks


async def test_edited_settings_hold_at_once_where_they_can(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(app: Deck, path: Path) -> str:
        path.write_text("theme: nord\nconfirm_stop: false\n")
        return ""

    monkeypatch.setattr(editor, "edit", edit)
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        app.action_settings()
        await pilot.pause()
        assert app.theme == "nord"
        assert app.context.settings.confirm_stop is False
        assert "next start" in next(iter(app._notifications)).message


def test_further_folders_of_runs_are_listed_behind_the_own_one(tmp_path: Path) -> None:
    own, other = tmp_path / "runs", tmp_path / "other"
    write(f"runs_dirs: [{other}, {own}]\nmouse: false\nglyphs: ascii\n")
    made = entry._context(own, None, None)
    assert made.runs_dirs == (own, other)
    assert made.glyphs.plain
    assert made.settings.mouse is False
    assert made.settings_given == {"runs_dirs", "mouse", "glyphs"}


def test_many_problems_are_one_short_message() -> None:
    found = [Problem(f"Wrong {number}.", f"settings.yaml:{number}") for number in range(1, 7)]
    text = told(found)
    assert "settings.yaml:3: Wrong 3." in text
    assert "4" not in text.splitlines()[2]
    assert text.splitlines()[-1].startswith("And 3 more.")
    assert len(told(found[:1]).splitlines()) == 1


def test_what_was_named_for_training_holds_for_what_is_launched_next(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Context] = []

    def run(context: Context, first: object) -> int:
        seen.append(context)
        return 0

    monkeypatch.setattr(entry, "_run", run)
    own, ours = Path("my.yaml"), Path("ours")
    entry.open_run(make_run(runs_dir), runs_dir, profiles_dir=ours, config_file=own)
    assert (seen[0].profiles_dir, seen[0].config_file) == (ours, own)


def test_bounds_stay_what_they_are_in_ascii() -> None:
    assert plain("epochs ≥ -1, ≤ 9") == "epochs >=-1, <=9"
