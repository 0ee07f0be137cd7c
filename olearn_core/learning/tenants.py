"""A tenant's rows, gathered from many tables into arrays that can be weighed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from olearn_core.models import Sums
from olearn_core.statistics import (
    FloatArray,
    IntArray,
    Rows,
    Statistics,
    Weighting,
    row_weights,
)


class TenantSpace:
    """The task types and agents of a tenant, numbered in the order of their coming."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}
        self.agents: dict[str, int] = {}

    def number(self, task_type: str, agent: str) -> tuple[int, int]:
        """Return the numbers of both, given where they are new."""
        task = self.tasks.setdefault(task_type, len(self.tasks))
        return task, self.agents.setdefault(agent, len(self.agents))


class TableIndex:
    """
    Where each row of a table belongs, kept up as rows are added.

    Only cells of all contexts are indexed.
    """

    def __init__(self, table: Statistics, spaces: dict[str, TenantSpace]) -> None:
        self.table = table
        self._spaces = spaces
        self._seen = 0
        self._found: dict[str, list[tuple[int, int, int, int, int]]] = {}
        self._arrays: dict[str, IntArray] = {}

    def rows_of(self, tenant: str) -> IntArray:
        """Return (row, task, agent, tier, number) of a tenant's rows, shape (rows, 5)."""
        if self._seen < len(self.table):
            self._catch_up()
        if tenant not in self._arrays:
            found = self._found.get(tenant, [])
            self._arrays[tenant] = np.array(found, dtype=np.int64).reshape(-1, 5)
        return self._arrays[tenant]

    @property
    def tenants(self) -> Iterable[str]:
        """Tenants that have rows."""
        if self._seen < len(self.table):
            self._catch_up()
        return self._found.keys()

    def _catch_up(self) -> None:
        for row in range(self._seen, len(self.table)):
            cell = self.table.cells[row]
            if cell.context:
                continue
            space = self._spaces.setdefault(cell.tenant, TenantSpace())
            place = (row, *space.number(cell.task_type, cell.agent), *cell.bucket)
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
) -> Sums:
    """
    Add up a tenant's rows of all tables, each weighted by its bucket.

    :param count: column that counts the events of the component to be read
    """
    places, values = _gathered(tenant, indexes, columns)
    shape = (len(space.tasks), len(space.agents))
    cells = places[:, 0] * shape[1] + places[:, 1]
    rows = Rows(cells, places[:, 2], places[:, 3])
    weights = row_weights(weighting, rows, values[:, columns.index(count)], now_seconds)
    sums = _summed(cells, values, weights, shape[0] * shape[1])
    return Sums(
        tuple(space.tasks),
        tuple(space.agents),
        columns,
        sums.reshape(*shape, len(columns)),
        _last_days(rows, places[:, 1], shape[1]),
    )


def exact(
    tenant: str, space: TenantSpace, indexes: Sequence[TableIndex], columns: Sequence[str]
) -> IntArray:
    """Return a tenant's integer sums over all time, shape (tasks, agents, columns)."""
    places, values = _gathered(tenant, indexes, columns)
    sums = np.zeros((len(space.tasks), len(space.agents), len(columns)), dtype=np.int64)
    np.add.at(sums, (places[:, 0], places[:, 1]), values)
    return sums


def _gathered(
    tenant: str, indexes: Sequence[TableIndex], columns: Sequence[str]
) -> tuple[IntArray, IntArray]:
    places = [np.zeros((0, 4), dtype=np.int64)]
    values = [np.zeros((0, len(columns)), dtype=np.int64)]
    for index in indexes:
        rows = index.rows_of(tenant)
        if len(rows):
            places.append(rows[:, 1:])
            values.append(index.table.aligned(columns)[rows[:, 0]])
    return np.concatenate(places), np.concatenate(values)


def _summed(cells: IntArray, values: IntArray, weights: FloatArray, size: int) -> FloatArray:
    sums = np.zeros((size, values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(cells, weights * values[:, column], minlength=size)
    return sums


def _last_days(rows: Rows, agents: IntArray, size: int) -> IntArray:
    last = np.full(size, -1, dtype=np.int64)
    np.maximum.at(last, agents, rows.days())
    return last
