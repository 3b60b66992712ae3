"""Keeps the generated tables of `docs/app.md`: `python -m tui.docs [--check]`.

The tables of settings, themes and keys are made from what the app itself uses; what people wrote
around them stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from textual.binding import Binding
from textual.dom import DOMNode

from trainer.config.docs import REPOSITORY, markdown_table, with_block
from tui import settings, theme
from tui.keys import readable

PAGE = REPOSITORY / "docs" / "app.md"


def settings_table() -> str:
    """Give the table of settings as Markdown."""
    rows = [
        (f"`{name}`", values, f"`{default}`" if default != "none" else "none", doc)
        for name, values, default, doc in settings.table()
    ]
    return markdown_table(("setting", "values", "default", "what it does"), rows)


def theme_table() -> str:
    """Give the table of themes as Markdown."""
    rows = [(f"`{name}`", theme.about(name)) for name in theme.names()]
    return markdown_table(("theme", "what it is"), rows)


def key_table(*nodes: type[DOMNode]) -> str:
    """Give the table of the keys that classes bind and explain, as Markdown."""
    found: dict[str, tuple[list[str], str]] = {}
    for node in nodes:
        for binding in _bindings(node):
            if binding.tooltip:
                keys, _ = found.setdefault(binding.action, ([], binding.tooltip))
                keys += [readable(each.key) for each in binding.make_bindings([binding])]
    rows = [(" ".join(f"`{key}`" for key in keys), tip) for keys, tip in found.values()]
    return markdown_table(("keys", "what they do"), rows)


def _bindings(node: type[DOMNode]) -> Iterable[Binding]:
    given = node.__dict__.get("BINDINGS", ())
    return [each for each in given if isinstance(each, Binding)]


def tables() -> dict[str, str]:
    """Give each table by its name."""
    from tui.app import Deck
    from tui.screens.base import DeckScreen
    from tui.screens.compare import CompareScreen
    from tui.screens.launch import LaunchScreen
    from tui.screens.launch.panes import LaunchPanes
    from tui.screens.monitor import MonitorScreen
    from tui.screens.monitor.legend import meanings
    from tui.screens.profiles import ProfilesScreen
    from tui.screens.runs import RunsScreen
    from tui.screens.sweep import SweepScreen, SweepsScreen, WriteSweepScreen
    from tui.screens.sweep.panes import WritePanes
    from tui.widgets.chart.signs import PLAIN, UNICODE

    return {
        "settings": settings_table(),
        "themes": theme_table(),
        "keys everywhere": key_table(DeckScreen, Deck),
        "keys of Runs": key_table(RunsScreen),
        "keys of Monitor": key_table(MonitorScreen),
        "signs of Monitor": markdown_table(
            ("sign", "in ASCII", "what it says"),
            [
                (f"`{sign}`", f"`{plain}`", said) if sign != "colours" else (sign, "", said)
                for (sign, said), (plain, _) in zip(meanings(UNICODE), meanings(PLAIN), strict=True)
            ],
        ),
        "keys of Profiles": key_table(ProfilesScreen),
        "keys of Launch": key_table(LaunchScreen, LaunchPanes),
        "keys of Compare": key_table(CompareScreen),
        "keys of Write a sweep": key_table(WriteSweepScreen, WritePanes),
        "keys of Sweep": key_table(SweepScreen),
        "keys of Sweeps": key_table(SweepsScreen),
    }


def page(path: Path = PAGE) -> str:
    """Give the page as it should be."""
    text = path.read_text(encoding="utf-8") if path.is_file() else "# The app\n"
    for name, content in tables().items():
        text = with_block(text, name, content)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the tables, or with `--check` only say whether they are out of step."""
    parser = argparse.ArgumentParser(prog="python -m tui.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if out of step")
    options = parser.parse_args(arguments)
    text = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    shown = PAGE.relative_to(REPOSITORY)
    if options.check:
        print(f"{shown} is out of step; run `make docs`", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
