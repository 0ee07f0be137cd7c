"""However often partitions change hands, each is read on from where it was saved."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from olearn_core.config import KafkaSettings
from olearn_core.sources.kafka import KafkaSource
from olearn_core.sources.source import Listener, Partition, Record
from olearn_core.storage.database import Database
from tests.failpoints.fleet import Fleet
from tests.failpoints.learners import assert_learned_once, saved
from tests.failpoints.story import COLUMNS
from tests.support.events import stream
from tests.support.services import GROUP_SECONDS, eventually, open_database
from tests.support.workers import Rig

PROOF = bool(os.environ.get("OLEARN_PROOF"))
REBALANCES = 500 if PROOF else 20
PARTITIONS = 6
MOST_WORKERS = 6

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.promise("P4"),
    pytest.mark.timeout(7_200 if PROOF else 900),
]


class WatchedSource(KafkaSource):
    """
    Sees that no record comes before it was asked for, or from elsewhere than asked for.

    :ivar rebalances: how often it was assigned partitions
    :ivar assignments: partitions that it was assigned
    """

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings)
        self.rebalances = 0
        self.assignments = 0
        self._wanted: dict[Partition, int] = {}
        self._learner: Listener | None = None

    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        self._learner = listener
        await super().start(stack, self)

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.rebalances += 1
        self.assignments += len(partitions)
        self._wanted.clear()
        assert self._learner is not None
        self._learner.assigned(partitions)

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        assert self._learner is not None
        await self._learner.revoked(partitions)

    def resume(self, partition: Partition, offset: int) -> None:
        self._wanted[partition] = offset
        super().resume(partition, offset)

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        fetched = await super().fetch(most, timeout_seconds)
        for partition, records in fetched.items():
            assert partition in self._wanted, "it was not asked for since it was assigned"
            first, offsets = self._wanted[partition], [record.offset for record in records]
            assert offsets == list(range(first, first + len(offsets)))
            self._wanted[partition] = first + len(offsets)
        return fetched


class Member:
    """A worker in the group."""

    def __init__(self, database: Database, settings: KafkaSettings, number: int) -> None:
        self.source = WatchedSource(settings)
        self.rig = Rig(database, self.source, owner=f"worker {number}", columns=COLUMNS)
        self._stack = AsyncExitStack()

    async def join(self) -> None:
        """Start, as a service does."""
        await self.rig.start(self._stack)

    async def leave(self) -> None:
        """Save, then leave the group, as a service does."""
        await self.rig.stop()
        await self._stack.aclose()


class Storm:
    """A group whose members come and go until it has been rebalanced often enough."""

    def __init__(self, database: Database, settings: KafkaSettings) -> None:
        self.members: list[Member] = []
        self._gone: list[Member] = []
        self._database = database
        self._settings = settings

    @property
    def rebalances(self) -> int:
        """How often the member that stays throughout was assigned partitions."""
        return self.members[0].source.rebalances

    @property
    def assignments(self) -> int:
        """How often some partition was given to somebody."""
        return sum(member.source.assignments for member in (*self.members, *self._gone))

    async def blow(self, rebalances: int) -> None:
        """Grow from one to six and shrink again, over and over, one at a time."""
        await self._join()
        grows = True
        while self.rebalances < rebalances:
            before = self.rebalances
            if grows:
                await self._join()
            else:
                await self._leave()
            await self._settled_after(before)
            grows = len(self.members) < (MOST_WORKERS if grows else 2)
        while len(self.members) > 1:
            await self._leave()
        await self._settled_after(0)

    async def _join(self) -> None:
        member = Member(self._database, self._settings, len(self.members))
        self.members.append(member)
        await member.join()

    async def _leave(self) -> None:
        member = self.members.pop()
        self._gone.append(member)
        await member.leave()

    async def _settled_after(self, rebalances: int) -> None:
        """Wait until there was one more, and everything is owned and loaded."""

        def settled() -> bool:
            for member in self.members:
                member.rig._must_run()
            owned = sum(len(member.rig.worker.shards) for member in self.members)
            return self.rebalances > rebalances and owned == PARTITIONS

        await eventually(settled, "the group is settled", GROUP_SECONDS)


async def test_in_a_storm_of_rebalances_every_owner_begins_where_the_last_one_ended(
    sqlite_url: str, postgres_url: str, kafka_broker: Any, kafka_topic: Any
) -> None:
    """One group on each kind of database, at the same time: they mostly wait for the broker."""
    async with AsyncExitStack() as stack:
        storms = [
            _endured(await open_database(url, stack), await kafka_topic(PARTITIONS), kafka_broker)
            for url in (sqlite_url, postgres_url)
        ]
        rebalances = sum(await asyncio.gather(*storms))
    assert rebalances >= REBALANCES


async def _endured(database: Database, topic: str, broker: Any) -> int:
    """Let a group live through a storm while it learns; return how often it was rebalanced."""
    now = time.time()
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap,
        outcome_topic=topic,
        session_timeout_ms=3_000,
        group=topic,
    )
    storm = Storm(database, settings)
    fleet = Fleet(settings, stream(5, 200_000, now), per_second=50)
    async with fleet.working():
        await storm.blow(REBALANCES // 2)
    await saved(database, len(fleet.sent))
    print(f"{storm.rebalances} rebalances, {storm.assignments} assignments")
    for member in storm.members:
        await member.leave()
    await assert_learned_once(database, fleet.sent, now)
    return storm.rebalances
