"""Cells of a terminal with a character and an ink each."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

BLANK = -1
MUTED = -2


class Grid:
    """
    A drawing of `height` × `width` cells.

    An ink is an index into whatever colours the widget has; `BLANK` and `MUTED`
    are there in every drawing.
    """

    def __init__(self, width: int, height: int) -> None:
        self.text: NDArray[np.str_] = np.full((height, width), " ", dtype="<U1")
        self.ink: NDArray[np.int16] = np.full((height, width), BLANK, dtype=np.int16)

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.text[0]) if len(self.text) else 0

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.text)

    def write(self, x: int, y: int, text: str, ink: int = MUTED) -> Self:
        """Write a line of text; what lies outside is left away."""
        if 0 <= y < self.height:
            for place, character in enumerate(text, x):
                if 0 <= place < self.width:
                    self.text[y, place] = character
                    self.ink[y, place] = ink
        return self

    def paste(self, other: Grid, x: int, y: int) -> Self:
        """Lay another drawing over this one; its blanks let this one through."""
        height = min(other.height, self.height - y)
        width = min(other.width, self.width - x)
        if height <= 0 or width <= 0:
            return self
        text, ink = other.text[:height, :width], other.ink[:height, :width]
        seen = text != " "
        self.text[y : y + height, x : x + width][seen] = text[seen]
        self.ink[y : y + height, x : x + width][seen] = ink[seen]
        return self

    def runs(self, y: int) -> list[tuple[str, int]]:
        """Return a row as pieces of text of one ink each."""
        if not self.width:
            return []
        inks = self.ink[y]
        starts = [0, *(np.flatnonzero(np.diff(inks)) + 1).tolist(), self.width]
        line = "".join(self.text[y].tolist())
        return [(line[start:end], int(inks[start])) for start, end in pairwise(starts)]

    def lines(self) -> list[str]:
        """Return the characters alone, a string a row."""
        return ["".join(row.tolist()) for row in self.text]
