"""The tables of all shards of one kind: own ones live, those of other workers as last polled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from olearn_core.errors import CorruptArtifactError
from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.views.tenants import TableIndex, TenantSpace
from olearn_core.learning.workers.worker import Worker
from olearn_core.statistics import Statistics, from_bytes
from olearn_core.storage.shards import ShardHeader, ShardStore, StoredSums
from olearn_core.times import give_way


@dataclass(slots=True)
class _Remote:
    """A shard of another worker, as of a version."""

    version: int
    table: Statistics


class ShardTables:
    """
    Tables by the id of their shard.

    :param columns: names of the tables' columns
    :param counts_decisions: whether shards of decisions are wanted, or those of outcomes
    :ivar headers: of these shards, as last polled
    :ivar problems: shards that cannot be read, and why
    """

    def __init__(
        self, store: ShardStore, columns: Sequence[str], *, counts_decisions: bool
    ) -> None:
        self._store = store
        self._columns = tuple(columns)
        self._counts_decisions = counts_decisions
        self._worker: Worker | None = None
        self._remote: dict[int, _Remote] = {}
        self._known: dict[int, Statistics] = {}
        self.headers: Sequence[ShardHeader] = ()
        self.problems: dict[str, str] = {}

    def follow(self, worker: Worker) -> None:
        """Read a worker's shards live."""
        self._worker = worker

    @property
    def own(self) -> Iterable[Shard]:
        """The shards that are read live."""
        shards = () if self._worker is None else self._worker.shards.values()
        return [shard for shard in shards if shard.counts_decisions == self._counts_decisions]

    @property
    def version(self) -> int:
        """A number that grows with every checkpoint of these shards anywhere."""
        own = {s.state.id: s.state.version for s in self.own}
        remote = {i: r.version for i, r in self._remote.items() if i not in own}
        return sum(own.values()) + sum(remote.values())

    @property
    def stamp(self) -> tuple[int, int, int]:
        """What changes whenever any of the tables may have."""
        live = sum(shard.next_offset for shard in self.own)
        return (live, self.version, len(self._remote))

    async def poll(self, headers: Sequence[ShardHeader]) -> None:
        """Bring the shards of other workers up to date."""
        ours = [h for h in headers if h.counts_decisions == self._counts_decisions]
        own = {shard.state.id for shard in self.own}
        for header in ours:
            known = self._remote.get(header.id)
            if header.id not in own and (known is None or known.version != header.version):
                await self._load_or_say(header, known)
        for shard_id in own:
            self._remote.pop(shard_id, None)
        self.headers = ours

    async def _load_or_say(self, header: ShardHeader, known: _Remote | None) -> None:
        """Load a shard, or say why it cannot be; the others go on."""
        name = f"{header.topic}/{header.partition}"
        try:
            await self._load(header.id, known)
        except CorruptArtifactError as error:
            self.problems[name] = f"cannot be read: {error}"
        else:
            self.problems.pop(name, None)

    async def _load(self, shard_id: int, known: _Remote | None) -> None:
        after = -1 if known is None else known.version
        header, sums = await self._store.sums(shard_id, after)
        if known is None or header.reset_version > known.version:
            if known is not None:
                header, sums = await self._store.sums(shard_id, -1)
            table = Statistics(self._columns)
            await _apply(table, sums)
            self._remote[shard_id] = _Remote(header.version, table)
            return
        await _apply(known.table, sums)
        known.version = header.version

    def counters(self) -> Mapping[str, int]:
        """Return the shards' totals since the beginning, own ones live."""
        totals: dict[str, int] = {}
        own = {shard.state.id: shard for shard in self.own}
        for header in self.headers:
            shard = own.get(header.id)
            for name, value in (shard.counters() if shard else header.counters).items():
                totals[name] = totals.get(name, 0) + value
        return totals

    def tables(self) -> Mapping[int, Statistics]:
        """Return all tables; a shard that has just left us is read as we knew it until polled."""
        own = {shard.state.id: shard.table for shard in self.own}
        known = own.keys() | self._remote.keys()
        departed = {i: table for i, table in self._known.items() if i not in known}
        self._known = own | departed
        remote = {i: r.table for i, r in self._remote.items() if i not in self._known}
        return self._known | remote


async def _apply(table: Statistics, sums: StoredSums) -> None:
    """Put stored sums into a table; each of them is what a checkpoint made of some cells."""
    for blob in (*sums.bases, *sums.deltas):
        stored = from_bytes(blob)
        await give_way()
        table.put(stored)
        await give_way()


class TableIndexes:
    """
    Indexes of tables, kept while these stay the same.

    :param spaces: where names get their numbers, by tenant
    :param context: of the cells that are wanted, beside those of sources
    """

    def __init__(self, spaces: dict[str, TenantSpace], context: str = "") -> None:
        self._spaces = spaces
        self._context = context
        self._kept: dict[int, TableIndex] = {}

    def of(self, tables: Mapping[int, Statistics]) -> list[TableIndex]:
        """Return the indexes of tables, in their order."""
        self._kept = {shard_id: self._index(shard_id, table) for shard_id, table in tables.items()}
        return list(self._kept.values())

    def _index(self, shard_id: int, table: Statistics) -> TableIndex:
        index = self._kept.get(shard_id)
        if index is None or index.table is not table:
            return TableIndex(table, self._spaces, self._context)
        return index
