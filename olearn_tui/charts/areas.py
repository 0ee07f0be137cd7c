"""One series over time, filled, its colour rising with the height."""

from __future__ import annotations

import numpy as np

from olearn_tui.charts.braille import area_dots, packed
from olearn_tui.charts.grid import MUTED, Grid
from olearn_tui.charts.samples import Series, peaks, window
from olearn_tui.charts.scale import Scale, scale_of

STEPS = 12


def draw_area(
    times: Series, values: Series, width: int, height: int, *, span_seconds: float | None = None
) -> Grid:
    """
    Draw an area from 0 up; inks 0 … `STEPS` − 1 rise with the height.

    :param span_seconds: how much of the time to show, None for all there is
    """
    grid = Grid(width, height)
    if not np.isfinite(values).any() or width < 12 or height < 2:
        return grid.write(max(0, (width - 12) // 2), height // 2, "no data yet")
    start, end = window(times, span_seconds)
    shown = values[times >= start]
    scale = _scale(float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0, height)
    labels = scale.labels()
    left = max(map(len, labels)) + 1
    columns = width - left
    for tick, label in zip(scale.ticks, labels, strict=True):
        y = min(height - 1, max(0, round((1 - scale.level(tick)) * (height * 4 - 1)) // 4))
        grid.write(0, y, label.rjust(left - 1))
        grid.write(left, y, "┈" * columns)
    levels = peaks(times, values, start, end, columns * 2) / scale.high
    _fill(grid, levels, left)
    return grid


def _scale(most: float, height: int) -> Scale:
    """Return a scale from 0 to a little above the highest value, which need not be a tick."""
    even = scale_of(0.0, most, max(3, height // 2))
    high = min(even.high, 1.1 * most) or even.high
    return Scale(0.0, high, tuple(tick for tick in even.ticks if tick <= high))


def _fill(grid: Grid, levels: Series, left: int) -> None:
    layer = Grid(grid.width - left, grid.height)
    layer.text = packed(area_dots(levels, grid.height * 4))
    rising = (np.arange(grid.height)[::-1] * STEPS // max(1, grid.height)).astype(np.int16)
    layer.ink = np.where(layer.text == " ", MUTED, rising[:, None]).astype(np.int16)
    grid.paste(layer, left, 0)
