"""A broker in memory: logs, one consumer group, and what may go wrong on the way to it."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from tests.simulation.group import Group
from tests.simulation.loop import Process, context_of

READ_MOST = 60


@dataclass(frozen=True, slots=True)
class Written:
    """A record as a log keeps it."""

    offset: int
    timestamp: int
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class PartitionLog:
    """
    Records in the order of their offsets, which may leave gaps.

    :ivar records: all that were ever written, those that retention took as well
    :ivar start: the first offset that the log still has
    :ivar end: the offset of the next record
    """

    def __init__(self) -> None:
        self.records: list[Written] = []
        self._offsets: list[int] = []
        self.start = 0
        self.end = 0

    def append(self, value: bytes, timestamp: int) -> None:
        """Write a record."""
        self.records.append(Written(self.end, timestamp, value))
        self._offsets.append(self.end)
        self.end += 1

    def leave_gap(self, width: int) -> None:
        """Use offsets up without a record, as markers and aborted transactions do."""
        self.end += width

    def between(self, start: int, end: int) -> Sequence[Written]:
        """Return the records with offsets in [start, end)."""
        return self.records[bisect_left(self._offsets, start) : bisect_left(self._offsets, end)]


@dataclass(slots=True)
class Answer:
    """
    What a fetch brings of one partition.

    :param next_offset: where to go on, behind gaps at the end
    :param corrupt_at: at which record its checksum is found wrong
    """

    records: list[Written]
    next_offset: int
    highwater: int
    corrupt_at: int | None = None


class Broker:
    """
    All brokers of the cluster; one of them coordinates the group.

    :ivar swallows: how many records the next fetch of a partition will lose
    :ivar corrupts: partitions whose next fetch brings a record with a wrong checksum
    """

    cluster_id = "simulated"

    def __init__(self, seed: str, topic: str, partitions: int, loop: asyncio.BaseEventLoop) -> None:
        self._loop = loop
        self.random = random.Random(seed)
        self.logs = {TopicPartition(topic, number): PartitionLog() for number in range(partitions)}
        self.group = Group(
            list(self.logs), random.Random(f"{seed} group"), context_of(Process("broker"))
        )
        self.swallows: dict[TopicPartition, int] = {}
        self.corrupts: set[TopicPartition] = set()
        self._unreachable_until: dict[str, float] = {}
        self._away_until = 0.0
        self._interested: list[Callable[[], None]] = []

    def latency(self) -> float:
        """Return how long a message takes, in seconds: mostly 1 to 10 ms, sometimes long."""
        if self.random.random() < 0.02:
            return self.random.uniform(0.05, 0.6)
        return self.random.uniform(0.001, 0.01)

    def hear(self, changed: Callable[[], None]) -> None:
        """Tell somebody whenever there is something new to fetch."""
        self._interested.append(changed)

    def forget(self, changed: Callable[[], None]) -> None:
        """Tell them no more."""
        self._interested.remove(changed)

    def tell(self) -> None:
        """Let everybody look for new records."""
        for changed in self._interested:
            changed()

    def go_away(self, seconds: float) -> None:
        """Be down for a while; who comes back to the group then has not lost its place."""
        self._away_until = max(self._away_until, self._loop.time() + seconds)
        self.group.extend_sessions(seconds)
        self._loop.call_at(self._away_until, self.tell)

    def cut(self, process: Process, seconds: float) -> None:
        """Take a process off the network for a while; it does not notice by itself."""
        self._unreachable_until[process.name] = self._loop.time() + seconds
        self._loop.call_later(seconds, self.tell)

    def heal(self) -> None:
        """End all faults."""
        self._away_until = 0.0
        self._unreachable_until.clear()
        self.swallows.clear()
        self.corrupts.clear()
        self.tell()

    def is_reachable(self, process: Process) -> bool:
        """Whether messages of this process arrive."""
        until = max(self._away_until, self._unreachable_until.get(process.name, 0.0))
        return self._loop.time() >= until

    def read(
        self, wanted: Mapping[TopicPartition, int], lost_before: set[tuple[TopicPartition, int]]
    ) -> dict[TopicPartition, Answer | Exception]:
        """
        Return what there is from these offsets on, of partitions that have anything.

        :param lost_before: offsets that this consumer was cheated of already: aiokafka
            loses records now and then, but not the same ones again
        """
        found: dict[TopicPartition, Answer | Exception] = {}
        for partition, offset in wanted.items():
            log = self.logs[partition]
            if not log.start <= offset <= log.end:
                found[partition] = OffsetOutOfRangeError({partition: offset})
            elif offset < log.end:
                found[partition] = self._read(partition, offset, lost_before)
        return found

    def _read(
        self, partition: TopicPartition, offset: int, lost_before: set[tuple[TopicPartition, int]]
    ) -> Answer:
        log = self.logs[partition]
        records = list(log.between(offset, log.end)[:READ_MOST])
        is_all = not records or records[-1] is log.records[-1]
        answer = Answer(records, log.end if is_all else records[-1].offset + 1, log.end)
        if records and partition in self.swallows:
            answer.records = self._without_lost(partition, records, lost_before)
        if answer.records and partition in self.corrupts:
            self.corrupts.discard(partition)
            answer.corrupt_at = self.random.randrange(len(answer.records))
        return answer

    def _without_lost(
        self,
        partition: TopicPartition,
        records: Sequence[Written],
        lost_before: set[tuple[TopicPartition, int]],
    ) -> list[Written]:
        first = self.random.randrange(len(records))
        unlucky = records[first : first + self.swallows.pop(partition)]
        lost = {(partition, record.offset) for record in unlucky} - lost_before
        lost_before |= lost
        return [record for record in records if (partition, record.offset) not in lost]
