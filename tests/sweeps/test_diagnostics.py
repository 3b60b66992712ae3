"""The plots of a sweep: their numbers, that they can be drawn, and the process that draws them."""

from __future__ import annotations

import json
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer.commands import ablate_board
from trainer.errors import RunError
from trainer.events.envelope import Envelope
from trainer.runs.layout import RunFolder
from trainer.runs.status import State
from trainer.sweeps import diagnostics, drive, leaderboard
from trainer.sweeps.diagnostics import Drawn, Plot, draw, files_of, folder_of, plots_of
from trainer.sweeps.diagnostics import numbers as the
from trainer.sweeps.folder import Sweep
from trainer.sweeps.page import page

from .conftest import Lab

pytest.importorskip("matplotlib")

EVIL = "$\\frac{a}$ \x1b[31m</svg><script>alert(1)</script> _x^2$ 行"
RULE = "train/loss/symbolic/fingerprint"


@pytest.fixture(autouse=True)
def no_plots() -> None:
    """Here plots are drawn."""


def tell(run: Path | None, step: int, **metrics: Any) -> None:
    assert run is not None
    named = {name.replace("__", "/"): value for name, value in metrics.items()}
    event = {"v": 1, "event": "metrics", "step": step, "metrics": named}
    with RunFolder(run).events.open("a") as file:
        file.write(json.dumps(event) + "\n")


@pytest.fixture
def swept(made: Callable[..., Sweep], lab: Lab) -> Sweep:
    """Three rates with two seeds each; the last trial fails, and one tells of NaN."""
    sweep = made("optimizer.config.lr=1e-3,3e-3,5e-3", seeds=(0, 1))
    lab.ends = {6: State.FAILED}
    drive.run(sweep, launcher=lab, poll=0.001)
    for trial in sweep.trials():
        for step in (1, 10, 19):
            value = trial.number / step
            odd = "NaN" if (trial.number, step) == (2, 10) else value
            tell(trial.run, step, train__loss=odd, **{RULE.replace("/", "__"): value})
        tell(trial.run, 20, **{(RULE + "_epoch").replace("/", "__"): 9.0})
    return Sweep.load(sweep.path)


def test_seeds_share_a_family_and_the_best_comes_first(swept: Sweep) -> None:
    found = the.gather(swept)
    assert [family.trials for family in found.families] == [(5, 6), (3, 4), (1, 2)]
    assert [family.rank for family in found.families] == [1, 2, 3]
    assert found.families[0].label() == "lr=0.005"
    assert [panel.metric for panel in found.overlaid] == ["train/loss", "val/loss"]
    panel = found.panels["val/loss"]
    assert [trace.trial for trace in panel.traces] == [1, 2, 3, 4, 5, 6]
    assert panel.traces[0].points == ((10.0, 1.0), (20.0, 2.0))
    assert [row.trial for row in found.by_rank] == [5, 6, 3, 4, 1, 2]
    assert [(rank, row.trial) for rank, row in the.best_trials(found.board, 2)] == [(1, 5), (2, 4)]


def test_a_value_that_is_not_finite_leaves_a_gap(swept: Sweep) -> None:
    trace = next(t for t in the.gather(swept).panels["train/loss"].traces if t.trial == 2)
    assert [step for step, _ in trace.points] == [1.0, 10.0, 19.0]
    assert isnan(trace.points[1][1])
    assert trace.odd == [10.0]
    assert trace.at(11) == pytest.approx(2.0 / 19)


def test_violations_are_those_of_the_best_step_by_family(swept: Sweep) -> None:
    found = the.gather(swept)
    assert found.rules == ["fingerprint"]
    # The best validation was at step 10: trials 5 and 6 told 0.5 and 0.6 there.
    first = found.violations()[0]
    assert (first.rule, first.family, first.n) == ("fingerprint", 0, 2)
    assert first.mean == pytest.approx(0.55)
    assert first.spread == pytest.approx(0.1 / 2**0.5)
    tell(swept.trials()[4].run, 10, val__loss__symbolic__fingerprint=7.0)
    assert the.gather(swept).violations()[0].mean == 7.0


def test_effects_are_those_of_the_leaderboard(swept: Sweep) -> None:
    ((key, rows),) = the.gather(swept).effects()
    assert key == "optimizer.config.lr"
    assert rows == list(leaderboard.gather(swept).effects.rows)


