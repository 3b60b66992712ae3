"""The person's settings of the app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What a person may set.

    Attributes:
        theme: Name of the colour theme; "auto" takes `ansi-dark` where the terminal has 16 colours.
        glyphs: "auto", "unicode" or "ascii".
        refresh: How often a second the screens look for news, 0.5 to 4.
    """

    theme: str = "auto"
    glyphs: str = "auto"
    refresh: float = 2.0
