"""The nemesis: strikes workers, broker and database as planned, several at once."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from tests.nemesis.faults import Fault, Kind
from tests.nemesis.fleet import STOP_SECONDS, Life, Worker
from tests.nemesis.stage import Stage
from tests.servers import Server
from tests.servers.proxy import IsRequest, Proxy, any_request, written_commit
from tests.support.services import GROUP_SECONDS, eventually

LONGEST_DELAY_SECONDS = 0.2
MOST_TORN_BYTES = 20_000
WAKE_SECONDS = 1.5
ANSWER_SECONDS = GROUP_SECONDS  # where the group hangs, nobody asks for a while

Tell = Callable[[str], None]


class _NobodyAskedError(Exception):
    """There was no answer to lose."""


class Nemesis:
    """
    :ivar struck: faults so far, by kind
    :ivar missed: faults that found nothing to strike: nobody asked meanwhile
    :ivar stop_seconds: how long each worker took from SIGTERM to its end
    :ivar violations: what went wrong in striking
    """

    def __init__(
        self, stage: Stage, workers: Sequence[Worker], database: Database, tell: Tell
    ) -> None:
        self.struck: Counter[Kind] = Counter()
        self.missed: list[Kind] = []
        self.stop_seconds: list[float] = []
        self.violations: list[str] = []
        self._stage = stage
        self._parameters = stage.parameters
        self._shards = ShardStore(database)
        self._tell = tell
        self._free = asyncio.Queue[Worker]()
        for worker in random.Random(stage.parameters.seed).sample(workers, len(workers)):
            self._free.put_nowait(worker)
        # One stays untouched, so that there is somebody to take over.
        self._at_once = asyncio.Semaphore(max(1, len(workers) - 1))
        self._broker, self._database = asyncio.Lock(), asyncio.Lock()

    async def run(self, rounds: Sequence[Sequence[Fault]]) -> None:
        """Strike round by round, each time when workers have learned; return when all is over."""
        async with asyncio.TaskGroup() as strikes:
            for faults in rounds:
                await self._learned()
                for fault in faults:
                    await asyncio.sleep(fault.pause_seconds)
                    begun = asyncio.Event()
                    strikes.create_task(self._strike(fault, begun))
                    await begun.wait()

    async def _learned(self) -> None:
        """Wait until every partition has moved, but not for ever: this promises nothing."""
        before: dict[int, int] = {}

        async def moved() -> bool:
            now = await self._offsets()
            before.update({p: at for p, at in now.items() if p not in before})
            return len(now) == self._parameters.partitions and all(now[p] > before[p] for p in now)

        with suppress(AssertionError):
            await eventually(moved, seconds=self._parameters.calm_seconds)

    async def _offsets(self) -> dict[int, int]:
        try:
            headers = await self._shards.headers()
        except SQLAlchemyError:
            return {}
        return {header.partition: header.next_offset or 0 for header in headers}

    async def _strike(self, fault: Fault, begun: asyncio.Event) -> None:
        if fault.kind.strikes_workers:
            async with self._at_once:
                worker = await self._free.get()
                begun.set()
                self._tell(f"{fault.kind}: {worker.name}, {fault.seconds:.1f} s")
                await self._strike_worker(worker, fault)
                self._free.put_nowait(worker)
                self.struck[fault.kind] += 1
        else:
            async with self._broker if fault.kind.strikes_broker else self._database:
                begun.set()
                self._tell(f"{fault.kind}: {fault.seconds:.1f} s")
                await self._strike_server(fault)

    async def _strike_server(self, fault: Fault) -> None:
        strike = self._strike_broker if fault.kind.strikes_broker else self._strike_database
        try:
            await strike(fault)
        except _NobodyAskedError:
            self._tell(f"{fault.kind}: nobody asked in {ANSWER_SECONDS:g} s")
            self.missed.append(fault.kind)
        else:
            self.struck[fault.kind] += 1

    async def _strike_worker(self, worker: Worker, fault: Fault) -> None:
        if fault.kind == Kind.FREEZE:
            await _freeze(worker.life, fault.seconds)
            return
        life = worker.life
        told_at = time.time()
        life.end(signal.SIGKILL if fault.kind == Kind.KILL else signal.SIGTERM)
        if not await _ends(life):
            self.violations.append(f"{life.log.name}: still there {STOP_SECONDS} s after SIGTERM")
            life.end(signal.SIGABRT)  # its log then shows where it hung
        await worker.next_life(life)
        if fault.kind == Kind.TERM and life.ended is not None:
            self.stop_seconds.append(life.ended - told_at)
        await asyncio.sleep(fault.seconds)

    async def _strike_broker(self, fault: Fault) -> None:
        stage, proxy = self._stage, self._stage.broker_proxy
        match fault.kind:
            case Kind.BROKER_LOST_ANSWER:
                await _lose_answer(proxy, any_request)
            case Kind.BROKER_FREEZE:
                stage.freeze_broker()
                await asyncio.sleep(fault.seconds)
                stage.thaw_broker()
            case Kind.BROKER_RESTART | Kind.BROKER_CRASH:
                crash = fault.kind == Kind.BROKER_CRASH
                await _down(stage.broker, fault.seconds, crash=crash)
            case _:
                await _disturb(proxy, fault)

    async def _strike_database(self, fault: Fault) -> None:
        proxy, server = self._stage.database_proxy, self._stage.database
        assert proxy is not None
        assert server is not None
        match fault.kind:
            case Kind.DATABASE_LOST_COMMIT:
                await _lose_answer(proxy, written_commit)
            case Kind.DATABASE_RESTART | Kind.DATABASE_CRASH:
                await _down(server, fault.seconds, crash=fault.kind == Kind.DATABASE_CRASH)
            case _:
                await _disturb(proxy, fault)


async def _freeze(life: Life, seconds: float) -> None:
    began = time.time()
    life.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    life.froze.append((began, time.time()))
    life.signal(signal.SIGCONT)
    await asyncio.sleep(WAKE_SECONDS)  # it shall try to save before the next fault


async def _ends(life: Life) -> bool:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await life.process.wait()
    except TimeoutError:
        return False
    return True


async def _lose_answer(proxy: Proxy, to: IsRequest) -> None:
    """Lose one; whoever has asked may be killed before there is an answer, then the next one's."""
    before, until = proxy.lost_answers, time.monotonic() + ANSWER_SECONDS
    while proxy.lost_answers == before and time.monotonic() < until:
        proxy.lose_answer(to)
        with suppress(AssertionError):
            await eventually(lambda: proxy.lost_answers > before, seconds=1.0)
    proxy.heal()
    if proxy.lost_answers == before:
        raise _NobodyAskedError


async def _down(server: Server, seconds: float, *, crash: bool) -> None:
    await asyncio.to_thread(server.kill if crash else server.stop)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.start)


async def _disturb(proxy: Proxy, fault: Fault) -> None:
    match fault.kind:
        case Kind.BROKER_CUT | Kind.DATABASE_CUT:
            proxy.cut()
        case Kind.BROKER_HALF_OPEN | Kind.DATABASE_HALF_OPEN:
            proxy.half_open()
        case Kind.BROKER_SLOW | Kind.DATABASE_SLOW:
            proxy.delay(fault.amount * LONGEST_DELAY_SECONDS)
        case _:
            proxy.cut_after(round(fault.amount * MOST_TORN_BYTES))
    await asyncio.sleep(fault.seconds)
    proxy.heal()
