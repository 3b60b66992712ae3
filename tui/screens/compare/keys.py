"""The keys of the comparison, in the order in which the foot of the screen names them."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding, BindingType

from tui.widgets.keybar import binding


def _named(key: str, shown: Binding) -> Binding:
    """Let the foot name several keys by one binding."""
    return replace(shown, key_display=key)


KEYS: list[BindingType] = [
    binding("m", "metric", "metric", tip="Choose the metric of this panel"),
    binding("t", "pane('table')", "table", tip="Final and best metrics of every run; and back"),
    binding("d", "pane('configs')", "diff", tip="The config keys that differ; and back"),
    _named("1-8", binding("1", "hide(0)", "hide", tip="Hide run A, or show it again")),
    *(
        binding(
            f"{number + 1}",
            f"hide({number})",
            "hide",
            show=False,
            tip=f"Hide run {letter}, or show it again",
        )
        for number, letter in enumerate("ABCDEFGH")
        if number
    ),
    binding("i", "isolate", "isolate", tip="Show only the run under the cursor; again for all"),
    binding("space", "hide_here", "hide", show=False, tip="Hide or show the run under the cursor"),
    _named("+/-", binding("plus", "zoom(1)", "zoom", tip="Zoom in, around the cursor")),
    binding("minus", "zoom(-1)", "zoom out", show=False, tip="Zoom out"),
    binding("0,equals_sign", "zoom(0)", "whole", show=False, tip="Show the whole history again"),
    _named(
        "←→", binding("left", "cursor(-1)", "cursor", tip="Cursor to the left; shows exact values")
    ),
    binding("right", "cursor(1)", "cursor right", show=False, tip="Cursor to the right"),
    binding(
        "ctrl+left,alt+left,comma",
        "cursor(-10)",
        "far left",
        show=False,
        tip="Cursor by ten columns to the left",
    ),
    binding(
        "ctrl+right,alt+right,full_stop",
        "cursor(10)",
        "far right",
        show=False,
        tip="Cursor by ten columns to the right",
    ),
    binding(
        "shift+left,less_than_sign", "pan(-1)", "pan left", show=False, tip="Pan by a quarter, back"
    ),
    binding(
        "shift+right,greater_than_sign", "pan(1)", "pan right", show=False, tip="Pan by a quarter"
    ),
    binding("l", "log", "log", tip="Linear or logarithmic, for this metric"),
    binding("x", "axis", "axis", tip="Lay the runs over each other by step, epoch or time"),
    binding("w", "smooth", "smooth", tip="Smooth more; the raw curves stay under it"),
    binding("tab", "panel(1)", "panel", show=False, tip="Next panel"),
    binding("shift+tab", "panel(-1)", "panel back", show=False, tip="Panel before"),
    binding("f", "maximise", "full", show=False, tip="This panel alone, and back"),
    binding("q", "back", "back", show=False, tip="Leave the comparison"),
    binding("escape", "escape", "back", show=False, tip="One step back: pane, cursor, screen"),
]
