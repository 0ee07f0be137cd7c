"""A tenant's rows, gathered from many tables into arrays that can be weighed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from olearn_core.config import SOURCE_KEY
from olearn_core.models import Sums
from olearn_core.statistics import (
    FloatArray,
    IntArray,
    Rows,
    Statistics,
    Tier,
    Weighting,
    row_weights,
)
from olearn_core.statistics.arrays import BoolArray


@dataclass(frozen=True, slots=True)
class Unseen:
    """
    Rows of what never came, to be weighed as if it had.

    :param places: task, agent, tier and number of each row's bucket, shape (rows, 4)
    :param values: integer sums, shape (rows, columns)
    """

    places: IntArray
    values: IntArray


@dataclass(frozen=True, slots=True)
class History:
    """
    A tenant's rows of all contexts, as they stand in the tables; a cell may have several.

    :param places: task, agent, tier and number of each row's bucket, shape (rows, 4)
    :param values: integer sums, shape (rows, columns)
    """

    tasks: Sequence[str]
    agents: Sequence[str]
    columns: Sequence[str]
    places: IntArray
    values: IntArray

    def only(self, rows: BoolArray) -> History:
        """Return some of the rows."""
        return replace(self, places=self.places[rows], values=self.values[rows])


class TenantSpace:
    """The task types, agents and sources of a tenant, numbered in the order of their coming."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}
        self.agents: dict[str, int] = {}
        self.sources: dict[str, int] = {}

    def number(self, task_type: str, agent: str) -> tuple[int, int]:
        """Return the numbers of both, given where they are new."""
        task = self.tasks.setdefault(task_type, len(self.tasks))
        return task, self.agents.setdefault(agent, len(self.agents))


class TableIndex:
    """
    Where each row of a table belongs, kept up as rows are added.

    Only cells of one context, and of sources, are indexed.

    :param context: "" for the cells of all contexts
    """

    def __init__(
        self, table: Statistics, spaces: dict[str, TenantSpace], context: str = ""
    ) -> None:
        self.table = table
        self._context = context
        self._spaces = spaces
        self._seen = 0
        self._found: dict[str, list[tuple[int, int, int, int, int]]] = {}
        self._arrays: dict[str, IntArray] = {}
        self._sourced: dict[str, list[tuple[int, ...]]] = {}

    def rows_of(self, tenant: str) -> IntArray:
        """Return (row, task, agent, tier, number) of a tenant's rows, shape (rows, 5)."""
        if self._seen < len(self.table):
            self._catch_up()
        if tenant not in self._arrays:
            found = self._found.get(tenant, [])
            self._arrays[tenant] = np.array(found, dtype=np.int64).reshape(-1, 5)
        return self._arrays[tenant]

    def sourced_rows_of(self, tenant: str) -> IntArray:
        """Return (row, task, agent, tier, number, source) of its sources' rows, (rows, 6)."""
        if self._seen < len(self.table):
            self._catch_up()
        return np.array(self._sourced.get(tenant, []), dtype=np.int64).reshape(-1, 6)

    @property
    def tenants(self) -> Iterable[str]:
        """Tenants that have rows."""
        if self._seen < len(self.table):
            self._catch_up()
        return self._found.keys()

    def _catch_up(self) -> None:
        for row in range(self._seen, len(self.table)):
            cell = self.table.cells[row]
            key, _, source = cell.context.partition("=")
            is_wanted = cell.context == self._context
            if not is_wanted and key != SOURCE_KEY:
                continue
            space = self._spaces.setdefault(cell.tenant, TenantSpace())
            place = (row, *space.number(cell.task_type, cell.agent), *cell.bucket)
            if not is_wanted:
                number = space.sources.setdefault(source, len(space.sources))
                self._sourced.setdefault(cell.tenant, []).append((*place, number))
                continue
            self._found.setdefault(cell.tenant, []).append(place)
            self._arrays.pop(cell.tenant, None)
        self._seen = len(self.table)


def weighed(
    tenant: str,
    space: TenantSpace,
    indexes: Sequence[TableIndex],
    columns: Sequence[str],
    weighting: Weighting,
    count: str,
    now_seconds: float,
    unseen: Unseen | None = None,
) -> Sums:
    """
    Add up a tenant's rows of all tables, each weighted by its bucket.

    :param count: column that counts the events of the component to be read
    :param unseen: rows beside them, which show nobody to be there
    """
    rows = history(tenant, space, indexes, columns)
    return weighed_history(rows, weighting, count, now_seconds, unseen)


