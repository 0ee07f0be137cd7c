"""Axes: round numbers at even distances, and how they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

from olearn_tui.formats import compact

LEAST_SHARES = 0.02  # what an axis of shares spans at least


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values with its ticks, lowest first."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def level(self, value: float) -> float:
        """Return where a value stands: 0 at the bottom, 1 at the top."""
        return (value - self.low) / (self.high - self.low)

    def labels(self) -> list[str]:
        """Return the ticks as text, all with the same number of decimals."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        if self.high < 1_000:
            decimals = max(0, -math.floor(math.log10(step) + 1e-9))
            return [f"{tick:.{decimals}f}" for tick in self.ticks]
        return [compact(tick) for tick in self.ticks]


def scale_of(low: float, high: float, most_ticks: int) -> Scale:
    """
    Return a scale around two values whose ticks are 1, 2 or 5 times a power of ten apart.

    :param most_ticks: as many as there is room for
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 1.0
    if high - low < 1e-9 * max(1.0, abs(high)):
        high = low + max(1.0, abs(low))
    step = _step((high - low) / max(1, most_ticks - 1))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    while last - first + 1 > max(2, most_ticks):
        step = _step(step * 1.5)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(place * step, 12) for place in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def share_scale(low: float, high: float, most_ticks: int) -> Scale:
    """Return a scale for shares: around the values, never beyond 0…1."""
    if high - low < LEAST_SHARES:
        low, high = low - LEAST_SHARES / 2, high + LEAST_SHARES / 2
    scale = scale_of(max(0.0, low), min(1.0, high), most_ticks)
    ticks = tuple(tick for tick in scale.ticks if -1e-9 <= tick <= 1 + 1e-9)
    return Scale(ticks[0], ticks[-1], ticks) if len(ticks) > 1 else Scale(0.0, 1.0, (0.0, 1.0))


def _step(least: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    for factor in (1, 2, 5):
        if factor * power >= least * (1 - 1e-9):
            return factor * power
    return 10 * power
