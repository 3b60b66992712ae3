"""Charts in braille: whole histories, nothing thinned away, only what changed sent."""

from tui.widgets.chart.model import Curve, Level, Mark, Plot

__all__ = ["Curve", "Level", "Mark", "Plot"]
