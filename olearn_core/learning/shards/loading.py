"""Loading: from the database's blobs to a shard that goes on where it stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.shard import ShardState
from olearn_core.learning.shards.tick import SinceBases
from olearn_core.sources.source import Partition, Source
from olearn_core.statistics import Statistics, from_bytes
from olearn_core.statistics.standard import DECIDED
from olearn_core.storage.hash_blobs import HashArray, from_blob
from olearn_core.storage.shards import ShardHeader, ShardStore, StoredSums
from olearn_core.times import loop_seconds


class ShardLoader:
    """
    Claims partitions and loads what was learned of them.

    :param columns: names of the models' columns; stored ones that no plugin
        declares any more are kept beside them
    """

    def __init__(
        self,
        store: ShardStore,
        source: Source,
        columns: Sequence[str],
        settings: LearningSettings,
        owner: str,
    ) -> None:
        self._store = store
        self._source = source
        self._columns = tuple(columns)
        self._settings = settings
        self.owner = owner

    async def load(self, partition: Partition, kept: ShardState | None = None) -> ShardState:
        """
        Claim a partition and return its state.

        :param kept: what we had of it when we let it go; it is not read again where
            nobody else has claimed the partition since
        :raises StorageError: where another group or another cluster's log owns it
        :raises CorruptArtifactError: where a blob does not match its checksum
        """
        header = await self._store.claim(
            self._source.name_of(partition),
            *partition,
            self.owner,
            self._source.group,
            self._source.cluster_id,
        )
        if kept is not None and _is_as_left(header, kept):
            kept.epoch = header.epoch
            return kept
        next_offset = header.next_offset
        if next_offset is None:
            next_offset = await self._source.first_offset(partition)
            await self._store.begin(header, next_offset)
        return await self._read(header, partition, next_offset)

    async def _read(
        self, header: ShardHeader, partition: Partition, next_offset: int
    ) -> ShardState:
        header_now, sums = await self._store.sums(header.id, after_version=-1)
        since = SinceBases(loop_seconds())
        return ShardState(
            id=header.id,
            partition=partition,
            epoch=header.epoch,
            next_offset=next_offset,
            version=header_now.version,
            table=self._table(sums, since, self._columns_of(partition)),
            executions=await self._window(header.id, "executions", since.executions),
            ratings=await self._window(header.id, "ratings", since.ratings),
            counters=Counter(header_now.counters),
            fingerprint=header_now.fingerprint,
            since_bases=since,
        )

    def _columns_of(self, partition: Partition) -> tuple[str, ...]:
        if self._source.counts_decisions(partition):
            return (DECIDED.name,)
        return self._columns

    def _table(self, sums: StoredSums, since: SinceBases, columns: tuple[str, ...]) -> Statistics:
        tables = [from_bytes(blob) for blob in (*sums.bases, *sums.deltas)]
        stored = dict.fromkeys(name for table in tables for name in table.columns)
        kept = [name for name in stored if name not in columns]
        total = Statistics((*columns, *kept))
        for table in tables:
            total.put(table)
        for delta in tables[len(sums.bases) :]:
            since.rows.append(total.row_numbers(delta.rows))
        since.nbytes = sum(map(len, sums.deltas))
        return total

    async def _window(self, shard_id: int, part: str, since: list[HashArray]) -> DedupWindow:
        settings = self._settings
        most = settings.dedup_ids if part == "executions" else settings.dedup_ratings
        stored = await self._store.hashes(shard_id, part)
        since.extend(map(from_blob, stored.deltas))
        window = DedupWindow(most)
        piece = max(1_000, most // 64)  # small against the window, which is bounded by pieces
        dated = [*stored.segments, *((blob, time.time()) for blob in stored.deltas)]
        for blob, at in dated:
            hashes = from_blob(blob)
            for start in range(0, len(hashes), piece):
                window.remember(np.sort(hashes[start : start + piece]), at)
        return window


def _is_as_left(header: ShardHeader, kept: ShardState) -> bool:
    """Tell whether a claim came right after our own, and nothing was saved in between."""
    return (
        header.id == kept.id
        and header.epoch == kept.epoch + 1
        and header.version == kept.version
        and header.next_offset == kept.next_offset
    )


def apply(table: Statistics, sums: StoredSums) -> Statistics:
    """Put stored sums into a table and return it."""
    for blob in (*sums.bases, *sums.deltas):
        table.put(from_bytes(blob))
    return table
