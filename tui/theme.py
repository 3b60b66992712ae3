"""Colours: Textual's themes, two calm ones of our own, and the terminal's own sixteen colours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.color import Color
from textual.filter import Monochrome, NoColor
from textual.theme import BUILTIN_THEMES, Theme

from tui.memory import recall, remember

if TYPE_CHECKING:
    from textual.app import App

    from tui.app import Deck

AUTO = "auto"
_MEMORY = "look"

_OURS = (
    Theme(
        name="traindeck",
        primary="#4f9fb8",
        secondary="#7d8fa3",
        accent="#5fc4cf",
        warning="#e0af68",
        error="#ee7b85",
        success="#7fc98f",
        foreground="#d5dbe3",
        background="#14171c",
        surface="#1b2027",
        panel="#1f252d",
        dark=True,
        variables={"primary-muted": "#1f3139", "scrollbar-background": "#1b2027"},
    ),
    Theme(
        name="traindeck-light",
        primary="#1f6f86",
        secondary="#5b6b7c",
        accent="#0b6478",
        warning="#8a5a00",
        error="#b3262f",
        success="#22703a",
        foreground="#1d2430",
        background="#fafbfc",
        surface="#f0f2f5",
        panel="#e6eaee",
        dark=False,
        variables={"primary-muted": "#d5e7ec", "scrollbar-background": "#f0f2f5"},
    ),
)

#: What differs where the terminal's own colours are used: their backgrounds cannot be mixed, so a
#: row under the cursor is shown reversed, as it is on a terminal without colours. An `OptionList`,
#: which is what the palette is, loses "reverse" on its way to the screen: underlined, then.
CSS = """
LineList:ansi > .linelist--cursor { background: ansi_default; text-style: bold; }
LineList:ansi:focus > .linelist--cursor { background: ansi_default; text-style: reverse; }
LineList:nocolor > .linelist--cursor { text-style: bold; }
LineList:nocolor:focus > .linelist--cursor { text-style: reverse; }
Dialog LineList:ansi > .linelist--cursor { text-style: reverse; }
Dialog LineList:nocolor > .linelist--cursor { text-style: reverse; }
OptionList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
Input:nocolor:focus .input--cursor { text-style: reverse; }
Input:nocolor .input--selection { text-style: underline; }
TextArea:nocolor:focus .text-area--cursor { text-style: reverse; }
TextArea:nocolor .text-area--selection { text-style: underline; }
Dialog:ansi, HelpScreen:ansi { background: ansi_default; }
Dialog:ansi > Vertical { background: ansi_default; }
"""


#: Colours that text is written in, and how far they must stand out from what is behind them.
_INKS = {
    "text-muted": 4.5,
    "text-disabled": 2.5,
    **dict.fromkeys(("accent", "success", "warning", "error"), 4.0),
    **dict.fromkeys((f"text-{name}" for name in ("accent", "success", "warning", "error")), 4.5),
    **dict.fromkeys(("primary", "secondary", "text-primary", "text-secondary"), 3.0),
}
_PAPERS = ("background", "surface", "panel")


def names() -> tuple[str, ...]:
    """Name all themes: ours, the terminal's own colours, then Textual's."""
    ours = tuple(each.name for each in _OURS)
    plain = tuple(name for name, each in BUILTIN_THEMES.items() if each.ansi)
    return (*ours, *plain, *sorted(set(BUILTIN_THEMES) - set(plain)))


def about(name: str) -> str:
    """Say in a word or two what a theme is."""
    theme = next((each for each in _OURS if each.name == name), None) or BUILTIN_THEMES[name]
    shade = "dark" if theme.dark else "light"
    return f"{shade}, the terminal's own 16 colours" if theme.ansi else shade


def automatic(colors: str | None, environ: Mapping[str, str], *, no_color: bool = False) -> str:
    """Choose a theme for a terminal.

    Args:
        colors: What the terminal can show, as Rich tells it: "standard", "256", "truecolor"...
        environ: The environment; `COLORFGBG` tells light terminals.
        no_color: Whether the person wants no colours at all.
    """
    light = environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    if no_color or colors not in ("256", "truecolor"):
        return "ansi-light" if light else "ansi-dark"
    return "traindeck-light" if light else "traindeck"


def legible(variables: dict[str, str]) -> dict[str, str]:
    """Give a theme's variables with inks that can be read on its backgrounds.

    Some themes have an accent too near to their background for text; and Textual's muted text is
    "whatever contrasts", which a style that is laid over another, as list rows do, cannot know.
    """
    papers = [Color.parse(variables[name]) for name in _PAPERS]
    if any(paper.ansi is not None or paper.a < 1 for paper in papers):
        return variables
    ink = Color.parse(variables["foreground"]).rgb
    full = Color(*ink)
    muted = {"text-muted": papers[0].blend(full, 0.6), "text-disabled": papers[0].blend(full, 0.4)}
    found = dict(variables)
    for name, least in _INKS.items():
        color = muted.get(name) or Color.parse(variables[name])
        for _ in range(10):
            if min(contrast(color, paper) for paper in papers) >= least:
                break
            color = color.blend(full, 0.15)
        found[name] = color.hex
    return found


def contrast(a: Color, b: Color) -> float:
    """Give the contrast of two opaque colours, 1 to 21, as WCAG 2.2 defines it (relative luminance)."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def settle(app: Deck) -> None:
    """Make our themes known to the app, and take the one that the person wants."""
    for theme in _OURS:
        app.register_theme(theme)
    no_color_at_all(app)
    apply(app, wanted(app))


def wanted(app: Deck) -> str:
    """Name the theme that the person wants: as set, else as last chosen, else "auto"."""
    name: object = app.context.settings.theme
    if "theme" not in app.context.settings_given:
        name = recall(_MEMORY).get("theme", name)
    return name if isinstance(name, str) and name in app.available_themes else AUTO


def apply(app: App[Any], name: str) -> None:
    """Show a theme; "auto" chooses by the terminal."""
    if name == AUTO:
        name = automatic(app.console.color_system, os.environ, no_color=app.no_color)
    if app.theme != name:
        app.theme = name


def choose(app: Deck, name: str) -> None:
    """Show a theme from now on; a settings file that sets another wins at the next start."""
    apply(app, name)
    remember(_MEMORY, {} if name == AUTO else {"theme": name})
    if "theme" in app.context.settings_given and name != app.context.settings.theme:
        app.say(f"Your settings say theme: {app.context.settings.theme}; it is back at next start.")


def pick(app: Deck) -> None:
    """Let the person choose among all themes, each shown while the cursor is on it."""
    from tui.widgets.themepick import ThemePick

    def chosen(place: int | None) -> None:
        if place is not None:
            choose(app, ThemePick.NAMES[place])

    current = recall(_MEMORY).get("theme") == app.theme or app.context.settings.theme == app.theme
    app.push_screen(ThemePick(app.theme if current else wanted(app)), chosen)


def no_color_at_all(app: App[Any]) -> None:
    """Under NO_COLOR send no colour, not even greys, whichever theme is shown.

    Textual sends greys unless the theme is an ANSI one at the moment that the app is made.
    """
    if app.no_color:
        kept = [each for each in app._filters if not isinstance(each, Monochrome | NoColor)]
        app._filters = [*kept, NoColor()]
