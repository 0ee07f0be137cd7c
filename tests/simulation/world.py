"""The world that a script happens in: workers, a broker, a database, and no real time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from aiokafka import TopicPartition

from olearn_core.sources.source import Partition
from tests.simulation import truth
from tests.simulation.audit import Audit, Breach
from tests.simulation.broker import Broker, PartitionLog
from tests.simulation.client import SimulatedAdmin
from tests.simulation.consumer import SimulatedConsumer
from tests.simulation.database import CommitFault, SimulatedDatabase
from tests.simulation.loop import EPOCH_SECONDS, SimulatedLoop, wall_seconds
from tests.simulation.node import TOPIC, Node
from tests.simulation.script import PARTITIONS, Script
from tests.support.events import POISON, any_outcome

PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.5
AGES_HOURS = (0, 0, 0, 30, 47, 60)
REPEATABLE = 200


@dataclass(frozen=True, slots=True)
class Run:
    """
    What came of a script.

    :param trace: a hash of everything that happened, in order and with its time
    :param done: how many actions there were before it ended
    """

    trace: str
    done: int
    counts: Counter[str]
    breach: Breach | None


def run(script: Script, seed: int) -> Run:
    """Let a script happen; the same script and seed come to the same run."""
    loop = SimulatedLoop(f"loop {seed}")
    try:
        with _simulated():
            return loop.run(_lived(loop, script, seed))
    finally:
        loop.close()


async def _lived(loop: SimulatedLoop, script: Script, seed: int) -> Run:
    world = World(loop, seed)
    await world.live(script)
    return world.outcome()


@contextmanager
def _simulated() -> Iterator[None]:
    """Put what is simulated in the place of what is real."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with patch("time.time", wall_seconds):
            yield
    finally:
        logging.disable(level)


