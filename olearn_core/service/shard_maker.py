"""Making shards, and what reads their records."""

from __future__ import annotations

from collections.abc import Sequence

from olearn_core.config import Settings
from olearn_core.learning.shards.decision_shard import DecisionShard
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Note, Shard, ShardState
from olearn_core.learning.shards.topic_tenants import TopicTenants
from olearn_core.sources.source import Partition, Record, Source
from olearn_core.statistics import Column
from olearn_core.storage.signing_keys import SigningKeys


class ShardMaker:
    """
    Makes the shard of each partition that a worker comes to own.

    :param columns: of the table
    :param note: shown each slice that was learned
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        columns: Sequence[Column],
        keys: SigningKeys,
        note: Note,
    ) -> None:
        self._settings = settings
        self._source = source
        self._columns = columns
        self._keys = keys
        self._note = note

    def shard(self, state: ShardState) -> Shard:
        """Return the shard that goes on from a state."""
        partition, learning = state.partition, self._settings.learning
        if self._source.counts_decisions(partition):
            return DecisionShard(state, learning)
        return Shard(state, self._columns, self.reader(partition), learning, self._note)

    def reader(self, partition: Partition) -> Reader:
        """Return what reads a partition's records."""
        decisions = self._settings.decisions
        return Reader(
            partition,
            self._keys.all,
            require_token=decisions.require_decision_token,
            token_days=decisions.token_days,
            tenants=TopicTenants(self.tenants_of(partition.topic)),
        )

    def tenants_of(self, topic: str) -> Sequence[str] | None:
        """Return whose outcomes a topic may bring, None for everybody's."""
        kafka = self._settings.kafka
        return kafka.topic_tenants.get(topic) if kafka.in_use else None

    async def know_keys(self, records: Sequence[Record]) -> None:
        """A key that another node signs with already is learned before its tokens are refused."""
        await self._keys.know(record.value for record in records)