def weighed_history(
    rows: History,
    weighting: Weighting,
    count: str,
    now_seconds: float,
    unseen: Unseen | None = None,
) -> Sums:
    """Add up rows, each weighted by its bucket; those unseen show nobody to be there."""
    places, values = rows.places, rows.values
    seen = len(places)
    if unseen is not None:
        places = np.concatenate([places, unseen.places])
        values = np.concatenate([values, unseen.values])
    shape = (len(rows.tasks), len(rows.agents))
    cells = places[:, 0] * shape[1] + places[:, 1]
    compacted = Rows(cells, places[:, 2], places[:, 3]).compacted(now_seconds)
    counts = values[:, rows.columns.index(count)]
    weights = row_weights(weighting, compacted, counts, now_seconds)
    sums = summed(cells, values, weights, shape[0] * shape[1])
    return Sums(
        rows.tasks,
        rows.agents,
        rows.columns,
        sums.reshape(*shape, len(rows.columns)),
        _last_days(compacted.days()[:seen], places[:seen, 1], shape[1]),
    )


def exact(
    tenant: str, space: TenantSpace, indexes: Sequence[TableIndex], columns: Sequence[str]
) -> IntArray:
    """Return a tenant's integer sums over all time, shape (tasks, agents, columns)."""
    places, values = gathered(tenant, indexes, columns)
    sums = np.zeros((len(space.tasks), len(space.agents), len(columns)), dtype=np.int64)
    np.add.at(sums, (places[:, 0], places[:, 1]), values)
    return sums


def hourly(tenant: str, indexes: Sequence[TableIndex], column: str) -> dict[int, int]:
    """Return a tenant's sums of one column by hour, of the buckets that are hours still."""
    places, values = gathered(tenant, indexes, (column,))
    is_hour = places[:, 2] == Tier.HOUR
    hours, inverse = np.unique(places[is_hour, 3], return_inverse=True)
    sums = np.zeros(len(hours), dtype=np.int64)
    np.add.at(sums, inverse.reshape(-1), values[is_hour, 0])
    return dict(zip(hours.tolist(), sums.tolist(), strict=True))


def history(
    tenant: str, space: TenantSpace, indexes: Sequence[TableIndex], columns: Sequence[str]
) -> History:
    """Return a tenant's rows, not added up."""
    places, values = gathered(tenant, indexes, columns)
    return History(tuple(space.tasks), tuple(space.agents), columns, places, values)


def gathered_sources(
    tenant: str, indexes: Sequence[TableIndex], columns: Sequence[str]
) -> tuple[IntArray, IntArray]:
    """Return (task, agent, tier, number, source) and sums of the rows of a tenant's sources."""
    places = [np.zeros((0, 5), dtype=np.int64)]
    values = [np.zeros((0, len(columns)), dtype=np.int64)]
    for index in indexes:
        rows = index.sourced_rows_of(tenant)
        if len(rows):
            places.append(rows[:, 1:])
            values.append(index.table.aligned(columns)[rows[:, 0]])
    return np.concatenate(places), np.concatenate(values)


def gathered(
    tenant: str, indexes: Sequence[TableIndex], columns: Sequence[str]
) -> tuple[IntArray, IntArray]:
    """Return (task, agent, tier, number) and sums of a tenant's rows of all contexts."""
    places = [np.zeros((0, 4), dtype=np.int64)]
    values = [np.zeros((0, len(columns)), dtype=np.int64)]
    for index in indexes:
        rows = index.rows_of(tenant)
        if len(rows):
            places.append(rows[:, 1:])
            values.append(index.table.aligned(columns)[rows[:, 0]])
    return np.concatenate(places), np.concatenate(values)


def summed(cells: IntArray, values: IntArray, weights: FloatArray, size: int) -> FloatArray:
    """Return weighted sums of rows by cell, shape (size, columns)."""
    sums = np.zeros((size, values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(cells, weights * values[:, column], minlength=size)
    return sums


def _last_days(days: IntArray, agents: IntArray, size: int) -> IntArray:
    last = np.full(size, -1, dtype=np.int64)
    np.maximum.at(last, agents, days)
    return last
