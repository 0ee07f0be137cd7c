"""Loading: from the database's blobs to a shard that goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.learning.dedup import DedupWindow, HashArray
from olearn_core.learning.shard import ShardState
from olearn_core.learning.tick import SinceBases
from olearn_core.sources.source import Partition, Source
from olearn_core.statistics import Statistics, from_bytes
from olearn_core.storage.shards import ShardStore, StoredSums


class ShardLoader:
    """
    Claims partitions and loads what was learned of them.

    :param columns: names of the table's columns; stored ones that no plugin
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
        self._owner = owner

    async def load(self, partition: Partition) -> ShardState:
        """
        Claim a partition and return its state.

        :raises StorageError: where another group owns it
        :raises CorruptArtifactError: where a blob does not match its checksum
        """
        header = await self._store.claim(
            self._source.name, *partition, self._owner, self._source.group
        )
        next_offset = header.next_offset
        if next_offset is None:
            next_offset = await self._source.first_offset(partition)
            await self._store.begin(header, next_offset)
        header_now, sums = await self._store.sums(header.id, after_version=-1)
        since = SinceBases()
        return ShardState(
            id=header.id,
            partition=partition,
            epoch=header.epoch,
            next_offset=next_offset,
            version=header_now.version,
            table=self._table(sums, since),
            executions=await self._window(header.id, "executions", since.executions),
            ratings=await self._window(header.id, "ratings", since.ratings),
            counters=Counter(header_now.counters),
            since_bases=since,
        )

    def _table(self, sums: StoredSums, since: SinceBases) -> Statistics:
        tables = [from_bytes(blob) for blob in (*sums.bases, *sums.deltas)]
        stored = dict.fromkeys(name for table in tables for name in table.columns)
        kept = [name for name in stored if name not in self._columns]
        total = Statistics((*self._columns, *kept))
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
        since.extend(_hashes(stored.deltas))
        window = DedupWindow(most)
        piece = max(1_000, most // 64)  # small against the window, which is bounded by pieces
        for hashes in (*_hashes(stored.segments), *since):
            for start in range(0, len(hashes), piece):
                window.remember(np.sort(hashes[start : start + piece]))
        return window


def _hashes(blobs: Sequence[bytes]) -> list[HashArray]:
    return [np.frombuffer(blob, dtype=np.uint64) for blob in blobs]


def apply(table: Statistics, sums: StoredSums) -> Statistics:
    """Put stored sums into a table and return it."""
    for blob in (*sums.bases, *sums.deltas):
        table.put(from_bytes(blob))
    return table
