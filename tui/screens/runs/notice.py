"""What the list of runs says in words: how many there are, and what to do where there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from trainer.display import count, plural
from trainer.runs.summary import UNREADABLE
from tui.sources.runs import RunsPicture
from tui.text import clean, short_path

#: Said until the first look has been taken.
LOOKING = "looking for runs"
_COUNTED = ("running", "starting", "stopping", "queued", "requeued")


class Notice(Widget):
    """What to know where there are no runs to show, or a folder that cannot be read."""

    DEFAULT_CSS = """
    Notice { height: auto; padding: 1 2; display: none; }
    Notice.shown { display: block; }
    Notice.problem { padding: 0 1; color: $text-error; }
    """

    _text = ""

    def show(self, text: str) -> None:
        """Show a text as it is; hide if it is empty."""
        if text != self._text:
            self._text = text
            self.set_class(bool(text), "shown")
            self.refresh(layout=True)

    def render(self) -> RenderResult:
        """Show the text."""
        return Content(self._text)


def counted(picture: RunsPicture, separator: str) -> str:
    """Say how many runs there are.

    Args:
        picture: The runs.
        separator: Stands between the facts.
    """
    if picture.loading:
        return LOOKING
    total = len(picture.runs)
    states = Counter([run.state for run in picture.runs])
    parts = [plural(total, "run") if total < 1000 else f"{count(total)} runs"]
    parts += [f"{count(states[state])} {state}" for state in _COUNTED if states[state]]
    if states[UNREADABLE]:
        parts.append(f"{count(states[UNREADABLE])} unreadable")
    return f" {separator} ".join(parts)


def nothing(picture: RunsPicture, filtered: str, folders: Iterable[Path]) -> str:
    """Say what to do where there is no run to show.

    Args:
        picture: The runs.
        filtered: The filter that none of them fits.
        folders: The folders of runs.
    """
    if picture.loading:
        return ""
    if picture.runs:
        return f"No run fits  {clean(filtered)}\n\nesc drops the filter."
    places = ", ".join(clean(short_path(str(folder), str(Path.cwd()))) for folder in folders)
    return (
        f"No runs yet in {places}\n\n"
        "Launch one from here:\n"
        "  n    choose a preset and launch it\n\n"
        "Or from a shell:\n"
        "  traindeck train quickstart\n\n"
        "If your runs lie elsewhere:\n"
        "  traindeck --runs-dir PATH"
    )
