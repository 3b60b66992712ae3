"""Under the charts: a line of facts, and the last lines that the run wrote."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from trainer.display import count, plural, size
from tui.glyphs import Glyphs
from tui.screens.monitor.lines import Lines, Piece, spread
from tui.screens.monitor.values import latest, written
from tui.screens.monitor.view import View
from tui.sources.follow import Picture
from tui.text import cell_len, clean, fit

_LEVELS = {"warning": "warn", "error": "bad", "critical": "bad"}


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
            parts += [(f"{name} ", "dim"), (text, look), ("   ", "")]
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
            name = "mem" if panel.kind == "memory" else "lr"
            unit = picture.units.get(series.metric, "")
            text = size(value) if name == "mem" else written(value, unit)
            facts.append((name, text, ""))
    for metric in picture.names:
        if metric.startswith("gpu") and ("util" in metric or metric.endswith("pct")):
            value = latest(picture, metric)
            if value is not None:
                facts.append(("gpu", written(value, "%"), ""))
            break
    if picture.alerts:
        alerts = picture.counts.get("alert", len(picture.alerts))
        facts.append(("", plural(alerts, "alert") + " (6)", "bad"))
    if picture.checkpoints:
        step = picture.checkpoints[-1].get("step")
        facts.append(("ckpt", f"@ {count(step)}" if isinstance(step, int) else "saved", ""))
    if picture.garbage:
        facts.append(("", plural(picture.garbage, "unreadable line"), "warn"))
    return facts


class LogTail(Lines):
    """The last things that the run said, the newest at the foot."""

    DEFAULT_CSS = """
    LogTail { height: 2; }
    """

    #: Lines that the screen can spare.
    room = 2

    def show(self, picture: Picture, glyphs: Glyphs) -> None:
        """Show as many lines as there are, and as there is room for."""
        events = newest(picture, self.room)
        self.display = bool(events)
        self.styles.height = len(events)
        width = self.screen.size.width
        self.show_lines([_line(event, width, glyphs) for event in events])


def tail_height(height: int) -> int:
    """Give how many lines a screen of some height can spare for the log."""
    return 0 if height < 16 else 2 if height < 32 else min(8, height // 8)


def newest(picture: Picture, most: int) -> list[Mapping[str, Any]]:
    """Give the newest events worth a line: what it logged, alerts and checkpoints, in order."""
    if most <= 0:
        return []
    events = [
        *picture.logs[-most:],
        *(
            {"level": "info", "message": _saved(each), **_ts(each)}
            for each in picture.checkpoints[-most:]
        ),
        *({"level": "warning", **each} for each in picture.alerts[-most:]),
    ]
    events.sort(key=lambda event: _seconds(event.get("ts")))
    return events[-most:]


def _saved(event: Mapping[str, Any]) -> str:
    path = event.get("path")
    name = path.rsplit("/", 1)[-1] if isinstance(path, str) else "checkpoint"
    facts = []
    if isinstance(event.get("bytes"), int | float):
        facts.append(size(float(event["bytes"])))
    pause = event.get("pause_s")
    if isinstance(pause, int | float):
        facts.append(f"pause {written(float(pause), 's')}")
    return f"checkpoint {name}" + (f" ({', '.join(facts)})" if facts else "")


def _ts(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"ts": event["ts"]} if "ts" in event else {}


def _seconds(ts: object) -> float:
    good = isinstance(ts, int | float) and not isinstance(ts, bool) and 0 <= ts < 1e11
    return float(ts) if good and isinstance(ts, int | float) else 0.0


def _line(event: Mapping[str, Any], width: int, glyphs: Glyphs) -> list[Piece]:
    ts = _seconds(event.get("ts"))
    stamp = time.strftime("%H:%M:%S", time.localtime(ts)) if ts else "--:--:--"
    level = clean(str(event.get("level") or "info"))[:8]
    text = clean(str(event.get("message") or ""))
    head = f" {stamp} "
    room = width - cell_len(head) - 9
    return [
        (head, "dim"),
        (f"{level:<8} ", _LEVELS.get(level, "dim")),
        (fit(text, room, glyphs.ellipsis), ""),
    ]
