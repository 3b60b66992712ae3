"""The plots that any sweep has: curves, effects and violations of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainer.diagnostics.style import divide, figure, legend, look, steps, text
from trainer.display import number
from trainer.sweeps.diagnostics.numbers import LOSSES, violation
from trainer.sweeps.leaderboard import effects_text
from trainer.sweeps.names import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trainer.sweeps.diagnostics.numbers import Numbers, Panel
    from trainer.sweeps.results import Row

Named = tuple[str, str, Callable[[], Figure]]

# So many points of a line have markers: more would run into each other.
_MARKED = 30
_ON_A_PAGE = 24
_PAGES = 4
_ROWS = 20


def plots(numbers: Numbers) -> Iterator[Named]:
    """Draw what the numbers hold.

    Args:
        numbers: The numbers of a sweep.

    Yields:
        A file's name without its ending, what it shows in words, and what makes the figure.
    """
    title = numbers.board.name
    if overlaid := numbers.overlaid:
        yield "loss_curves", "Curves of all trials", partial(_curves, numbers, overlaid, title)
    yield from _each_run(numbers)
    if numbers.effects():
        yield "effects", "Marginal effects", partial(_effects, numbers)
    if numbers.rules:
        said = "Violations of symbolic rules"
        yield "symbolic_violations", f"{said} over the steps", partial(_violations, numbers)
        yield "symbolic_violations_by_rule", f"{said} by rule", partial(_by_rule, numbers)


def _curves(numbers: Numbers, panels: Sequence[Panel], title: str) -> Figure:
    made = figure(f"{title}: curves of all trials", wide=5.2 * len(panels) + 0.6, high=4.6)
    drawn: set[int] = set()
    for axes, panel in zip(made.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        drawn |= _lines(axes, panel, numbers)
    legend(made, numbers.families, drawn)
    return made


def _lines(axes: Axes, panel: Panel, numbers: Numbers) -> set[int]:
    """Draw a metric of all trials, the best on top; give the families that it has."""
    many = len(panel.traces)
    odd = False
    for trace in panel.traces:
        of = look(trace.family, numbers.families)
        finite = [point for point in trace.points if isfinite(point[1])]
        axes.plot(
            [step for step, _ in trace.points],
            [value for _, value in trace.points],
            color=of.colour,
            linestyle=of.dashes,
            linewidth=0.8 if of.rest or many > 24 else 1.4,
            alpha=0.6 if of.rest else 0.95,
            marker=of.marker if len(finite) <= _MARKED and not of.rest else None,
            markersize=3.5,
        )
        odd |= _mark_odd(axes, trace.odd, of.colour)
    axes.set_title(text(panel.metric))
    axes.set_ylabel(text(panel.label))
    divide(axes, panel.scale, panel.threshold)
    steps(axes)
    if odd:
        axes.text(
            0.99, 0.99, "× not finite", transform=axes.transAxes, ha="right", va="top", fontsize=8
        )
    return {trace.family for trace in panel.traces}


def _mark_odd(axes: Axes, odd: Sequence[float], colour: str) -> bool:
    """Mark steps without a finite value along the lower edge."""
    if odd:
        axes.plot(
            odd,
            [0.02] * len(odd),
            linestyle="none",
            marker="x",
            markersize=6,
            markeredgewidth=1.5,
            color=colour,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
    return bool(odd)


def _each_run(numbers: Numbers) -> Iterator[Named]:
    """Draw every run in a field of its own, on one scale, the best first."""
    names = [name for name in LOSSES if name in numbers.panels]
    names = names or [panel.metric for panel in numbers.overlaid]
    told = {trace.trial for name in names for trace in numbers.panels[name].traces}
    rows = [row for row in numbers.by_rank if row.trial in told]
    pages = ceil(len(rows) / _ON_A_PAGE)
    for page in range(min(pages, _PAGES)):
        part = rows[page * _ON_A_PAGE : (page + 1) * _ON_A_PAGE]
        said = "Curves of each run"
        if pages > 1:
            last = min(pages, _PAGES)
            said += f", {page + 1} of {last}"
            said += f" (the best {last * _ON_A_PAGE} of {len(rows)})" if pages > _PAGES else ""
        name = "loss_curves_runs" + (f"_{page + 1}" if pages > 1 else "")
        title = f"{numbers.board.name}: {said.lower()}"
        yield name, said, partial(_page, numbers, names, part, title)


def _page(numbers: Numbers, names: Sequence[str], rows: Sequence[Row], title: str) -> Figure:
    from matplotlib.lines import Line2D

    from trainer.sweeps.diagnostics.numbers import scale_of

    columns = min(4, len(rows))
    lines = ceil(len(rows) / columns)
    made = figure(title, wide=max(5.0, 3.1 * columns), high=2.1 * lines + 1.0)
    fields = made.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat
    looks: list[tuple[str, Any, str | None]]
    looks = [("#0072B2", "-", None), ("#D55E00", (0, (5, 1.5)), "o")]
    values = [v for name in names for trace in numbers.panels[name].traces for _, v in trace.points]
    scale, threshold = scale_of(values)
    labels = {t: family.label(36) for family in numbers.families for t in family.trials}
    for axes, row in zip(fields, rows, strict=False):
        for name, (colour, dashes, marker) in zip(names, looks, strict=False):
            found = next((t for t in numbers.panels[name].traces if t.trial == row.trial), None)
            if found is None:
                continue
            axes.plot(
                [step for step, _ in found.points],
                [value for _, value in found.points],
                color=colour,
                linestyle=dashes,
                linewidth=1.2,
                marker=marker if len(found.points) <= _MARKED else None,
                markersize=3,
            )
            _mark_odd(axes, found.odd, colour)
        if row.best_step is not None and row.value is not None:
            axes.axvline(row.best_step, color="#777777", linewidth=0.8, linestyle=":")
        axes.set_title(_heading(row, labels[row.trial], numbers), fontsize=7.5)
        axes.tick_params(labelbottom=True)
        divide(axes, scale, threshold)
        steps(axes, "step" if row in rows[-columns:] else "")
    for axes in list(fields)[len(rows) :]:
        axes.set_visible(False)
    made.supylabel(text(" and ".join(names)), fontsize=9)
    handles = [
        Line2D(
            [], [], color=colour, linestyle=dashes, marker=marker, markersize=3, label=text(name)
        )
        for name, (colour, dashes, marker) in zip(names, looks, strict=False)
    ]
    best = f"step of the best {numbers.board.table.metric}"
    handles.append(Line2D([], [], color="#777777", linestyle=":", label=text(best)))
    made.legend(handles=handles, loc="outside lower center", ncols=3)
    return made


def _heading(row: Row, label: str, numbers: Numbers) -> str:
    seed = "" if row.seed is None or label == f"seed {row.seed}" else f", seed {row.seed}"
    value = "no value" if row.value is None else f"{numbers.board.table.metric} {number(row.value)}"
    state = "" if row.counts else f" ({str(row.state).replace('_', ' ')})"
    own = "" if label == f"trial {row.trial}" else f"\n{text(label, 40)}{seed}"
    return f"trial {row.trial}{state}: {text(value, 30)}{own}"


def _effects(numbers: Numbers) -> Figure:
    """Draw the effect of each value with its standard error, the factors below each other."""
    board, groups = numbers.board, numbers.effects()
    counts = [len(rows) for _, rows in groups]
    made = figure(
        f"{board.name}: marginal effects on {board.table.metric}",
        wide=8.0,
        high=min(40.0, 1.5 + sum(0.3 * count + 0.5 for count in counts)),
    )
    all_axes = made.subplots(
        len(groups), 1, squeeze=False, sharex=True, height_ratios=[count + 1.2 for count in counts]
    )[:, 0]
    better = -1.0 if board.table.goal == "min" else 1.0
    for axes, (key, rows) in zip(all_axes, groups, strict=True):
        places = range(len(rows))
        for place, each in zip(places, rows, strict=True):
            good = each.effect * better > 0
            axes.errorbar(
                each.effect,
                place,
                xerr=each.error,
                color="#0072B2" if good else "#D55E00",
                marker="o" if good else "s",
                markersize=6,
                capsize=3,
                linewidth=1.6,
            )
        axes.axvline(0.0, color="#444444", linewidth=1.0)
        axes.set_yticks(list(places), [text(shown(each.value), 40) for each in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_title(text(board.short.get(key, key)), loc="left")
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.margins(x=0.12)
    unit = numbers.units.get(board.table.metric, "")
    what = f"effect on {board.table.metric}{f' ({unit})' if unit else ''}"
    all_axes[-1].set_xlabel(text(what, 90))
    notes = [effects_text(board), "Circles are better than that, squares worse."]
    notes += board.effects.notes
    made.supxlabel(_wrapped(notes, 120), fontsize=8, color="#333333", x=0.02, ha="left")
    return made


def _wrapped(notes: Sequence[str], width: int) -> str:
    from textwrap import wrap

    from trainer.events.text import clean

    return "\n".join(line for note in notes for line in wrap(clean(note), width))


def _violations(numbers: Numbers) -> Figure:
    """Draw each rule's violation over the steps, training above validation."""
    rules = numbers.rules
    sides = [s for s in ("train", "val") if any(violation(s, r) in numbers.panels for r in rules)]
    made = figure(
        f"{numbers.board.name}: violations of symbolic rules",
        wide=4.6 * len(rules) + 0.8,
        high=3.1 * len(sides) + 1.2,
    )
    grid = made.subplots(len(sides), len(rules), squeeze=False, sharex=True)
    drawn: set[int] = set()
    for line, side in zip(grid, sides, strict=True):
        for axes, rule in zip(line, rules, strict=True):
            panel = numbers.panels.get(violation(side, rule))
            if panel is None:
                axes.set_visible(False)
                continue
            drawn |= _lines(axes, panel, numbers)
            axes.set_title(text(f"{rule}, {'training' if side == 'train' else 'validation'}"))
            axes.set_ylabel(text(f"violation{f' ({panel.unit})' if panel.unit else ''}"))
    legend(made, numbers.families, drawn)
    return made


