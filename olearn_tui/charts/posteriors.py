"""What is believed of a share: densities over 0…1, one over another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from olearn_tui.charts.braille import area_dots, lay, line_dots
from olearn_tui.charts.grid import Grid
from olearn_tui.charts.samples import Series

REACH_SD = 4.5
LEAST_REACH = 0.02
LEAST_SHOWN = 0.01  # of the highest density


@dataclass(frozen=True, slots=True)
class Belief:
    """A share's posterior by its mean and standard deviation."""

    name: str
    mean: float
    sd: float
    ink: int = 0


def draw_posteriors(beliefs: list[Belief], width: int, height: int) -> Grid:
    """Draw the densities that have these means and deviations; the first is filled."""
    grid = Grid(width, height)
    if not beliefs or width < 16 or height < 4:
        return grid.write(max(0, (width - 12) // 2), height // 2, "no data yet")
    low, high = _range(beliefs)
    at = np.linspace(low, high, width * 2)
    curves = [beta_density(at, belief.mean, belief.sd) for belief in beliefs]
    top = max(float(curve.max()) for curve in curves)
    curves = [np.where(curve < top * LEAST_SHOWN, np.nan, curve) for curve in curves]
    rows = height - 1
    for place, (belief, curve) in reversed(list(enumerate(zip(beliefs, curves, strict=True)))):
        draw = area_dots if place == 0 else line_dots
        lay(grid, draw(curve / top, rows * 4), belief.ink)
    _axis(grid, low, high)
    return grid


def beta_density(at: Series, mean: float, sd: float) -> Series:
    """Return the density of the beta distribution of a mean and a standard deviation."""
    mean = min(max(mean, 1e-6), 1 - 1e-6)
    # Any distribution on 0…1 has a variance below mean · (1 − mean).
    strength = max(mean * (1 - mean) / max(sd, 1e-6) ** 2 - 1, 1e-3)
    a, b = mean * strength, (1 - mean) * strength
    x = np.clip(at, 1e-9, 1 - 1e-9)
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    density: Series = np.exp(constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x))
    return density


def _range(beliefs: list[Belief]) -> tuple[float, float]:
    low = min(belief.mean - max(REACH_SD * belief.sd, LEAST_REACH) for belief in beliefs)
    high = max(belief.mean + max(REACH_SD * belief.sd, LEAST_REACH) for belief in beliefs)
    return max(0.0, low), min(1.0, high)


def _axis(grid: Grid, low: float, high: float) -> None:
    y = grid.height - 1
    labels = max(2, grid.width // 16)
    for place in range(labels):
        share = place / (labels - 1)
        text = f"{low + share * (high - low):.3f}"
        grid.write(round(share * (grid.width - len(text))), y, text)
