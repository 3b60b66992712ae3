"""The keys of the Monitor, in the order in which the foot of the screen names them."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding, BindingType

from tui.widgets.keybar import binding


def _named(key: str, shown: Binding) -> Binding:
    """Let the foot name several keys by one binding."""
    return replace(shown, key_display=key)


KEYS: list[BindingType] = [
    _named("1-6", binding("1", "place(0)", "tabs", tip="Charts")),
    binding("tab", "panel(1)", "panel", tip="Next panel"),
    binding("s", "stop_step", "stop", tip="Stop after this step, with a checkpoint"),
    binding("c", "checkpoint", "ckpt", tip="Write a checkpoint now"),
    binding("v", "validate", "val", tip="Run validation now"),
    binding("K", "kill", "kill", tip="Kill the run, without a checkpoint"),
    binding("R", "resume", "resume", tip="Go on with a run that has ended"),
    binding("f,enter", "maximise", "full", tip="This panel alone, and back"),
    binding("m", "metrics", "metrics", tip="Find a metric; pin or hide its panel"),
    binding("q", "back", "back", tip="Leave; the run goes on"),
    _named(
        "←→", binding("left", "cursor(-1)", "cursor", tip="Cursor to the left; shows exact values")
    ),
    _named("+/-", binding("plus", "zoom(1)", "zoom", tip="Zoom in, around the cursor")),
    binding("minus", "zoom(-1)", "zoom out", show=False, tip="Zoom out"),
    binding("0,equals_sign", "zoom(0)", "whole", show=False, tip="Show the whole history again"),
    binding("right", "cursor(1)", "cursor right", show=False, tip="Cursor to the right"),
    binding("ctrl+left,alt+left,comma", "cursor(-10)", "far left", show=False, tip="Cursor by ten"),
    binding(
        "ctrl+right,alt+right,full_stop",
        "cursor(10)",
        "far right",
        show=False,
        tip="Cursor by ten columns to the right",
    ),
    binding(
        "home", "cursor_edge(0)", "cursor to begin", show=False, tip="Cursor to the first step"
    ),
    binding("end", "cursor_edge(1)", "cursor to end", show=False, tip="Cursor to the last step"),
    binding("g", "goto", "go to step", show=False, tip="Cursor to a step, by its number"),
    binding(
        "shift+left,less_than_sign", "pan(-1)", "pan left", show=False, tip="Pan by a quarter, back"
    ),
    binding(
        "shift+right,greater_than_sign", "pan(1)", "pan right", show=False, tip="Pan by a quarter"
    ),
    binding("l", "log", "log", tip="Linear or logarithmic, for this panel"),
    binding("x", "axis", "axis", tip="Show steps, epochs or time, on all panels"),
    binding("w", "smooth", "smooth", tip="Smooth more; the raw curve stays under it"),
    binding("shift+tab", "panel(-1)", "panel back", show=False, tip="Panel before"),
    binding("pagedown", "page(1)", "next page", show=False, tip="Next page of panels"),
    binding("pageup", "page(-1)", "page before", show=False, tip="Page of panels before"),
    binding(
        "right_square_bracket,shift+down",
        "reorder(1)",
        "move back",
        show=False,
        tip="Move this panel one place back",
    ),
    binding(
        "left_square_bracket,shift+up",
        "reorder(-1)",
        "move forward",
        show=False,
        tip="Move this panel one place forward",
    ),
    binding("h", "hide", "hide", show=False, tip="Hide this panel; m brings it back"),
    binding("2", "place(1)", "log", show=False, tip="Log, with levels and search"),
    binding("3", "place(2)", "checkpoints", show=False, tip="Checkpoints"),
    binding("4", "place(3)", "config", show=False, tip="Config, and where it comes from"),
    binding("5", "place(4)", "output", show=False, tip="What the process printed"),
    binding("6", "place(5)", "alerts", show=False, tip="Alerts, with what to do"),
    binding("S", "stop_epoch", "stop epoch", show=False, tip="Stop after this epoch"),
    binding("o", "open_folder", "folder", show=False, tip="Show and copy the run's folder"),
    binding("r", "runs", "runs", show=False, tip="All runs"),
    binding("W", "sweep", "sweep", show=False, tip="The sweep that this run is a trial of"),
    binding(
        "escape", "escape", "back", show=False, tip="One step back: panel, cursor, tab, screen"
    ),
    binding("ctrl+q", "leave", "quit", show=False, tip="Leave the app; the run goes on"),
]

#: What only the charts know to do; in front of a tab these keys are the tab's.
CHART_ACTIONS = frozenset(
    [
        "zoom",
        "cursor",
        "cursor_edge",
        "goto",
        "pan",
        "log",
        "axis",
        "smooth",
        "maximise",
        "page",
        "reorder",
        "hide",
    ]
)
