"""How long a chart takes to draw, and how many bytes it sends.

The times are of one chart of 120x20 cells with two curves: choosing the limits, sorting bins into
dots and making the lines, while steps arrive. The bytes are those that Textual's own driver writes
into a pseudoterminal of 120x40 for three charts, per redraw, in turns with the same charts and the
same values where every redraw refreshes the whole charts.
"""

from __future__ import annotations

import json
import math
import os
import pty
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from trainer.events.envelope import Bins, Grid
from tui.widgets.chart import Curve, Plot

Row = tuple[str, str, str]

_HISTORY = 2000
_STEPS, _REDRAWS = 20, 200


class Training:
    """Metrics as they arrive.

    Args:
        metrics: How many.
        history: Steps that are there already.
        width: Steps per bin.
    """

    def __init__(self, metrics: int, history: int, width: int) -> None:
        self.grid = Grid(0, width, 1024)
        self.bins = [Bins(self.grid.size) for _ in range(metrics)]
        self.step = 0
        self.dice = random.Random(7)
        self.go_on(history)

    def go_on(self, steps: int) -> None:
        """Take more steps."""
        for _ in range(steps):
            if self.step >= self.grid.size * self.grid.width:
                for bins in self.bins:
                    bins.fold()
                self.grid.width *= 2
            for number, bins in enumerate(self.bins):
                value = 2 * math.exp(-self.step / 3000) + 0.3 * number + self.dice.random() / 5
                bins.point(self.grid.bin(self.step), value)
            self.step += 1

    def plot(self, *numbers: int) -> Plot:
        """Show some of the metrics."""
        used = self.grid.bin(self.step - 1) + 1
        return Plot(
            tuple(
                Curve(str(n), self.bins[n].picture(self.grid, 0, used, None, exact=True), n)
                for n in numbers
            )
        )


def _times() -> list[Row]:
    from rich.segment import Segment
    from rich.style import Style
    from textual.strip import Strip

    from tui.glyphs import UNICODE
    from tui.widgets.chart.drawing import Drawing

    style = Style(color="red")
    tails: list[float] = []
    anew: list[float] = []
    training = Training(2, 60_000, 100)
    drawing = Drawing(UNICODE)
    for number in range(600):
        training.go_on(50)
        if number % 20 == 0:
            drawing = Drawing(UNICODE)
        plot = training.plot(0, 1)
        begin = time.thread_time()
        spans = drawing.draw(plot, 120, 20)
        for row in {span.row for span in spans}:
            Strip([Segment(text, style) for _, text in drawing.row(row)], 120)
        (anew if number % 20 == 0 else tails).append((time.thread_time() - begin) * 1e3)
    tails.sort()
    return [
        (
            "one redraw of a 120x20 chart, 2 curves of up to 1,024 bins, while steps arrive",
            f"{statistics.median(tails):.2f} ms CPU (95th percentile {tails[len(tails) * 95 // 100]:.2f})",
            "<= 1 ms",
        ),
        ("the same chart drawn for the first time", f"{statistics.median(anew):.2f} ms CPU", "-"),
    ]


def live(out: str, plain: str) -> None:
    """Show three charts while steps arrive, and note what was written for each redraw."""
    import asyncio

    from textual.app import ComposeResult
    from textual.containers import Horizontal
    from textual.screen import Screen

    from tui.app import Deck
    from tui.context import Context
    from tui.widgets.chart import Chart

    class Charts(Screen[None]):
        CSS = "#loss { height: 20; } Horizontal { height: 18; } .half { width: 1fr; }"

        def compose(self) -> ComposeResult:
            yield Chart(id="loss")
            with Horizontal():
                yield Chart(classes="half")
                yield Chart(classes="half")

        def on_mount(self) -> None:
            self.run_worker(self.measure())

        async def measure(self) -> None:
            driver = self.app._driver
            assert driver is not None
            write, sent = driver.write, [0]

            def count(data: str) -> None:
                sent[0] += len(data.encode())
                write(data)

            driver.write = count  # type: ignore[method-assign]
            # The first paint of the whole screen is none of the redraws.
            await asyncio.sleep(1)
            training = Training(4, _HISTORY, 4)
            charts = list(self.query(Chart))
            found = []
            for _ in range(_REDRAWS + 1):
                before = sent[0]
                for chart, numbers in zip(charts, ((0, 1), (2,), (3,)), strict=True):
                    chart.show(training.plot(*numbers))
                    if plain == "plain":
                        chart.refresh()
                # Long enough for a paint at Textual's 60 frames a second.
                await asyncio.sleep(0.05)
                found.append(sent[0] - before)
                training.go_on(_STEPS)
            Path(out).write_text(json.dumps(found[1:]))
            self.app.exit()

    Deck(Context(live=False), Charts).run()


def _live(plain: str) -> list[int]:
    master, slave = pty.openpty()
    import termios

    termios.tcsetwinsize(slave, (40, 120))
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    env.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory(prefix="traindeck-bench-") as folder:
        out = Path(folder, "bytes.json")
        code = f"from benchmarks.chart import live; live({str(out)!r}, {plain!r})"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=env
        )
        os.close(slave)
        drain = threading.Thread(target=_drain, args=(master,), daemon=True)
        drain.start()
        try:
            child.wait(120)
        finally:
            child.kill()
        drain.join(5)
        os.close(master)
        found: list[int] = json.loads(out.read_text())
    return found


def _drain(master: int) -> None:
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        # The other end has gone.
        pass


def _bytes() -> list[Row]:
    ours, plain = _live("spans"), _live("plain")
    return [
        (
            f"bytes for a redraw of three charts, {_STEPS} new steps each",
            f"{statistics.mean(ours):.0f} (median {statistics.median(ours):.0f}, "
            f"most {max(ours):,}; refreshed whole: {statistics.mean(plain):,.0f})",
            "<= 1,000",
        )
    ]


def main() -> list[Row]:
    """Measure everything; give rows of (what, measured, target)."""
    return [*_times(), *_bytes()]


if __name__ == "__main__":
    for row in main():
        print("  ".join(row))
