"""A column of a table: what a row shows in it, and what it is sorted by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from olearn_tui.formats import printable, shortened

Tone = Literal["", "good", "warn", "bad", "muted", "accent"]
Cell = str | tuple[str, Tone]
RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Column(Generic[RowT]):
    """
    One column.

    :param value: what rows are sorted by and exports hold; None comes last
    :param cell: what is shown; at most `width` cells of it
    :param width: in cells; a column with `grows` takes what is left over
    :param rank: columns of the highest rank go first where there is too little room
    :param names: what is too long lacks its middle, else its end
    """

    title: str
    width: int
    value: Callable[[RowT], Any]
    cell: Callable[[RowT], Cell]
    left: bool = False
    grows: bool = False
    rank: int = 0
    names: bool = False

    def fitted(self, text: str, width: int) -> str:
        """Return a text of exactly so many cells."""
        if len(text) > width and self.names:
            return shortened(text, width)
        if len(text) > width:
            return text[: max(0, width - 1)] + "…" if width > 1 else text[:width]
        return text.ljust(width) if self.left else text.rjust(width)


def words(
    title: str,
    width: int,
    value: Callable[[RowT], str],
    *,
    grows: bool = False,
    rank: int = 0,
    names: bool = False,
) -> Column[RowT]:
    """Return a column of text, written as it is but for what would steer the terminal."""
    return Column(
        title,
        width,
        value,
        lambda row: printable(value(row)),
        left=True,
        grows=grows,
        rank=rank,
        names=names,
    )


def fitting(columns: Sequence[Column[RowT]], width: int) -> list[tuple[Column[RowT], int]]:
    """Return the columns there is room for, two cells apart, with their widths."""
    kept = list(columns)
    while len(kept) > 1 and _needed(kept) > width:
        last = max(range(len(kept)), key=lambda place: (kept[place].rank, place))
        if kept[last].rank == 0:
            break
        del kept[last]
    spare = max(0, width - _needed(kept))
    growing = [column for column in kept if column.grows]
    extra = spare // len(growing) if growing else 0
    return [(column, column.width + (extra if column.grows else 0)) for column in kept]


def _needed(columns: Sequence[Column[RowT]]) -> int:
    return sum(column.width for column in columns) + 2 * (len(columns) - 1) + 1
