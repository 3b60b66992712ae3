"""The leaderboard as files: what is in them, and that data in them does nothing."""

from __future__ import annotations

import base64
import csv
import hashlib
import html.parser
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.runs.layout import RunFolder
from trainer.runs.status import State
from trainer.sweeps import curves, drive, leaderboard
from trainer.sweeps.curves import Curve, thin
from trainer.sweeps.folder import Sweep
from trainer.sweeps.leaderboard import Board
from trainer.sweeps.page import page

from .conftest import Lab, told

EVIL = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>|`*_\n[a](b)\x1b[31m"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def swept(made: Callable[..., Sweep], lab: Lab) -> Sweep:
    """Three rates with two seeds each; the last trial fails."""
    sweep = made("optimizer.config.lr=1e-3,3e-3,5e-3", seeds=(0, 1))
    lab.ends = {6: State.FAILED}
    drive.run(sweep, launcher=lab, poll=0.001)
    return sweep


class Outline(html.parser.HTMLParser):
    """Collects the elements of a page, the text of its cells, and what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "input"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_the_table_is_the_same_in_all_formats(swept: Sweep) -> None:
    files = leaderboard.write(swept)
    assert [path.name for path in files] == [
        "ablation_leaderboard.md",
        "ablation_leaderboard.html",
        "ablation_leaderboard.csv",
    ]
    text = files[0].read_text()
    assert "by val/loss (min). 6 trials: 5 completed, 1 failed." in text
    assert "| rank | lr | val/loss | n | best step | time | trials | remarks |" in text
    assert "| 1 | 0.005 | 0.2 | 1/2 | 10 | 0:50 | 5, 6 | trial 6 failed: a reason |" in text
    assert "| 2 | 0.003 | 0.2917 ± 0.05893 | 2 | 10 | 0:35 | 3, 4 |  |" in text
    assert "| lr | 0.001 | 0.75 | +0.3361 ± 0.1581 | 1 |" in text
    assert "| 6 | 0.005 | 1 | failed | a reason |" in text

    outline = Outline(files[1].read_text())
    assert outline.open == []
    assert outline.rows[1][:7] == ["1", "0.005", "0.2", "1/2", "10", "0:50", "5, 6"]
    assert "thinned" not in files[1].read_text()

    rows = list(csv.DictReader(io.StringIO(files[2].read_text())))
    assert [row["trial"] for row in rows] == ["5", "6", "3", "4", "1", "2"]
    assert rows[1]["state"] == "failed"
    assert (rows[1]["value"], rows[1]["rank"], rows[2]["std"]) == (str(1 / 6), "1", rows[3]["std"])
    assert rows[2]["optimizer.config.lr"] == "0.003"


def test_the_same_results_give_the_same_bytes(swept: Sweep) -> None:
    before = [path.read_bytes() for path in leaderboard.write(swept)]
    again = leaderboard.write(Sweep.load(swept.path))
    assert [path.read_bytes() for path in again] == before
    assert sorted(path.name for path in swept.outputs.iterdir()) == sorted(
        path.name for path in again
    )


def test_a_page_loads_and_runs_nothing_but_its_own(swept: Sweep) -> None:
    text = page(leaderboard.gather(swept))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for own in (script, style):
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"sha256-{digest}" in text
    assert "http://" not in text
    assert "https://" not in text
    names = {name for name, _ in Outline(text).attributes}
    assert not names & {"src", "href", "style", "srcset"}
    assert not any(name.startswith("on") for name in names)


def evil(swept: Sweep) -> Board:
    board = leaderboard.gather(swept)
    table = board.table
    rows = [replace(row, factors={EVIL: EVIL, "=1+1": "=1+1"}, reason=EVIL) for row in table.rows]
    groups = [replace(table.groups[0], factors=rows[0].factors, rows=tuple(rows))]
    table = replace(table, factors=[EVIL, "=1+1"], rows=rows, groups=groups, metric=EVIL)
    return replace(board, name=EVIL, id=EVIL, table=table, names={1: EVIL})


def test_names_and_reasons_are_data(swept: Sweep) -> None:
    board = evil(swept)
    text = page(board)
    outline = Outline(text)
    assert outline.open == []
    assert outline.tags.count("script") == 1
    assert "img" not in outline.tags
    assert "\x1b" not in text
    assert any("<img src=x onerror=alert(2)>" in cell for row in outline.rows for cell in row)

    written = leaderboard.markdown(board)
    assert "<" not in written
    assert "\\[a\\](b)" in written
    assert "\x1b" not in written
    lines = written.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    assert {line.count("|") for line in lines[first - 1 : first + 2]} == {10}

    (row, *_) = csv.DictReader(io.StringIO(leaderboard.table_csv(board)))
    assert row["'=1+1"] == "'=1+1"


def test_trials_without_a_value_are_in_it(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made("optimizer.config.lr=1e-3,3e-3,5e-3")
    nothing = leaderboard.write(sweep)
    assert "3 trials: 3 waiting" in nothing[0].read_text()
    assert "No trial has ended with a value yet." in nothing[0].read_text()
    assert "No trial has ended with a value yet." in nothing[1].read_text()
    lab.ends = {1: State.OUT_OF_MEMORY, 2: State.KILLED}
    drive.run(sweep, launcher=lab, poll=0.001)
    run = sweep.trials()[2].run
    assert run is not None
    RunFolder(run).events.write_text(
        json.dumps({"v": 1, "event": "metrics", "step": 5, "metrics": {"val/loss": "NaN"}}) + "\n"
    )
    text = leaderboard.write(Sweep.load(sweep.path))[0].read_text()
    assert "| – | 0.005 | – | 0/1 | – | – | 3 | trial 3 completed: no finite value |" in text
    assert "| 1 | 0.001 | – | out of memory | a reason |" in text
    assert "| 2 | 0.003 | – | killed | a reason |" in text


def test_a_single_trial_has_a_leaderboard(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made("optimizer.config.lr=choice(1e-3)")
    drive.run(sweep, launcher=lab, poll=0.001)
    text = leaderboard.write(sweep)[0].read_text()
    assert "| 1 | 0.001 | 1 | 1 | 10 | 0:10 | 1 |  |" in text
    assert "lr: one value only" in text


def test_curves_are_thinned_with_their_extremes(swept: Sweep) -> None:
    points = [(step, float(step % 7)) for step in range(1000)]
    points[333], points[777], points[500] = (333, 99.0), (777, -99.0), (500, float("nan"))
    found = thin(points)
    kept = [(step, value) for step, value in found if value is not None]
    assert len(kept) <= curves.MOST
    assert [step for step, _ in found] == sorted({step for step, _ in found})
    assert {(0, 0.0), (333, 99.0), (777, -99.0), (999, 5.0)} < set(kept)
    assert (500, None) in found
    assert thin(points[:200]) == tuple(points[:200])
    nan, inf = float("nan"), float("inf")
    assert thin([(1, nan), (2, inf), (3, 1.0)]) == ((1, None), (3, 1.0))

    run = swept.trials()[0].run
    assert run is not None
    assert curves.read(run, "val/loss") == Curve(((10, 1.0), (20, 2.0)), 2, 0)
    # What a resume repeats counts as it was repeated.
    told(RunFolder(run), [(step, 1.0) for step in range(15, 1000)])
    curve = curves.read(run, "val/loss")
    assert {value for _, value in curve.points} == {1.0}
    assert (curve.points[0], curve.told, curve.thinned) == ((10, 1.0), 986, True)
    assert curves.read(run, "no such") == Curve()
    assert curves.read(None, "val/loss") == Curve()


def test_curves_break_where_values_are_not_finite(swept: Sweep) -> None:
    board = leaderboard.gather(swept)
    odd: Any = ((1, 1.0), (2, None), (3, 2.0), (4, 1e308), (5, -1e308))
    text = page(replace(board, curves={5: Curve(odd, 5, 1)}))
    (path,) = re.findall(r'<path class="c0" vector-effect="[a-z-]+" d="([^"]*)"', text)
    assert path.count("M") == 2
    assert "nan" not in path
    assert "inf" not in path
    assert "5 values, 1 not finite" in text


DRIVER = """
const seen = [];
const first = () => document.querySelector("#board tbody tr:not([hidden])").cells[1].textContent;
const press = (key) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
seen.push(first());
const button = document.querySelector("#board th:nth-child(2) button");
button.click(); seen.push(first());
button.click(); seen.push(first());
document.querySelector('input[type="search"]').value = "0.003";
document.querySelector("#controls").dispatchEvent(new Event("input"));
seen.push(document.getElementById("counted").textContent);
document.querySelector('input[type="search"]').value = "";
document.querySelector('input[type="number"]').value = "2";
document.querySelector("#controls").dispatchEvent(new Event("input"));
seen.push(document.getElementById("counted").textContent);
document.querySelector('#board tr[tabindex="0"]').focus();
press("ArrowDown");
seen.push(document.querySelector("#panel strong").textContent);
seen.push(String(document.querySelectorAll("#panel li").length));
press("Escape");
seen.push(String(document.getElementById("panel").hidden));
document.title = seen.join(";");
"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to open the page in")
def test_the_page_works_in_a_browser(swept: Sweep, tmp_path: Path) -> None:
    def opened(text: str) -> str:
        assert CHROMIUM is not None
        path = tmp_path / "page.html"
        path.write_text(text)
        words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        words += [f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    # As it is: its policy lets its own script run, and nothing that came as data.
    dom = opened(page(evil(swept)))
    assert '<th scope="col" class="n" aria-sort="ascending"><button type="button">rank' in dom
    assert dom.count("<script>") == 1
    assert "<img" not in dom
    text = page(leaderboard.gather(swept))
    driven = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    dom = opened(driven.replace("</body>", f"<script>{DRIVER}</script></body>"))
    found = re.search(r"<title>(.*?)</title>", dom)
    assert found is not None
    assert found[1].split(";") == [
        *("0.005", "0.001", "0.005"),
        *("1 of 3", "2 of 3"),
        *("lr = 0.003", "3", "true"),
    ]
