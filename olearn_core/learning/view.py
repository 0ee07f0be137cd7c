"""
The view: what decisions read.

Own shards live, those of other workers polled, plus the adjustments of each
model. Sums are weighed when somebody asks, and kept while nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from olearn_core.errors import CorruptArtifactError
from olearn_core.learning.loading import apply
from olearn_core.learning.shard import Shard
from olearn_core.learning.tenants import TableIndex, TenantSpace, exact, weighed
from olearn_core.learning.worker import Worker
from olearn_core.models import Sums
from olearn_core.models.sums import empty_sums
from olearn_core.statistics import IntArray, Statistics, Weighting
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.shards import ShardHeader, ShardStore

FRESH_SECONDS = 0.1
REST_PER_COST = 10.0  # so that weighing takes a tenth of the time at most


@dataclass(slots=True)
class _Remote:
    """A shard of another worker, as of a version."""

    version: int
    index: TableIndex


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
    :ivar problems: shards that cannot be read, and why
    """

    def __init__(
        self,
        shards: ShardStore,
        adjustments: AdjustmentStore,
        columns: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.columns = tuple(columns)
        self._shards = shards
        self._adjustments = adjustments
        self._clock = clock
        self._worker: Worker | None = None
        self._remote: dict[int, _Remote] = {}
        self._own: dict[int, TableIndex] = {}
        self._spaces: dict[str, TenantSpace] = {}
        self._adjusted: dict[tuple[str, str], TableIndex] = {}
        self._newest_adjustment = 0
        self._kept: dict[tuple[str, str, Weighting, str], _Kept] = {}
        self.as_of = 0.0
        self.headers: Sequence[ShardHeader] = ()
        self.problems: dict[str, str] = {}

    def follow(self, worker: Worker) -> None:
        """Read a worker's shards live."""
        self._worker = worker

    @property
    def version(self) -> int:
        """A number that grows with every checkpoint anywhere."""
        own = {s.state.id: s.state.version for s in self._own_shards()}
        remote = {i: r.version for i, r in self._remote.items() if i not in own}
        return sum(own.values()) + sum(remote.values())

    async def poll(self) -> None:
        """Bring the shards of other workers, and the adjustments, up to date."""
        headers = await self._shards.headers()
        own = {shard.state.id for shard in self._own_shards()}
        for header in headers:
            known = self._remote.get(header.id)
            if header.id not in own and (known is None or known.version != header.version):
                await self._load_or_say(header, known)
        for shard_id in own:
            self._remote.pop(shard_id, None)
        await self._poll_adjustments()
        self.headers = headers
        self.as_of = self._clock()

    async def _load_or_say(self, header: ShardHeader, known: _Remote | None) -> None:
        """Load a shard, or say why it cannot be; the others go on."""
        name = f"{header.topic}/{header.partition}"
        try:
            await self._load(header.id, known)
        except CorruptArtifactError as error:
            self.problems[name] = f"cannot be read: {error}"
        else:
            self.problems.pop(name, None)

    async def _poll_adjustments(self) -> None:
        newest = await self._adjustments.newest()
        if newest != self._newest_adjustment:
            tables = await self._adjustments.load(self.columns)
            self._adjusted = {k: TableIndex(t, self._spaces) for k, t in tables.items()}
            self._newest_adjustment = newest

    async def _load(self, shard_id: int, known: _Remote | None) -> None:
        after = -1 if known is None else known.version
        header, sums = await self._shards.sums(shard_id, after)
        if known is None or header.reset_version > known.version:
            if known is not None:
                header, sums = await self._shards.sums(shard_id, -1)
            table = apply(Statistics(self.columns), sums)
            self._remote[shard_id] = _Remote(header.version, TableIndex(table, self._spaces))
            return
        apply(known.index.table, sums)
        known.version = header.version

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
        gradient = weighting.strategy == "gradient"
        key = (tenant, model if adjusted else "", weighting, count if gradient else "")
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
        space = self._spaces.get(tenant)
        if space is None:
            return empty_sums(self.columns)
        return weighed(tenant, space, indexes, self.columns, weighting, count, now)

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

    def counters(self) -> Mapping[str, int]:
        """Return the shards' totals since the beginning, own ones live."""
        totals: dict[str, int] = {}
        own = {shard.state.id: shard for shard in self._own_shards()}
        for header in self.headers:
            shard = own.get(header.id)
            for name, value in (shard.counters() if shard else header.counters).items():
                totals[name] = totals.get(name, 0) + value
        return totals

    def _stamp(self, now: float) -> int:
        """A number that changes whenever any weighted sum may have, at least each minute."""
        live = sum(shard.next_offset for shard in self._own_shards())
        return hash((live, self.version, len(self._remote), self._newest_adjustment, now // 60))

    def _own_shards(self) -> Iterable[Shard]:
        return () if self._worker is None else self._worker.shards.values()

    def _indexes(self, model: str = "", tenant: str = "") -> list[TableIndex]:
        own: dict[int, TableIndex] = {}
        for shard in self._own_shards():
            index = self._own.get(shard.state.id)
            if index is None or index.table is not shard.table:
                index = TableIndex(shard.table, self._spaces)
            own[shard.state.id] = index
        # A shard that has just left us is read as we knew it until it is polled.
        known = own.keys() | self._remote.keys()
        departed = {i: index for i, index in self._own.items() if i not in known}
        self._own = own | departed
        own |= departed
        remote = [r.index for i, r in self._remote.items() if i not in own]
        adjusted = self._adjusted.get((model, tenant))
        return [*own.values(), *remote, *([adjusted] if adjusted else [])]