def test_with_one_combination_every_trial_has_a_colour(
    made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made("optimizer.config.lr=choice(1e-3)", seeds=(3, 4))
    drive.run(sweep, launcher=lab, poll=0.001)
    assert [family.label() for family in the.gather(sweep).families] == ["seed 3", "seed 4"]


def test_names_are_cut_before_values() -> None:
    family = the.Family((("smoothness.weight", "0.05"), ("fingerprint.enabled", "false")), 1, (1,))
    assert family.label() == "smoothness.weight=0.05, fingerprint.enabled=false"
    short = family.label(30)
    assert len(short) <= 30
    assert "=0.05, " in short
    assert short.endswith("=false")
    assert the.Family((), None, (1,)).label() == "baseline"


def test_axes_are_divided_so_that_nothing_is_lost() -> None:
    assert the.scale_of([1.0, 2.0, 40.0]) == ("linear", 1.0)
    assert the.scale_of([1.0, nan, 51.0])[0] == "log"
    assert the.scale_of([-1.0, 2.0, 3.0])[0] == "linear"
    assert the.scale_of([-1.0, 2.0, 1.0, 1.5, 1e6]) == ("symlog", 2.0)
    assert the.scale_of([0.0, 0.0]) == the.scale_of([]) == the.scale_of([inf]) == ("linear", 1.0)


def test_bins_of_many_values_keep_least_and_greatest() -> None:
    def row(*values: float) -> Any:
        return values

    envelope = Envelope(
        start=0,
        width=10,
        first=row(1.0, 9.0, nan),
        low=row(1.0, 2.0, nan),
        high=row(1.0, 9.0, nan),
        last=row(1.0, 3.0, nan),
        count=row(1, 7, 0),
        nans=row(0, 0, 2),
        infs=row(),
        minus_infs=row(),
    )
    found = the.points_of(envelope)
    assert found[:3] == ((4.5, 1.0), (14.5, 9.0), (14.5, 2.0))
    assert found[3][0] == 24.5
    assert isnan(found[3][1])


def enlarged(swept: Sweep, count: int) -> the.Numbers:
    """Make as many combinations out of the numbers of a sweep, with names that mean harm."""
    found = the.gather(swept)
    row = replace(found.board.table.rows[0], seed=None)
    rows = [replace(row, trial=n, factors={EVIL: n}, best_step=10) for n in range(1, count + 1)]
    groups = [
        replace(found.board.table.groups[0], factors=each.factors, rows=(each,)) for each in rows
    ]
    table = replace(found.board.table, rows=rows, groups=groups, factors=[EVIL], metric=EVIL)
    families = tuple(the.Family(((EVIL, str(n)),), n, (n,)) for n in range(1, count + 1))
    points = ((1.0, 1e9), (2.0, nan), (3.0, 1.0), (4.0, -2.0))
    traces = tuple(the.Trace(n, n - 1, points) for n in range(count, 0, -1))
    names = ["train/loss", EVIL, RULE, the.violation("val", EVIL)]
    panels = {name: the.Panel(name, EVIL, traces, *the.scale_of([1.0, 1e9])) for name in names}
    effects = replace(found.board.effects, rows=(), notes=(EVIL,))
    many = [
        SimpleNamespace(key=EVIL, value=n, mean=1.0, effect=n - 3.0, error=None, cells=1)
        for n in range(min(count, 40))
    ]
    effects = replace(effects, rows=tuple(many))  # type: ignore[arg-type]  # as far as it is drawn
    board = replace(found.board, name=EVIL, table=table, effects=effects)
    return the.Numbers(board, families, panels)


@pytest.mark.parametrize("count", [1, 60])
def test_one_trial_and_sixty_are_drawn_with_whatever_names(
    swept: Sweep, tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.diagnostics import plots as module
    from trainer.diagnostics import style
    from trainer.diagnostics.plots import plots

    monkeypatch.setattr(module, "_PAGES", 1)
    style.ready()
    names = []
    for name, title, make in plots(enlarged(swept, count)):
        (file,) = style.save(make(), tmp_path, name, ["svg"])
        text = (tmp_path / file).read_text()
        assert ET.fromstring(text).tag.endswith("svg")
        assert "<script" not in text
        names.append(name)
        assert title
    assert names == [
        "loss_curves",
        "loss_curves_runs_1" if count > 1 else "loss_curves_runs",
        *(["effects"] if count > 1 else []),
        "symbolic_violations",
        "symbolic_violations_by_rule",
    ]


def test_the_best_have_a_look_of_their_own_and_the_rest_is_grey() -> None:
    from trainer.diagnostics.style import DISTINCT, REST, look, text

    families = [the.Family((), n, (n,)) for n in range(60)]
    looks = [look(place, families) for place in range(60)]
    assert len({each.colour for each in looks[:DISTINCT]}) == DISTINCT
    assert len({str(each.dashes) for each in looks[:DISTINCT]}) == DISTINCT
    assert {each.colour for each in looks[DISTINCT:]} == {REST}
    assert "\x1b" not in text(EVIL)
    assert len(text("x" * 500)) <= 64


@pytest.fixture
def drawn(swept: Sweep) -> tuple[Sweep, Drawn]:
    """The plots of a sweep, drawn by the process that draws them."""
    folder_of(swept).mkdir(parents=True)
    (folder_of(swept) / "mine.png").write_text("kept")
    (folder_of(swept) / "old.svg").write_text("of an earlier drawing")
    record = {"v": 1, "plots": [{"title": "old", "files": ["old.svg", "../../sweep.json"]}]}
    (folder_of(swept) / "plots.json").write_text(json.dumps(record))
    for trial in swept.trials():
        assert trial.run is not None
        RunFolder(trial.run).config.write_text("model: {_target_: os.system}\n")
    return swept, draw(swept, ("png", "svg"))


def test_a_process_draws_all_and_what_was_drawn_before_goes(drawn: tuple[Sweep, Drawn]) -> None:
    swept, found = drawn
    folder = folder_of(swept)
    assert folder.relative_to(swept.path).as_posix() == "outputs/diagnostics/ablation"
    (note,) = found.notes
    assert note.startswith("trials 2, 4, 5 give no plots of their own: _target_ 'os.system'")
    assert [plot.file("svg") for plot in found.plots] == [
        *("loss_curves.svg", "loss_curves_runs.svg", "effects.svg"),
        *("symbolic_violations.svg", "symbolic_violations_by_rule.svg"),
    ]
    assert plots_of(swept) == found.plots
    files = files_of(swept)
    assert {path.name for path in folder.iterdir()} == {
        *(path.name for path in files),
        *("plots.json", "mine.png"),
    }
    for path in files:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
        else:
            assert ET.parse(path).getroot().tag.endswith("svg")
    assert swept.path.joinpath("sweep.json").is_file()

    # The leaderboard shows them, by paths that hold wherever its folder lies.
    files = leaderboard.write(swept, formats=("md", "html"))
    assert "![Marginal effects](diagnostics/ablation/effects.png)" in files[0].read_text()
    assert '<a href="diagnostics/ablation/effects.svg" aria-label=' in files[1].read_text()


def test_names_of_files_lead_nowhere_and_titles_are_data(swept: Sweep) -> None:
    folder = folder_of(swept)
    folder.mkdir(parents=True)
    names = ["../../sweep.json", "/etc/passwd", "a b.png", "x.html", "gone.png", ".png", "in.png"]
    (folder / "in.png").touch()
    (folder / "a b.png").touch()
    record = {"v": 1, "plots": [{"title": EVIL, "files": names}, {"title": "x", "files": []}]}
    (folder / "plots.json").write_text(json.dumps(record))
    (plot,) = plots_of(swept)
    assert plot.files == ("in.png",)
    text = page(leaderboard.gather(swept))
    assert text.count("<script") == 1
    assert "\x1b" not in text + leaderboard.markdown(leaderboard.gather(swept))
    for broken in ("[]", "{", '{"v": 1, "plots": 3}', '{"v": 1, "plots": [3]}', '{"v": 2}'):
        (folder / "plots.json").write_text(broken)
        assert plots_of(swept) == ()


def test_without_matplotlib_one_line_says_what_to_install(
    swept: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "find_spec", lambda _: None)
    found = draw(swept, ("png",))
    assert found == Drawn(
        notes=("plots need matplotlib, which is not installed: pip install 'traindeck[report]'",)
    )
    assert not folder_of(swept).exists()
    with pytest.raises(RunError, match="plots need matplotlib"):
        ablate_board.show_plots(swept, as_json=False)


def test_who_leaves_waits_for_no_plots(swept: Sweep) -> None:
    found = draw(swept, ("png",), given_up=lambda: True)
    assert found.notes == ("plots were not all drawn: interrupted",)


def test_a_process_that_is_killed_leaves_no_half_of_a_file(
    swept: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_drawn.py").write_text(
        "import os, sys, time; from pathlib import Path\n"
        "folder = Path(sys.argv[1], 'outputs', 'diagnostics', 'ablation')\n"
        "(folder / f'.effects.svg.{os.getpid()}.0.tmp').write_text('<svg')\n"
        "time.sleep(600)"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(diagnostics, "_MODULE", "half_drawn")
    monkeypatch.setattr(diagnostics, "_LOOK", 0.01)
    folder = folder_of(swept)
    until = time.monotonic() + 300
    draw(swept, ("svg",), lambda: any(folder.glob(".*.tmp")) or time.monotonic() > until)
    assert time.monotonic() < until
    assert [path.name for path in folder.iterdir()] == ["plots.json"]


def test_a_process_that_breaks_is_told_in_a_line(
    swept: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "_MODULE", "trainer.no_such_module")
    (note,) = draw(swept, ("png",)).notes
    assert "No module named trainer.no_such_module" in note
    assert Plot("x", ("a.png", "a.svg")).file("svg") == "a.svg"


def test_the_key_says_in_which_formats(made: Callable[..., Sweep]) -> None:
    rate = "optimizer.config.lr=1e-3,3e-3"
    assert made(rate).diagnostics == ("png", "svg")
    assert made(rate, "ablation.diagnostics=[svg]").diagnostics == ("svg",)
    none = made(rate, "ablation.diagnostics=[]")
    assert none.diagnostics == ()
    assert draw(none) == Drawn()


def test_ticks_that_would_look_alike_get_more_digits() -> None:
    pytest.importorskip("matplotlib")
    from trainer.diagnostics.style import _Figures

    ticks = _Figures().format_ticks
    assert ticks([0.5, 1.0, 1.5]) == ["0.5", "1", "1.5"]
    assert ticks([0.99612, 0.99614, 0.99616]) == ["0.99612", "0.99614", "0.99616"]
    assert len(set(ticks([3.0, 3.0000001]))) == 2
