"""Smoothed curves: an exponential moving average that is honest about its beginning."""

from __future__ import annotations

from math import isfinite, nan

from trainer.events.envelope import Envelope


def smooth(envelope: Envelope, strength: float) -> list[float]:
    """Smooth a metric bin by bin.

    The debiased exponential moving average of Adam (Kingma and Ba, 2015, section 3): the average
    m = s * m + (1 - s) * v is divided by its weight 1 - s**t, so that the zero it begins with
    does not pull the first values down. A bin stands for all its points: s is taken to the power
    of its count, as far as every bin has as many; so that a bin which is just being filled
    weighs less than a full one.

    Args:
        envelope: The metric.
        strength: From 0, no smoothing, to 0.99.

    Returns:
        One value for each bin; NaN where it holds no finite value.
    """
    strength = min(max(strength, 0.0), 0.99) if isfinite(strength) else 0.0
    # The middle of each bin stands for it; halves are added for the sum may overflow.
    full = max(envelope.count, default=0)
    found: list[float] = []
    average = weight = 0.0
    for count, low, high in zip(envelope.count, envelope.low, envelope.high, strict=True):
        if not count:
            found.append(nan)
            continue
        value = low / 2 + high / 2
        keep = strength if count == full else strength ** (count / full)
        average = keep * average + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        found.append(average / weight if weight else value)
    return found
