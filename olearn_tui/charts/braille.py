"""Eight dots a cell: a canvas twice as wide and four times as high as its cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olearn_tui.charts.grid import Grid

FIRST = 0x2800
# Bits of a cell's dots by row and column, as Unicode numbers them.
BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint16)

Dots = NDArray[np.bool_]
Levels = NDArray[np.float64]


def packed(dots: Dots) -> NDArray[np.str_]:
    """Return the characters of dots of shape (4·rows, 2·columns); blanks where none is set."""
    rows, columns = dots.shape[0] // 4, dots.shape[1] // 2
    cells = dots.reshape(rows, 4, columns, 2).transpose(0, 2, 1, 3)
    codes = (cells * BITS).sum(axis=(2, 3)).astype(np.uint32)
    codes = np.where(codes == 0, ord(" "), codes + FIRST).astype(np.uint32)
    return np.ascontiguousarray(codes).view("<U1")


def line_dots(levels: Levels, height: int) -> Dots:
    """
    Return the dots of a line through one level a dot column.

    :param levels: 0 at the bottom to 1 at the top; NaN where the line has a gap
    :param height: in dots
    """
    rows = (1 - np.clip(levels, 0, 1)) * (height - 1)
    # Each column draws half the way to its neighbours: NaN beside a gap, and then no way.
    halves = (rows[:-1] + rows[1:]) / 2
    before = np.concatenate([rows[:1], halves])
    after = np.concatenate([halves, rows[-1:]])
    low = np.round(np.fmin(rows, np.fmin(before, after)))
    high = np.round(np.fmax(rows, np.fmax(before, after)))
    place = np.arange(height)[:, None]
    inside: Dots = (place >= low) & (place <= high) & ~np.isnan(rows)
    return inside


def area_dots(levels: Levels, height: int) -> Dots:
    """Return the dots from the bottom up to each level; a level above 0 shows at least one."""
    filled = np.ceil(np.clip(levels, 0, 1) * height)
    place = height - np.arange(height)[:, None]
    below: Dots = place <= np.nan_to_num(filled)
    return below


def lay(grid: Grid, dots: Dots, ink: int, x: int = 0, y: int = 0) -> None:
    """Lay dots of one ink over a drawing; cells that are shared keep all dots, in this ink."""
    layer = Grid(dots.shape[1] // 2, dots.shape[0] // 4)
    below = grid.text[y : y + layer.height, x : x + layer.width]
    layer.text = _joined(packed(dots), below)
    layer.ink[layer.text != " "] = ink
    grid.paste(layer, x, y)


def _joined(above: NDArray[np.str_], below: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return characters with the dots of both where both have dots; else those above."""
    codes = np.ascontiguousarray(above).view(np.uint32)
    others = np.ascontiguousarray(below).view(np.uint32)
    both = (codes >= FIRST) & (others >= FIRST) & (others < FIRST + 256)
    return np.where(both, codes | others, codes).astype(np.uint32).view("<U1")
