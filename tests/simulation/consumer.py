"""
A consumer with the face of aiokafka's, on the broker in memory.

It has the habits that were measured of aiokafka 0.14: it prefetches; it hands out
records of new partitions as soon as they are assigned, whether the listener has come
to its end or not; an error in one partition loses what was drained of others; an
error in the listener is swallowed; `stop` revokes nothing; and a member that was
silent for too long believes in its partitions until it hears otherwise.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from olearn_core.times import loop_seconds
from tests.simulation.broker import Answer, Broker, Written
from tests.simulation.client import BACKOFF_SECONDS, Client, ended, started
from tests.simulation.fetched import Assignment, Fetched, Position
from tests.simulation.group import Joined
from tests.simulation.loop import travel

T = TypeVar("T")


class SimulatedConsumer(Client):
    """
    What KafkaSource uses of AIOKafkaConsumer.

    :ivar generation: as the coordinator counts rebalances
    """

    def __init__(self, *topics: str, broker: Broker, **options: Any) -> None:
        super().__init__(broker)
        self._options = options
        self._listener: Any = None
        self._assignment = Assignment()
        self._buffer: dict[TopicPartition, Fetched | Exception] = {}
        self._lost: set[tuple[TopicPartition, int]] = set()
        self._member: str | None = None
        self.generation = -1
        self._wake = asyncio.Event()
        self._arrived = asyncio.Event()
        self._settled = asyncio.Event()
        self._rejoin_needed = asyncio.Event()
        self._heartbeat: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False

    # What KafkaSource calls

    def subscribe(self, topics: Sequence[str], listener: Any = None) -> None:
        self._listener = listener
        self.broker.hear(self._wake.set)
        self._tasks = [started(self._coordinate()), started(self._fetch_forever())]

    async def start(self) -> None:
        await self.ask(lambda: None)

    async def stop(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._arrived.set()
        if self._tasks:
            self.broker.forget(self._wake.set)
        for task in (*self._tasks, self._heartbeat):
            if task is not None:
                await ended(task)
        member = self._member
        if member is not None:
            with suppress(KafkaError):
                await self.ask(lambda: self.broker.group.leave(member))

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Written]]:
        deadline = loop_seconds() + timeout_ms / 1_000
        while True:
            if self._is_closed or not self._tasks:
                raise ConsumerStoppedError
            if not self._settled.is_set():
                await self._settled.wait()
            self._arrived.clear()
            drained = self._drain(partitions, max_records or 1_000_000)
            if drained or loop_seconds() >= deadline:
                return drained
            try:
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()
            except TimeoutError:
                return {}

    def assignment(self) -> set[TopicPartition]:
        return set(self._assignment.positions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._position(partition).offset = offset
        self._buffer.pop(partition, None)
        self._wake.set()

    def pause(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._position(partition).is_paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._position(partition).is_paused = False
        self._wake.set()

    def highwater(self, partition: TopicPartition) -> int | None:
        return self._position(partition).highwater

    async def position(self, partition: TopicPartition) -> int:
        return self._position(partition).offset or 0

    async def beginning_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        wanted = list(partitions)
        return await self._answer(lambda: {p: self.broker.logs[p].start for p in wanted})

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = list(partitions)
        return await self._answer(lambda: {p: self.broker.logs[p].end for p in wanted})

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition in offsets:
            self._position(partition)
        try:
            await self._answer(
                lambda: self.broker.group.commit(self._member, self.generation, dict(offsets))
            )
        except (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError) as error:
            if not isinstance(error, RebalanceInProgressError):
                self._member = None
            self._rejoin_needed.set()
            raise CommitFailedError from error

    async def _answer(self, question: Callable[[], T]) -> T:
        return await self.ask_on(question, self._options["request_timeout_ms"] / 1_000)

    def _position(self, partition: TopicPartition) -> Position:
        position = self._assignment.positions.get(partition)
        if position is None:
            raise IllegalStateError(f"No current assignment for partition {partition}")
        return position

    # Membership

    async def _coordinate(self) -> None:
        while True:
            self._settled.clear()
            await self._told(self._listener.on_partitions_revoked, self._assignment)
            if self._heartbeat is not None:
                await ended(self._heartbeat)
            joined = await self._join()
            self._member, self.generation = joined.member, joined.generation
            self._assignment.is_active = False
            self._assignment = Assignment({p: Position() for p in joined.partitions})
            self._settled.set()
            self._arrived.set()
            self._wake.set()
            await asyncio.sleep(0)  # aiokafka awaits a task of its own here
            await self._told(self._listener.on_partitions_assigned, self._assignment)
            self._heartbeat = started(self._beat())
            await self._rejoin_needed.wait()

    async def _told(self, callback: Callable[[Any], Any], assignment: Assignment) -> None:
        with suppress(Exception):
            result = callback(set(assignment.positions))
            if inspect.isawaitable(result):
                await result

    async def _join(self) -> Joined:
        while True:
            self._rejoin_needed.clear()
            try:
                return await self._joined_once()
            except KafkaConnectionError:
                await travel(BACKOFF_SECONDS)

    async def _joined_once(self) -> Joined:
        session = self._options["session_timeout_ms"] / 1_000
        patience = self._options["rebalance_timeout_ms"] / 1_000
        await self.hop()
        joined = await self.broker.group.join(self._member, session, patience)
        await self.hop()
        return joined

    async def _beat(self) -> None:
        while self._member is not None:
            await travel(self._options["heartbeat_interval_ms"] / 1_000)
            try:
                await self.ask(
                    lambda: self.broker.group.heartbeat(self._member or "", self.generation)
                )
            except RebalanceInProgressError:
                self._rejoin_needed.set()
            except (UnknownMemberIdError, IllegalGenerationError):
                self._member = None
                self._rejoin_needed.set()
            except KafkaConnectionError:
                continue

    # Fetching

    async def _fetch_forever(self) -> None:
        assignment = self._assignment
        while True:
            self._wake.clear()
            if assignment is not self._assignment:
                assignment = self._assignment
                self._buffer.clear()
            try:
                is_busy = await self._fetch(assignment)
            except KafkaConnectionError:
                await travel(BACKOFF_SECONDS)
            else:
                if not is_busy:
                    await self._wake.wait()

    async def _fetch(self, assignment: Assignment) -> bool:
        """Fetch once what is wanted; tell whether there was anything."""
        free = {p: at for p, at in assignment.positions.items() if p not in self._buffer}
        if lost := [partition for partition, at in free.items() if at.offset is None]:
            await self._find(lost, assignment)
            return True
        wanted = {p: at.offset or 0 for p, at in free.items() if not at.is_paused}
        if not wanted:
            return False
        answers = await self.ask(lambda: self.broker.read(wanted, self._lost))
        self._keep(assignment, wanted, answers)
        return bool(answers)

    async def _find(self, partitions: Sequence[TopicPartition], assignment: Assignment) -> None:
        """Go on from what was committed, where the listener has not sought meanwhile."""
        committed = await self.ask(lambda: dict(self.broker.group.committed))
        for partition in partitions:
            position = assignment.positions[partition]
            if position.offset is None:
                position.offset = committed.get(partition)
            if position.offset is None:
                self._buffer[partition] = NoOffsetForPartitionError(partition)

    def _keep(
        self,
        assignment: Assignment,
        wanted: Mapping[TopicPartition, int],
        answers: Mapping[TopicPartition, Answer | Exception],
    ) -> None:
        if not assignment.is_active:
            return
        for partition, answer in answers.items():
            position = assignment.positions[partition]
            if position.offset != wanted[partition]:
                continue
            if isinstance(answer, Exception):
                self._buffer[partition] = answer
            else:
                position.highwater = answer.highwater
                self._buffer[partition] = Fetched(assignment, partition, answer, wanted[partition])
            self._arrived.set()

    def _drain(
        self, partitions: Sequence[TopicPartition], most: int
    ) -> dict[TopicPartition, list[Written]]:
        drained: dict[TopicPartition, list[Written]] = {}
        for partition in [p for p in self._buffer if not partitions or p in partitions]:
            fetched = self._buffer[partition]
            if isinstance(fetched, Exception):
                if drained:
                    return drained
                self._release(partition)
                raise fetched
            records = fetched.take(most)  # where it raises, what was drained is lost
            if not fetched.answer.records:
                self._release(partition)
            if records:
                drained[partition] = list(records)
                most -= len(records)
            if most == 0:
                break
        return drained

    def _release(self, partition: TopicPartition) -> None:
        del self._buffer[partition]
        self._wake.set()
