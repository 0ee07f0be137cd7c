"""Weighted sums of one table, as a view has them, without a service around it."""

from __future__ import annotations

from collections.abc import Sequence

from olearn_core.learning.views.tenants import TableIndex, TenantSpace, weighed
from olearn_core.models import Sums
from olearn_core.models.sums import empty_sums
from olearn_core.statistics import Statistics, Weighting


class WeighedSums:
    """
    Weighs a table's rows when somebody asks, and keeps what came out until it changes.

    :param columns: names of the sums' columns
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._spaces: dict[str, TenantSpace] = {}
        self._index = TableIndex(Statistics(self._columns), self._spaces)
        self._kept: dict[tuple[str, Weighting, str], Sums] = {}

    def changed(self, table: Statistics) -> None:
        """Forget what was weighed: the table has other sums now, or is another one."""
        if self._index.table is not table:
            self._index = TableIndex(table, self._spaces)
        self._kept.clear()

    def of(self, tenant: str, weighting: Weighting, count: str, now_seconds: float) -> Sums:
        """
        Return a tenant's sums; the same object until the table changes.

        :param count: column that counts the events of the component to be read
        """
        key = (tenant, weighting, count if weighting.strategy == "gradient" else "")
        if key not in self._kept:
            self._kept[key] = self._weighed(tenant, weighting, count, now_seconds)
        return self._kept[key]

    def _weighed(self, tenant: str, weighting: Weighting, count: str, now_seconds: float) -> Sums:
        self._index.rows_of(tenant)  # so that the space knows every name before it is measured
        space = self._spaces.get(tenant)
        if space is None:
            return empty_sums(self._columns)
        return weighed(tenant, space, [self._index], self._columns, weighting, count, now_seconds)
