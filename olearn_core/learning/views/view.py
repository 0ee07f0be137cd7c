"""
The view: what decisions read.

Own shards live, those of other workers polled, plus the adjustments of each
model. Sums are weighed when somebody asks, and kept while nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.learning.views.returns import ReturnCounts, Returns
from olearn_core.learning.views.shard_tables import ShardTables, TableIndexes
from olearn_core.learning.views.source_caps import capped
from olearn_core.learning.views.tenants import (
    History,
    TableIndex,
    TenantSpace,
    Unseen,
    exact,
    history,
    hourly,
    weighed,
)
from olearn_core.learning.workers.worker import Worker
from olearn_core.models import Sums
from olearn_core.models.sums import empty_sums
from olearn_core.statistics import IntArray, Weighting
from olearn_core.statistics.standard import DECIDED, JOINED
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.shards import ShardHeader, ShardStore

FRESH_SECONDS = 0.1
REST_PER_COST = 10.0  # so that weighing takes a tenth of the time at most


@dataclass(slots=True)
class _Kept:
    """
    Weighted sums, with the time at which they were last known to be up to date.

    :param rest_seconds: how long they serve before anybody looks again
    """

    sums: Sums
    stamp: int
    at: float
    rest_seconds: float


class View:
    """
    The merged sums of all shards, by tenant.

    :param columns: names of the table's columns
    :param clock: Unix seconds, from which buckets' ages count
    :param most_source_share: of an agent's weight, that one source may bring
    :param wait_seconds: how long the outcome of a decision may take
    :param default: what a decision adds to each column where no outcome came in time,
        shape (columns,), None for nothing
    """

    def __init__(
        self,
        shards: ShardStore,
        adjustments: AdjustmentStore,
        columns: Sequence[str],
        clock: Callable[[], float] = time.time,
        most_source_share: float = 1.0,
        wait_seconds: float = 0.0,
        default: IntArray | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self._shards = shards
        self._adjustments = adjustments
        self._clock = clock
        self._most_source_share = most_source_share
        self._default = default
        names = (*self.columns, JOINED.name)
        self._outcomes = ShardTables(shards, names, counts_decisions=False)
        self._decisions = ShardTables(shards, (DECIDED.name,), counts_decisions=True)
        self._returns = ReturnCounts(self._outcomes, self._decisions, wait_seconds)
        self._spaces: dict[str, TenantSpace] = {}
        self._kept_indexes = TableIndexes(self._spaces)
        self._adjusted: dict[tuple[str, str], TableIndex] = {}
        self._newest_adjustment = 0
        self._kept: dict[tuple[str, str, Weighting, str], _Kept] = {}
        self.as_of = 0.0

    def follow(self, worker: Worker) -> None:
        """Read a worker's shards live."""
        self._outcomes.follow(worker)
        self._decisions.follow(worker)

    @property
    def version(self) -> int:
        """A number that grows with every checkpoint anywhere."""
        return self._outcomes.version

    @property
    def headers(self) -> Sequence[ShardHeader]:
        """The shards of outcomes, as last polled."""
        return self._outcomes.headers

    @property
    def problems(self) -> dict[str, str]:
        """Shards that cannot be read, and why."""
        return self._outcomes.problems | self._decisions.problems

    async def poll(self) -> Sequence[ShardHeader]:
        """Bring the shards of other workers, and the adjustments, up to date; return all shards."""
        headers = await self._shards.headers()
        await self._outcomes.poll(headers)
        await self._decisions.poll(headers)
        await self._poll_adjustments()
        self.as_of = self._clock()
        return headers

    async def _poll_adjustments(self) -> None:
        newest = await self._adjustments.newest()
        if newest != self._newest_adjustment:
            tables = await self._adjustments.load(self.columns)
            self._adjusted = {k: TableIndex(t, self._spaces) for k, t in tables.items()}
            self._newest_adjustment = newest

    @property
    def tenants(self) -> set[str]:
        """Tenants that have outcomes."""
        return {tenant for index in self._indexes() for tenant in index.tenants}

    def sums(self, tenant: str, model: str, weighting: Weighting, count: str) -> Sums:
        """
        Return a tenant's sums, weighted for one model.

        :param count: column that counts the model's events
        """
        adjusted = (model, tenant) in self._adjusted
        by_count = weighting.strategy == "gradient" or self._most_source_share < 1
        key = (tenant, model if adjusted else "", weighting, count if by_count else "")
        kept, now = self._kept.get(key), self._clock()
        if kept is not None and abs(now - kept.at) < kept.rest_seconds:
            return kept.sums
        stamp = self._stamp(now)
        if kept is not None and kept.stamp == stamp:
            kept.at = now
            return kept.sums
        started = time.perf_counter()
        sums = self._weighed(tenant, model, weighting, count, now)
        cost = time.perf_counter() - started
        self._kept[key] = _Kept(sums, stamp, now, max(FRESH_SECONDS, cost * REST_PER_COST))
        return sums

    def _weighed(
        self, tenant: str, model: str, weighting: Weighting, count: str, now: float
    ) -> Sums:
        indexes = self._indexes(model, tenant)
        for index in indexes:
            index.rows_of(tenant)  # so that the space knows every name before it is measured
        unseen = self._unseen(tenant)
        space = self._spaces.get(tenant)
        if space is None:
            return empty_sums(self.columns)
        sums = weighed(tenant, space, indexes, self.columns, weighting, count, now, unseen)
        if self._most_source_share == 1:
            return sums
        share = self._most_source_share
        return capped(sums, tenant, space, indexes, weighting, count, now, share)

    def exact(self, tenant: str) -> tuple[Sequence[str], Sequence[str], IntArray]:
        """Return task types, agents and integer sums (tasks, agents, columns) of all time."""
        indexes = self._indexes()
        for index in indexes:
            index.rows_of(tenant)
        space = self._spaces.get(tenant, TenantSpace())
        return (
            tuple(space.tasks),
            tuple(space.agents),
            exact(tenant, space, indexes, self.columns),
        )

    def hourly(self, tenant: str, column: str) -> Mapping[int, int]:
        """Return a column's sums by hours since 1970 of event time, of the last 48 hours."""
        return hourly(tenant, self._indexes(), column)

    def history(self, tenant: str, columns: Sequence[str] | None = None) -> History:
        """
        Return a tenant's rows of all shards: what happened in which bucket.

        :param columns: that are wanted, None for all
        """
        indexes = self._indexes()
        for index in indexes:
            index.rows_of(tenant)
        space = self._spaces.get(tenant, TenantSpace())
        return history(tenant, space, indexes, columns or self.columns)

    def counters(self) -> Mapping[str, int]:
        """Return the shards' totals since the beginning, own ones live."""
        return self._outcomes.counters()

    def returns(self, tenant: str) -> Returns:
        """Return a tenant's decisions, and which of them came back."""
        return self._returns.of(tenant, self._clock())

    def _stamp(self, now: float) -> int:
        """A number that changes whenever any weighted sum may have, at least each minute."""
        return hash((*self._outcomes.stamp, self._newest_adjustment, now // 60))

    def _indexes(self, model: str = "", tenant: str = "") -> list[TableIndex]:
        indexes = self._kept_indexes.of(self._outcomes.tables())
        adjusted = self._adjusted.get((model, tenant))
        return [*indexes, *([adjusted] if adjusted else [])]

    def _unseen(self, tenant: str) -> Unseen | None:
        """Return the default outcomes of decisions that none came for, numbered as the view is."""
        if self._default is None:
            return None
        returns = self.returns(tenant)
        rows = np.flatnonzero(returns.dangling)
        space = self._spaces.setdefault(tenant, TenantSpace())
        places = returns.places[rows]
        tasks, agents = np.zeros(len(returns.tasks)), np.zeros(len(returns.agents))
        for task, agent in np.unique(places[:, :2], axis=0).tolist():
            named = (returns.tasks[task], returns.agents[agent])
            tasks[task], agents[agent] = space.number(*named)
        places[:, 0], places[:, 1] = tasks[places[:, 0]], agents[places[:, 1]]
        return Unseen(places, returns.dangling[rows, None] * self._default)
