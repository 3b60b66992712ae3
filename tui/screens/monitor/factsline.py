"""Under the charts: a line of facts that need no chart of their own."""

from __future__ import annotations

from trainer.display import count, plural, size
from tui.screens.monitor.lines import Lines, Piece, spread
from tui.screens.monitor.values import data_wait, latest, written
from tui.screens.monitor.view import View
from tui.screens.sweepof import sweep_of


class FactsLine(Lines):
    """One line: learning rate, memory, alerts, and which page of panels this is."""

    DEFAULT_CSS = """
    FactsLine { height: 1; background: $surface; }
    """

    def show(self, view: View, page: tuple[int, int], hidden: int) -> None:
        """Show the facts."""
        number, pages = page
        right: list[Piece] = []
        if hidden:
            right.append((f"{plural(hidden, 'panel')} hidden  ", "dim"))
        if pages > 1:
            right.append((f"page {number + 1}/{pages}  ", "dim"))
        parts: list[Piece] = [(" ", "")]
        for name, text, look in facts_of(view):
            parts += [(f"{name} " if name else "", "dim"), (text, look), ("   ", "")]
        self.show_lines([spread(parts, right, self.size.width)])


def facts_of(view: View) -> list[tuple[str, str, str]]:
    """Give (what, value, look) of the facts that a person looks for first."""
    picture = view.picture
    facts: list[tuple[str, str, str]] = []
    for panel in view.groups:
        if panel.kind not in ("lr", "memory"):
            continue
        series = panel.series[0]
        value = latest(picture, series.metric)
        if value is not None:
            name = {"lr": "lr", "memory": "mem"}.get(panel.key, "gpu mem")
            unit = picture.units.get(series.metric, "")
            text = size(value) if name == "mem" else written(value, unit)
            facts.append((name, text, ""))
    for metric in picture.names:
        if metric.startswith("gpu") and ("util" in metric or metric.endswith("pct")):
            value = latest(picture, metric)
            if value is not None:
                facts.append(("gpu", written(value, "%"), ""))
            break
    wait = data_wait(view)
    if wait:
        facts.append(("wait", wait, ""))
    if picture.alerts:
        alerts = picture.counts.get("alert", len(picture.alerts))
        facts.append(("", plural(alerts, "alert") + " (6)", "bad"))
    if sweep := sweep_of(picture.identity.get("parent")):
        facts.append(("sweep", f"{sweep} (W)", ""))
    if picture.checkpoints:
        step = picture.checkpoints[-1].get("step")
        facts.append(("ckpt", f"@ {count(step)}" if isinstance(step, int) else "saved", ""))
    if picture.hidden:
        facts.append(("", f"{plural(picture.hidden, 'more metric')} not kept", "warn"))
    if picture.garbage:
        facts.append(("", plural(picture.garbage, "unreadable line"), "warn"))
    return facts
