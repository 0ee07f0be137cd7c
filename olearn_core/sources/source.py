"""The contract of a source of outcomes: raw records of the partitions that are ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import ClassVar, NamedTuple, Protocol

from olearn_core.errors import SourceError
from olearn_core.events import OF_DECISIONS


class Partition(NamedTuple):
    """One ordered stretch of a log."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Record(Protocol):
    """One record as it lies in the log; nothing of it is decoded."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class OutOfRangeError(SourceError):
    """
    The log no longer (or not yet) has the offsets that were asked for.

    :param partitions: with the offset at which each stood
    """

    def __init__(self, partitions: Mapping[Partition, int]) -> None:
        super().__init__(f"the log does not have these offsets: {dict(partitions)}")
        self.partitions = dict(partitions)


class Listener(Protocol):
    """Whoever owns partitions; told of every change, before any record of theirs."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Take note of new partitions. They are paused until `resume`."""

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Save what is held for partitions that go away; afterwards they are not ours."""


class Source(ABC):
    """
    A log of outcomes, and beside it the log of decisions where one is kept.

    The database, not the source, knows where to go on: a partition is silent
    from its assignment until `resume` names an offset.

    :cvar name: stands in the shard's key
    :ivar decisions_topic: of partitions that hold decisions, None where there are none
    """

    name: ClassVar[str]
    decisions_topic: str | None = None

    def counts_decisions(self, partition: Partition) -> bool:
        """Tell whether a partition holds decisions, not outcomes."""
        return partition.topic == self.decisions_topic

    def name_of(self, partition: Partition) -> str:
        """Return what stands in the key of a partition's shard."""
        return f"{self.name}{OF_DECISIONS}" if self.counts_decisions(partition) else self.name

    @property
    @abstractmethod
    def group(self) -> str:
        """The consumer group that shares the log's partitions."""

    @property
    @abstractmethod
    def cluster_id(self) -> str | None:
        """What tells this log's cluster from one that was made anew; None where nobody knows."""

    @abstractmethod
    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        """
        Begin; leave when the stack unwinds.

        :raises SourceError: where the log cannot be reached
        """

    @abstractmethod
    async def stop(self) -> None:
        """Leave, so that others take the partitions over at once; doing it twice is no harm."""

    @abstractmethod
    async def restart(self) -> None:
        """
        Leave and join again: the last resort where a partition is stuck.

        :raises SourceError: where the log cannot be reached
        """

    @abstractmethod
    async def probe(self) -> None:
        """
        Ask the log for a sign of life.

        :raises SourceError: where it does not answer
        """

    @abstractmethod
    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """
        Return up to `most` records, or nothing after the timeout.

        Offsets ascend within a partition. After any error the caller resumes
        every partition again at its own offset: what was drained is lost.

        :raises OutOfRangeError: where offsets are gone
        :raises SourceError: where reading failed otherwise
        """

    def forming_seconds(self) -> float:
        """Return for how long partitions are being shared out anew, 0.0 where they are not."""
        return 0.0

    @abstractmethod
    async def first_offset(self, partition: Partition) -> int:
        """
        Return where a partition that nobody has read begins for us.

        :raises SourceError: where the log does not tell
        """

    @abstractmethod
    async def earliest_offset(self, partition: Partition) -> int:
        """Return the oldest offset the log still has."""

    @abstractmethod
    def resume(self, partition: Partition, offset: int) -> None:
        """Deliver the partition's records from this offset on."""

    @abstractmethod
    def pause(self, partition: Partition) -> None:
        """Deliver no more records of the partition until it is resumed."""

    async def position(self, partition: Partition) -> int | None:
        """Return where reading goes on, which may lie behind the last record; None: not known."""
        return None

    @abstractmethod
    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        """Show the log's own tools how far we are. Failing is no harm."""

    @abstractmethod
    def end_offset(self, partition: Partition) -> int | None:
        """Return the offset after the newest record, as far as it is known."""