class World:
    """Carries actions out, and looks on."""

    def __init__(self, loop: SimulatedLoop, seed: int) -> None:
        self._loop = loop
        self._seed = seed
        self.broker = Broker(f"broker {seed}", TOPIC, PARTITIONS, loop)
        self.audit = Audit(self.broker.logs)
        self.database = SimulatedDatabase(f"database {seed}", self.audit.committed)
        self.audit.outage = self.database.outage
        self._nodes: dict[int, Node] = {}
        self._leaving: list[Node] = []
        self._written = 0
        self._done = 0

    async def live(self, script: Script) -> None:
        """Carry out a script, then heal everything and see what has come of it."""
        consumer = patch("olearn_core.sources.kafka.AIOKafkaConsumer", self._consumer)
        admin = patch("olearn_core.sources.kafka.AIOKafkaAdminClient", self._admin)
        with consumer, admin:
            for action in script:
                await getattr(self, f"_{action.verb}")(action.target, action.amount)
                self.audit.counts[action.verb] += 1
                self.audit.note(action)
                self._done += 1
                if self._loop.complaints:
                    self.audit.fails("complaint", self._loop.complaints[0])
                if self.audit.breach is not None:
                    break
            else:
                await self._come_to_an_end()
            await self._end_all()

    def outcome(self) -> Run:
        """Return what there is to say."""
        counts = Counter(self.audit.counts)
        counts["events"] = sum(len(log.records) for log in self.broker.logs.values())
        counts["rebalances"] = self.broker.group.rebalances
        counts["sessions expired"] = self.broker.group.expired
        counts["lost answers"] = self.database.lost_commits
        return Run(self.audit.trace, self._done, counts, self.audit.breach)

    def _consumer(self, *topics: str, **options: object) -> SimulatedConsumer:
        return SimulatedConsumer(*topics, broker=self.broker, **options)

    def _admin(self, **options: object) -> SimulatedAdmin:
        return SimulatedAdmin(self.broker)

    # Time

    async def _wait(self, _: int, seconds: float) -> None:
        await asyncio.sleep(seconds)

    _wait_long = _wait

    # Producers

    def _log(self, number: int) -> PartitionLog:
        return self.broker.logs[TopicPartition(TOPIC, number)]

    def _write(self, number: int, value: bytes) -> None:
        self._written += 1
        self._log(number).append(value, int(self._seconds * 1_000))

    @property
    def _seconds(self) -> float:
        return EPOCH_SECONDS + self._loop.time()

    def _chance(self) -> random.Random:
        return random.Random(f"{self._seed} {self._written}")

    async def _produce(self, number: int, count: float) -> None:
        for _ in range(int(count)):
            chance = self._chance()
            at = self._seconds - 3_600 * chance.choice(AGES_HOURS)
            self._write(number, any_outcome(chance, str(self._written), at, days=0.01))
        self.broker.tell()

    async def _repeat(self, number: int, count: float) -> None:
        for _ in range(int(count)):
            if newest := self._log(number).records[-REPEATABLE:]:
                self._write(number, self._chance().choice(newest).value)
        self.broker.tell()

    async def _poison(self, number: int, count: float) -> None:
        for _ in range(int(count)):
            self._write(number, self._chance().choice(POISON))
        self.broker.tell()

    async def _leave_gap(self, number: int, width: float) -> None:
        self._log(number).leave_gap(int(width))

    async def _delete_old(self, number: int, kept: float) -> None:
        log = self._log(number)
        log.start = max(log.start, log.end - int(kept))

    # Workers

    async def _start(self, slot: int, _: float) -> None:
        node = self._nodes.get(slot)
        if node is None or node.task.done():
            name = f"worker {slot}.{self._done}"
            self._nodes[slot] = Node(name, self.database, self.audit, self._loop)

    async def _stop(self, slot: int, _: float) -> None:
        if node := self._nodes.pop(slot, None):
            node.stop()
            self._leaving.append(node)

    async def _kill(self, slot: int, _: float) -> None:
        if node := self._nodes.pop(slot, None):
            node.process.kill()
            self._leaving.append(node)

    async def _freeze(self, slot: int, seconds: float) -> None:
        if node := self._nodes.get(slot):
            node.process.is_frozen = True
            self._loop.call_later(seconds, node.thaw)

    async def _cut_off(self, slot: int, seconds: float) -> None:
        if node := self._nodes.get(slot):
            self.broker.cut(node.process, seconds)

    async def _turn_clock(self, slot: int, seconds: float) -> None:
        if node := self._nodes.get(slot):
            node.process.clock_offset = seconds

    # The broker and the way to it

    async def _lose_records(self, number: int, count: float) -> None:
        self.broker.swallows[TopicPartition(TOPIC, number)] = int(count)

    async def _corrupt(self, number: int, _: float) -> None:
        self.broker.corrupts.add(TopicPartition(TOPIC, number))

    async def _stop_broker(self, _: int, seconds: float) -> None:
        self.broker.go_away(seconds)

    # The database and the way to it

    async def _stop_database(self, _: int, seconds: float) -> None:
        self.database.go_away(seconds)

    async def _lose_commit(self, _: int, __: float) -> None:
        self.database.faults.append(CommitFault.BEFORE)

    async def _lose_answer(self, _: int, __: float) -> None:
        self.database.faults.append(CommitFault.AFTER)

    async def _hang_commit(self, _: int, seconds: float) -> None:
        self.database.hangs.append(seconds)

    # The end

    async def _come_to_an_end(self) -> None:
        self.audit.counts["behind"] += len(self._behind())
        self.broker.heal()
        self.database.heal()
        for node in (*self._nodes.values(), *self._leaving):
            node.thaw()
        await self._start(0, 0)
        for number in range(PARTITIONS):
            await self._produce(number, 1)
        if not await self._within(PATIENCE_SECONDS, self._is_caught_up):
            left = {str(p): self.audit.next_offset(p) for p in self._behind()}
            self.audit.fails("catching up", f"after {PATIENCE_SECONDS:g} s {left} is stored")
            return
        if not await self._within(PATIENCE_SECONDS, self._has_all_members):
            self.audit.fails("membership", f"only {list(self.broker.group.members)} are in")
            return
        await self._let_go()
        self.database.look(lambda connection: truth.check(self.audit, connection))

    def _behind(self) -> list[Partition]:
        return [
            partition
            for partition, log in ((Partition(*p), log) for p, log in self.broker.logs.items())
            if log.records and self.audit.next_offset(partition) <= log.records[-1].offset
        ]

    def _has_all_members(self) -> bool:
        alive = [node for node in self._nodes.values() if not node.task.done()]
        return len(self.broker.group.members) == len(alive)

    def _is_caught_up(self) -> bool:
        return not self._behind()

    async def _let_go(self) -> None:
        for slot in list(self._nodes):
            await self._stop(slot, 0)
        if not await self._within(60.0, lambda: all(n.task.done() for n in self._leaving)):
            left = [str(n.process) for n in self._leaving if not n.task.done()]
            self.audit.fails("stopping", f"{left} do not end")

    async def _within(self, seconds: float, is_so: Callable[[], bool]) -> bool:
        for _ in range(round(seconds / LOOK_SECONDS)):
            if is_so():
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return is_so()

    async def _end_all(self) -> None:
        nodes = [*self._nodes.values(), *self._leaving]
        for node in nodes:
            node.process.kill()
        await self._within(60.0, lambda: all(node.is_gone for node in nodes))
