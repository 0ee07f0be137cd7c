"""Several series over time, each with its name and newest value at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olearn_tui.charts.braille import lay, line_dots
from olearn_tui.charts.grid import MUTED, Grid
from olearn_tui.charts.samples import Series, resampled, window
from olearn_tui.charts.scale import Scale, scale_of, share_scale
from olearn_tui.formats import shortened

ROWS_A_TICK = 3
MOST_NAME = 28
NARROW = 48
LEAST_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A named series; times are seconds, rising; NaN values are gaps."""

    name: str
    times: Series
    values: Series
    ink: int = 0


def draw_lines(
    lines: Sequence[Line],
    width: int,
    height: int,
    *,
    shares: bool = False,
    threshold: float | None = None,
    span_seconds: float | None = None,
) -> Grid:
    """
    Draw lines over one another, the last on top.

    :param shares: the values are between 0 and 1, and so is the axis
    :param threshold: a level to mark with a dashed line
    :param span_seconds: how much of the time to show, None for all there is
    """
    grid = Grid(width, height)
    known = [line for line in lines if np.isfinite(line.values).any()]
    if not known or width < 16 or height < 3:
        return grid.write(max(0, (width - 12) // 2), height // 2, "no data yet")
    seen = np.unique(np.concatenate([line.times[[0, -1]] for line in known]))
    start, end = window(seen, span_seconds)
    scale = _scale(known, start, height - 1, threshold, shares=shares)
    left = max(len(label) for label in scale.labels()) + 1
    right = _label_width(known, scale, width)
    if width - left - right < LEAST_COLUMNS:
        right = 0  # no names, where they would leave nothing over
    columns = width - left - right
    if columns < LEAST_COLUMNS:
        return grid
    _axes(grid, scale, left, columns, height - 1, end - start)
    if threshold is not None:
        _mark(grid, scale, threshold, left, columns, height - 1)
    for line in known:
        values = resampled(line.times, line.values, start, end, columns * 2)
        levels = (values - scale.low) / (scale.high - scale.low)
        lay(grid, line_dots(levels, (height - 1) * 4), line.ink, left)
    if right:
        _names(grid, known, scale, left + columns + 1, height - 1, right - 1)
    return grid


def _scale(
    lines: list[Line], start: float, rows: int, threshold: float | None, *, shares: bool
) -> Scale:
    seen = np.concatenate([line.values[line.times >= start] for line in lines])
    seen = seen[np.isfinite(seen)]
    low, high = (0.0, 1.0) if not len(seen) else (float(seen.min()), float(seen.max()))
    if threshold is not None:
        low, high = min(low, threshold), max(high, threshold)
    ticks = max(2, rows // ROWS_A_TICK + 1)
    return share_scale(low, high, ticks) if shares else scale_of(low, high, ticks)


def _label_width(lines: list[Line], scale: Scale, width: int) -> int:
    """Return the room at the right: a space, a name, a space, a value."""
    longest = max(len(line.name) for line in lines)
    most = 8 if width < NARROW else min(MOST_NAME, max(18, width * 3 // 10))
    return min(longest, most) + 2 + _value_width(scale)


def _value_width(scale: Scale) -> int:
    return 5 if scale.high >= 0.1 else 6


def _value(value: float, scale: Scale) -> str:
    if scale.high > 1:
        return f"{value:.4g}"[:5]
    return f"{value:.{_value_width(scale) - 2}f}"


def _axes(
    grid: Grid, scale: Scale, left: int, columns: int, rows: int, span_seconds: float
) -> None:
    for tick, label in zip(scale.ticks, scale.labels(), strict=True):
        y = _row(scale.level(tick), rows)
        grid.write(0, y, label.rjust(left - 1))
        grid.write(left, y, "┈" * columns)
    grid.write(left, rows, f"-{_span(span_seconds)}")
    grid.write(left + columns - 3, rows, "now")


def _mark(grid: Grid, scale: Scale, threshold: float, left: int, columns: int, rows: int) -> None:
    grid.write(left, _row(scale.level(threshold), rows), "╌" * columns, MUTED)


def _names(grid: Grid, lines: list[Line], scale: Scale, x: int, rows: int, room: int) -> None:
    """Write each name where its line ends, or as near to it as there is a free row."""
    ends = [line.values[np.isfinite(line.values)][-1] for line in lines]
    wanted = [_row(scale.level(float(end)), rows) for end in ends]
    order = sorted(range(len(lines)), key=lambda place: (wanted[place], -ends[place]))
    for place, y in zip(order, spread([wanted[i] for i in order], rows), strict=False):
        wide = _value_width(scale)
        name = shortened(lines[place].name, room - wide - 1)
        value = _value(float(ends[place]), scale)
        grid.write(x, y, f"{name:<{room - wide - 1}} {value:>{wide}}", lines[place].ink)


def spread(wanted: list[int], rows: int) -> list[int]:
    """
    Return rows that differ, each as near to the wanted one as may be; both are rising.

    Where there are more than rows, the last are left away.
    """
    placed: list[int] = []
    for row in wanted[:rows]:
        placed.append(max(row, placed[-1] + 1 if placed else 0))
    limit = rows - 1
    for place in range(len(placed) - 1, -1, -1):
        placed[place] = min(placed[place], limit)
        limit = placed[place] - 1
    return placed


def _row(level: float, rows: int) -> int:
    return min(rows - 1, max(0, round((1 - level) * (rows * 4 - 1)) // 4))


def _span(seconds: float) -> str:
    if seconds >= 172_800:
        return f"{seconds / 86_400:.0f} d"
    if seconds >= 7_200:
        return f"{seconds / 3_600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
