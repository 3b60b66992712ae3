"""How plots look: readable without colour, in print, on a light page and on a dark one."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from trainer.display import number
from trainer.events.text import clean
from trainer.runs.layout import write_bytes_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trainer.sweeps.diagnostics.numbers import Family, Scale

# Okabe and Ito 2008, without the yellow that is lost on white, the darkest first. Lines differ in
# their dashes as well, so that no plot depends on colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 1)),
    (0, (8, 2)),
    (0, (4, 1, 1, 1, 1, 1)),
)
_MARKERS = "osD^vP*"
#: How many families have a look of their own; the rest is grey.
DISTINCT = len(_COLOURS)
REST = "#B5B5B5"
TRUTH = "#000000"
_LONGEST_LABEL = 64


@dataclass(frozen=True)
class Look:
    """How the lines of a family are drawn.

    Attributes:
        colour: Their colour.
        dashes: Their dashes, as matplotlib takes them.
        marker: Their marker.
        rest: Whether they are among those that are only there for comparison.
    """

    colour: str
    dashes: Any
    marker: str
    rest: bool = False


def ready() -> None:
    """Set matplotlib up: no screen, nobody's own settings, and no text taken for formulas."""
    mpl.use("Agg")
    mpl.rcdefaults()
    mpl.rcParams.update(
        {
            "text.parse_math": False,
            "text.usetex": False,
            "svg.hashsalt": "traindeck",
            "figure.dpi": 100,
            "savefig.dpi": 130,
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E3E3E3",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 8,
        }
    )
    # A name in a script that the font lacks is shown as boxes, not told line by line.
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def figure(title: str, *, wide: float, high: float) -> Figure:
    """Make a figure with a title; sizes in inches."""
    made = Figure(figsize=(wide, high), layout="constrained")
    made.suptitle(text(title, 110), fontsize=11)
    return made


def text(said: str, longest: int = _LONGEST_LABEL) -> str:
    """Make a text from a run harmless, and short enough for its place: its ends tell most."""
    found = " ".join(clean(said).split())
    if len(found) <= longest:
        return found
    half = (longest - 1) // 2
    return f"{found[:half]}…{found[-half:]}"


def look(family: int, families: Sequence[Family]) -> Look:
    """Choose the look of a family: the best ones differ, the rest is grey."""
    # With one too many, the last place is for the rest.
    if family >= DISTINCT:
        return Look(REST, "-", ".", rest=True)
    return Look(_COLOURS[family], _DASHES[family], _MARKERS[family])


def legend(made: Figure, families: Sequence[Family], drawn: set[int]) -> None:
    """Tell below the plots which look is whose.

    Args:
        made: The figure.
        families: All families, best first.
        drawn: Which of them are in the figure.
    """
    from matplotlib.lines import Line2D

    handles = []
    for place, family in enumerate(families[:DISTINCT]):
        if place in drawn:
            of = look(place, families)
            label = text(family.label(_LONGEST_LABEL))
            name = label if family.rank is None else f"{family.rank}. {label}"
            line = Line2D([], [], color=of.colour, linestyle=of.dashes, label=name)
            handles.append(line)
    if rest := sum(place >= DISTINCT for place in drawn):
        handles.append(Line2D([], [], color=REST, label=f"{rest} more, of lower rank"))
    if handles:
        longest = max(len(str(handle.get_label())) for handle in handles)
        columns = max(1, min(len(handles), int(made.get_figwidth() * 11 // (longest + 8))))
        made.legend(handles=handles, loc="outside lower center", ncols=columns)


class _Figures(Formatter):
    """Writes ticks as figures are written everywhere else, with more digits where two look alike."""

    def __call__(self, value: float, position: int | None = None) -> str:
        del position
        return number(value)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        found = [number(value) for value in values]
        for digits in range(5, 13):
            if len(set(found)) == len(set(values)):
                break
            found = [f"{value:.{digits}g}" for value in values]
        return found


def divide(axes: Axes, scale: Scale, threshold: float = 1.0) -> None:
    """Divide the vertical axis, with ticks as figures are written everywhere else."""
    axis = axes.yaxis
    if scale == "log":
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        if low > 0 and high / low < 1e3:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    elif scale == "symlog":
        axes.set_yscale("symlog", linthresh=threshold)
    axis.set_major_formatter(_Figures())
    axis.set_minor_formatter(NullFormatter())


def steps(axes: Axes, label: str = "step") -> None:
    """Label the horizontal axis with whole steps."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def save(made: Figure, folder: Path, name: str, formats: Sequence[str]) -> list[str]:
    """Write a figure in each format, each file in one step.

    The same figure gives the same bytes.

    Returns:
        The files' names.

    Raises:
        OSError: A file cannot be written.
    """
    written = []
    for ending in formats:
        out = io.BytesIO()
        none = {"png": "Software", "svg": "Date"}[ending]
        made.savefig(out, format=ending, facecolor="white", metadata={none: None})
        # The layout that the first format has found serves all.
        made.set_layout_engine("none")
        write_bytes_atomic(folder / f"{name}.{ending}", out.getvalue(), sync=False)
        written.append(f"{name}.{ending}")
    return written
