"""The person's own editor, in front of the app for as long as it is open."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui import theme
from tui.settings import Settings, load, make_file, told

if TYPE_CHECKING:
    from tui.app import Deck


def command(settings: Settings) -> list[str]:
    """Give the editor's words: as set, else `$VISUAL`, else `$EDITOR`, else `vi`."""
    named = settings.editor or os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(named) or ["vi"]
    except ValueError:
        return [named]


def edit(app: Deck, path: Path) -> str:
    """Open a file in the editor and wait until it is closed; the app steps aside meanwhile.

    Returns:
        What went wrong, for people; empty if nothing did.
    """
    from textual.app import SuspendNotSupported

    words = [*command(app.context.settings), str(path)]
    problem = ""
    try:
        with app.suspend():
            # An error must not leave this block: Textual would not take the terminal back.
            try:
                code = subprocess.run(words, check=False).returncode
            except OSError as error:
                reason = error.strerror or str(error)
                problem = f"{words[0]} cannot be started: {reason}. Set `editor` in your settings."
            else:
                problem = f"{words[0]} ended with code {code}." if code else ""
    except SuspendNotSupported:
        return "An editor cannot be opened in this terminal."
    return problem


def edit_settings(app: Deck) -> None:
    """Open the person's settings, made with every field explained if there are none yet."""
    try:
        path = make_file()
    except (OSError, RuntimeError) as error:
        app.say(f"Your settings file cannot be made: {error}", "error")
        return
    if problem := edit(app, path):
        app.say(problem, "error")
        return
    loaded = load(path)
    if loaded.problems:
        app.say(told(loaded.problems), "warning")
    if loaded.settings != app.context.settings:
        given = loaded.given
        app.context = replace(app.context, settings=loaded.settings, settings_given=given)
        theme.apply(app, theme.wanted(app))
        app.say("Theme, editor and questions hold at once, the rest from the next start.")
