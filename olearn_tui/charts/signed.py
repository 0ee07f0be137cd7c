"""Signed numbers as bars to the left and right of zero."""

from __future__ import annotations

from dataclasses import dataclass

from olearn_tui.charts.grid import BLANK, MUTED, Grid

POSITIVE, NEGATIVE = 0, 1
EIGHTHS = " ▏▎▍▌▋▊▉█"
VALUE = 8


@dataclass(frozen=True, slots=True)
class Signed:
    """A labelled number."""

    label: str
    value: float


LEAST_BARS = 9


def draw_signed(bars: list[Signed], width: int, height: int) -> Grid:
    """
    Draw a bar a row; all have one scale.

    Bars to the left end on a half cell, as no thinner pieces of that side exist in fonts.
    """
    grid = Grid(width, height)
    shown = bars[:height]
    if not shown:
        return grid.write(max(0, (width - 12) // 2), height // 2, "no data yet")
    room = min(max(len(bar.label) for bar in shown), max(8, width - VALUE - LEAST_BARS))
    half = max(2, (width - room - VALUE - 3) // 2)
    most = max(abs(bar.value) for bar in shown) or 1.0
    zero = room + 1 + half
    for y, bar in enumerate(shown):
        label = bar.label if len(bar.label) <= room else bar.label[: room - 1] + "…"
        grid.write(0, y, label, BLANK)
        grid.write(zero, y, "│", MUTED)
        _bar(grid, y, zero, bar.value / most * half)
        ink = POSITIVE if bar.value >= 0 else NEGATIVE
        grid.write(zero + half + 2, y, f"{bar.value:+.4f}".rjust(VALUE), ink)
    return grid


def _bar(grid: Grid, y: int, zero: int, cells: float) -> None:
    if cells >= 0:
        whole, rest = divmod(round(cells * 8), 8)
        grid.write(zero + 1, y, "█" * whole + EIGHTHS[rest].strip(), POSITIVE)
        return
    whole, rest = divmod(round(-cells * 2), 2)
    grid.write(zero - whole, y, "█" * whole, NEGATIVE)
    if rest:
        grid.write(zero - whole - 1, y, "▐", NEGATIVE)
