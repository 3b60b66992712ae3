"""Charts in braille: whole histories, nothing thinned away, only what changed sent."""

from tui.widgets.chart.model import Curve, Level, Mark, Plot
from tui.widgets.chart.smoothing import smooth
from tui.widgets.chart.spark import sparkline
from tui.widgets.chart.widget import Chart

__all__ = ["Chart", "Curve", "Level", "Mark", "Plot", "smooth", "sparkline"]
