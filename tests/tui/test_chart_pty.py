"""What partial updates leave on a real terminal is what the app means to show."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pyte

APP = """
import asyncio, json, math, sys
from textual.containers import Horizontal
from textual.screen import Screen
sys.path.insert(0, sys.argv[2])
from chartlab import plot
from tui.app import Deck
from tui.context import Context
from tui.widgets.chart import Chart

class Charts(Screen):
    CSS = "#loss { height: 12; } Horizontal { height: 12; } .half { width: 1fr; }"
    def compose(self):
        yield Chart(id="loss")
        with Horizontal():
            yield Chart(classes="half")
            yield Chart(classes="half")
    def on_mount(self):
        self.run_worker(self.go())
    async def go(self):
        values = [2 * math.exp(-i / 90) + (i * 37 % 11) / 40 for i in range(400)]
        for end in range(20, 400, 10):
            for chart, part in zip(self.query(Chart), (values, values[::-1], values[100:])):
                chart.show(plot(part[:end], cursor=float(end // 2)))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        text = [strip.text for strip in self._compositor.render_strips()]
        open(sys.argv[1], "w").write(json.dumps(text))
        self.app.exit()

Deck(Context(live=False), Charts).run()
"""


def test_the_terminal_shows_what_the_app_means(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    out = tmp_path / "screen.json"
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    here = Path(__file__).parent
    child = subprocess.Popen(
        [sys.executable, "-c", APP, str(out), str(here)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env,
        cwd=here.parent.parent,
    )
    os.close(slave)
    written = b""
    try:
        while part := os.read(master, 65536):
            written += part
    except OSError:
        # The other end has gone.
        pass
    assert child.wait(20) == 0
    os.close(master)
    screen = pyte.Screen(80, 24)
    # Leaving the app gives the terminal back; until then its screen is there. What asks for the
    # protocol of keys is unknown to pyte, which would print it.
    shown = re.sub(rb"\x1b\[[<=>?]\d*u", b"", written.split(b"\x1b[?1049l")[0])
    pyte.ByteStream(screen).feed(shown)
    assert screen.display == json.loads(out.read_text())
    assert any("┤" in line for line in screen.display)
