"""The one table of sums that every bundled model is a view on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from olearn_core.errors import SumOverflowError
from olearn_core.statistics.arrays import FloatArray, IntArray
from olearn_core.statistics.buckets import Bucket, compacted
from olearn_core.statistics.columns import SUM_LIMIT

OTHER = "__other__"


def scatter(values: IntArray, targets: IntArray, size: int) -> IntArray:
    """
    Add rows of values (n, columns) into `size` rows, row i into targets[i].

    :raises SumOverflowError: where a sum would pass 2^61
    """
    sums = np.zeros((size, values.shape[1]), dtype=np.int64)
    np.add.at(sums, targets, values)
    rough = np.zeros(sums.shape)  # tells a sum that has wrapped, and may look small, from a small
    np.add.at(rough, targets, values.astype(np.float64))
    if _beyond(rough, 2 * SUM_LIMIT) or _beyond(sums, SUM_LIMIT):
        raise SumOverflowError
    return sums


def _beyond(sums: IntArray | FloatArray, limit: int) -> bool:
    return bool(sums.size) and (int(sums.max()) > limit or int(sums.min()) < -limit)


class Cell(NamedTuple):
    """
    Where a sum belongs, and when.

    :param context: "" for the cell of all contexts, else "key=value"
    """

    tenant: str
    task_type: str
    agent: str
    context: str
    bucket: Bucket


class Statistics:
    """
    A sparse table of integer sums: a row a cell, a column a declared quantity.

    Two tables add; addition commutes and associates exactly, so order, split
    and replay of events do not matter. Rows of zeros are no rows.

    :param columns: names, in the order of `values`' second axis
    """

    def __init__(self, columns: Sequence[str], rows: int = 64) -> None:
        self.columns = tuple(columns)
        self.rows: dict[Cell, int] = {}
        self.cells: list[Cell] = []
        self._values = np.zeros((max(rows, 1), len(self.columns)), dtype=np.int64)

    @classmethod
    def of(cls, columns: Sequence[str], cells: Sequence[Cell], values: IntArray) -> Self:
        """Return a table of these cells (each once) and values, shape (cells, columns)."""
        table = cls(columns, rows=len(cells))
        table.add(cells, values)
        return table

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Statistics({len(self)} cells, {len(self.columns)} columns)"

    @property
    def values(self) -> IntArray:
        """The sums in row order, shape (rows, columns); a view, not a copy."""
        return self._values[: len(self.rows)]

    @property
    def nbytes(self) -> int:
        """Memory held by the sums."""
        return self._values.nbytes

    def items(self) -> Iterator[tuple[Cell, dict[str, int]]]:
        """Yield each cell with its sums that are not zero, cells of zeros left out."""
        for cell, row in self.rows.items():
            sums = {
                name: value
                for name, value in zip(self.columns, self._values[row].tolist(), strict=True)
                if value
            }
            if sums:
                yield cell, sums

    def row(self, cell: Cell) -> int:
        """Return the cell's row, made where it is new."""
        row = self.rows.get(cell)
        if row is None:
            row = self.rows[cell] = len(self.rows)
            self.cells.append(cell)
            if row == len(self._values):
                self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        return row

    def row_numbers(self, cells: Iterable[Cell]) -> IntArray:
        """Return the rows of the cells, made where they are new."""
        return np.array([self.row(cell) for cell in cells], dtype=np.int64)

    def add_rows(self, rows: IntArray, values: IntArray) -> None:
        """
        Add values (n, columns) to rows (n), each row at most once.

        :raises SumOverflowError: before any sum passes 2^61; nothing is added then
        """
        sums = self._values[rows] + values
        if _beyond(sums, SUM_LIMIT):
            raise SumOverflowError
        self._values[rows] = sums

    def add(self, cells: Sequence[Cell], values: IntArray) -> None:
        """Add values (n, columns) to cells (n), each cell at most once."""
        self.add_rows(self.row_numbers(cells), values)

    def put(self, other: Statistics) -> None:
        """Replace the sums of the other table's cells by its own (absolute) values."""
        rows = self.row_numbers(other.rows)  # first, for it may replace the array
        self._values[rows] = other.aligned(self.columns)

    def merge(self, other: Statistics) -> None:
        """Add the other table; columns it does not have count as zero."""
        self.add(list(other.rows), other.aligned(self.columns))

    def __add__(self, other: Statistics) -> Statistics:
        columns = (*self.columns, *(c for c in other.columns if c not in self.columns))
        total = Statistics(columns, rows=len(self) + len(other))
        total.merge(self)
        total.merge(other)
        return total

    def negated(self) -> Statistics:
        """Return the table that, added to this one, leaves nothing."""
        return Statistics.of(self.columns, list(self.rows), -self.values)

    def aligned(self, columns: Sequence[str]) -> IntArray:
        """Return the values with these columns in this order, zeros where there is none."""
        if tuple(columns) == self.columns:
            return self.values
        values = np.zeros((len(self), len(columns)), dtype=np.int64)
        for target, name in enumerate(columns):
            if name in self.columns:
                values[:, target] = self.values[:, self.columns.index(name)]
        return values

    def take(self, rows: Sequence[int] | IntArray) -> Statistics:
        """Return the part of the table that these rows make up."""
        index = np.asarray(rows, dtype=np.int64)
        return Statistics.of(
            self.columns, [self.cells[row] for row in index.tolist()], self._values[index]
        )

    def select(self, columns: Sequence[str]) -> Statistics:
        """Return the table with these columns only."""
        return Statistics.of(columns, list(self.rows), self.aligned(columns))

    def compact(self, reference_seconds: float) -> Statistics:
        """
        Return the table as it stands at a reference time (Unix seconds).

        Hours older than 48 are added to their day, days older than 90 to the base.
        """
        moved: dict[Cell, int] = {}
        targets = np.array(
            [
                moved.setdefault(cell._replace(bucket=target), len(moved))
                for cell, target in self._targets(reference_seconds)
            ],
            dtype=np.int64,
        )
        return Statistics.of(self.columns, list(moved), scatter(self.values, targets, len(moved)))

    def _targets(self, reference_seconds: float) -> Iterator[tuple[Cell, Bucket]]:
        known: dict[Bucket, Bucket] = {}
        for cell in self.rows:
            if cell.bucket not in known:
                known[cell.bucket] = compacted(cell.bucket, reference_seconds)
            yield cell, known[cell.bucket]

    def is_compact(self, reference_seconds: float) -> bool:
        """Tell whether a compaction at this time would change nothing."""
        buckets = {cell.bucket for cell in self.rows}
        return all(compacted(bucket, reference_seconds) == bucket for bucket in buckets)

    def totals(self) -> Mapping[str, int]:
        """Return each column's sum over the cells of all contexts."""
        rows = [row for cell, row in self.rows.items() if not cell.context]
        high, low = np.divmod(self._values[rows], 1 << 32)  # the sum of sums may pass 2^63
        sums = zip(high.sum(axis=0).tolist(), low.sum(axis=0).tolist(), strict=True)
        return {name: (h << 32) + r for name, (h, r) in zip(self.columns, sums, strict=True)}