def _by_rule(numbers: Numbers) -> Figure:
    """Draw how much each combination violates each rule, the combinations below each other."""
    found = numbers.violations()
    having = sorted({each.family for each in found})
    kept = having[:_ROWS]
    rules = numbers.rules
    more = f" (the best {_ROWS} of {len(having)})" if len(having) > _ROWS else ""
    made = figure(
        f"{numbers.board.name}: violations at the best step, by rule{more}",
        wide=4.0 * len(rules) + 3.2,
        high=0.28 * max(2, len(kept)) + 1.7,
    )
    grid = made.subplots(1, len(rules), squeeze=False, sharey=True)[0]
    for axes, rule in zip(grid, rules, strict=True):
        for each in found:
            if each.rule != rule or each.family not in kept:
                continue
            of = look(each.family, numbers.families)
            axes.errorbar(
                each.mean,
                kept.index(each.family),
                xerr=each.spread,
                color=of.colour,
                marker=of.marker,
                markersize=6,
                capsize=3,
                linewidth=1.4,
            )
        told = {each.family for each in found if each.rule == rule}
        for place, family in enumerate(kept):
            if family not in told:
                axes.text(
                    0.02, place, "not told", transform=axes.get_yaxis_transform(), va="center"
                )
        axes.set_title(text(rule))
        axes.set_xlabel("violation, mean ± standard deviation")
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_ylim(len(kept) - 0.5, -0.5)
        axes.margins(x=0.12)
        if not any(each.mean for each in found if each.rule == rule):
            axes.set_xlim(-0.1, 1.0)
    grid[0].set_yticks(
        range(len(kept)), [text(numbers.families[place].label(48)) for place in kept]
    )
    return made
