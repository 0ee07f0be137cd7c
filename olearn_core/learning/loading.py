"""Loading: from the database's blobs to a shard that goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.learning.dedup import DedupWindow, HashArray
from olearn_core.learning.shard import ShardState
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
        return ShardState(
            id=header.id,
            partition=partition,
            epoch=header.epoch,
            next_offset=next_offset,
            version=header_now.version,
            table=apply(Statistics(self._columns), sums),
            executions=await self._window(header.id, "executions", self._settings.dedup_ids),
            ratings=await self._window(header.id, "ratings", self._settings.dedup_ratings),
            counters=Counter(header_now.counters),
        )

    async def _window(self, shard_id: int, part: str, most: int) -> DedupWindow:
        window = DedupWindow(most)
        for blob in await self._store.hashes(shard_id, part):
            hashes: HashArray = np.frombuffer(blob, dtype=np.uint64)
            window.remember(np.sort(hashes))
        return window


def apply(table: Statistics, sums: StoredSums) -> Statistics:
    """Put stored sums into a table and return it."""
    for blob in (*sums.bases, *sums.deltas):
        table.put(from_bytes(blob))
    return table
