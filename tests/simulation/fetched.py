"""What a consumer has fetched and nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from tests.simulation.broker import Answer, Written


@dataclass(slots=True)
class Position:
    """Where a partition of the assignment stands."""

    offset: int | None = None
    is_paused: bool = False
    highwater: int | None = None


@dataclass(slots=True)
class Assignment:
    """Partitions between two rebalances."""

    positions: dict[TopicPartition, Position] = field(default_factory=dict)
    is_active: bool = True


@dataclass(slots=True)
class Fetched:
    """
    What a fetch brought and nobody has asked for yet.

    :param next_offset: where the position moves when the next record is taken
    """

    assignment: Assignment
    partition: TopicPartition
    answer: Answer
    next_offset: int

    def take(self, most: int) -> Sequence[Written]:
        """
        Return the next records and move the position behind them.

        :raises CorruptRecordException: at a wrong checksum; what was taken until then is lost,
            and the next call moves the position behind it
        """
        position = self.assignment.positions[self.partition]
        is_wanted = self.assignment.is_active and not position.is_paused
        if not is_wanted or position.offset != self.next_offset:
            self.answer.records = []
            return []
        taken = self.answer.records[:most]
        if self.answer.corrupt_at is not None and self.answer.corrupt_at < len(taken):
            self._break(taken[: self.answer.corrupt_at])
        self._advance(len(taken))
        position.offset = self.next_offset
        return taken

    def _break(self, lost: Sequence[Written]) -> None:
        self.answer.records = []
        self.answer.corrupt_at = None
        self.answer.next_offset = lost[-1].offset + 1 if lost else self.next_offset
        raise CorruptRecordException(f"Invalid CRC - {self.partition}")

    def _advance(self, count: int) -> None:
        left = self.answer.records[count:]
        if self.answer.corrupt_at is not None:
            self.answer.corrupt_at -= count
        self.next_offset = (
            self.answer.records[count - 1].offset + 1 if left else self.answer.next_offset
        )
        self.answer.records = left
