"""
What reliability costs and how long recovery takes, measured on real processes.

``python -m tests.proof.costs`` prints it; Apache Kafka and PostgreSQL are started for it.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import func, select

from benchmarks import events
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardHeader, ShardStore
from olearn_core.storage.tables import learning_events
from tests.nemesis.fleet import Worker
from tests.nemesis.parameters import Parameters
from tests.nemesis.producer import Producer
from tests.nemesis.stage import Stage
from tests.support.services import eventually, open_database

TAKE_OVER_SECONDS = 60.0
CATCH_UP_SECONDS = 300.0
LOOK_SECONDS = 0.1
# Workers are frozen while the backlog is written: they must not lose their partitions by that.
LONG_SESSION_SECONDS = 60.0


@dataclass(frozen=True)
class Figure:
    """
    One measured cost.

    :param values: of the rounds
    :param most: the goal: no round is above it, None for no goal
    """

    name: str
    unit: str
    values: Sequence[float]
    most: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether every round kept the goal."""
        return self.most is None or max(self.values) <= self.most


class Fleet:
    """Workers on a stage, and what the database says of them."""

    def __init__(self, stage: Stage, workers: Sequence[Worker], database: Database) -> None:
        self.stage = stage
        self.workers = workers
        self.database = database
        self._shards = ShardStore(database)

    async def headers(self) -> Sequence[ShardHeader]:
        """Return all shards."""
        return await self._shards.headers()

    async def shared(self) -> None:
        """Wait until every worker that runs owns its part of the partitions, and has learned."""
        running = {str(w.life.process.pid) for w in self.workers if w.life.ended is None}

        async def fair() -> bool:
            owners = [_pid(header) for header in await self.headers()]
            return len(owners) == self.stage.parameters.partitions and set(owners) == running

        await eventually(fair, "all workers own partitions", TAKE_OVER_SECONDS)

    async def owned_by(self, worker: Worker) -> Mapping[int, int]:
        """Return the epochs of a worker's shards, by shard."""
        pid = str(worker.life.process.pid)
        return {header.id: header.epoch for header in await self.headers() if _pid(header) == pid}

    async def taken_over(self, epochs: Mapping[int, int]) -> float:
        """Wait until others have learned in each of these shards; return when, Unix seconds."""

        async def firsts() -> Sequence[float]:
            found = [await self._first_after(shard, epoch) for shard, epoch in epochs.items()]
            return [at for at in found if at] if all(found) else []

        return float(max(await eventually(firsts, "others take over", TAKE_OVER_SECONDS)))

    async def _first_after(self, shard: int, epoch: int) -> float:
        rows = learning_events.c
        query = select(func.min(rows.created_at)).where(rows.shard_id == shard, rows.epoch > epoch)
        async with self.database.read() as connection:
            return float((await connection.execute(query)).scalar() or 0.0)

    async def caught_up(self, count: int) -> float:
        """Wait until so many records are learned; return when it was, Unix seconds."""

        async def done() -> bool:
            await asyncio.sleep(LOOK_SECONDS)  # seldom: looking takes from what is measured
            return sum(header.next_offset or 0 for header in await self.headers()) >= count

        await eventually(done, f"{count} are learned", CATCH_UP_SECONDS)
        return max(header.updated_at for header in await self.headers())


def _pid(header: ShardHeader) -> str:
    return (header.owner or "::").split(":")[1]


@asynccontextmanager
async def fleet(parameters: Parameters, folder: Path) -> AsyncIterator[Fleet]:
    """Start a stage and its workers; they are not yet waited for."""
    with Stage(parameters, folder, proxied=False) as stage:
        await stage.prepare()
        async with AsyncExitStack() as stack:
            database = await open_database(stage.url, stack)
            workers = [stage.worker(f"worker-{n}") for n in range(parameters.workers)]
            for worker in workers:
                stack.push_async_callback(worker.stop, signal.SIGKILL)
            yield Fleet(stage, workers, database)


async def take_overs(folder: Path, rounds: int) -> list[Figure]:
    """Return how long a partition waits for its next owner, after SIGKILL and after SIGTERM."""
    parameters = Parameters(broker="apache", workers=2, events=0, events_per_second=400)
    seconds: dict[signal.Signals, list[float]] = {signal.SIGKILL: [], signal.SIGTERM: []}
    async with fleet(parameters, folder) as found, asyncio.TaskGroup() as tasks:
        for worker in found.workers:
            await worker.start()
        stop = asyncio.Event()
        producer = Producer(found.stage.bootstrap, found.stage.topic, parameters)
        tasks.create_task(producer.run(stop))
        for number in range(rounds):
            for how, taken in seconds.items():
                taken.append(await _take_over(found, found.workers[number % 2], how))
        stop.set()
    most = parameters.session_timeout_seconds + 5.0
    return [
        Figure(
            "fail-over: SIGKILL to the next owner's first update",
            "s",
            seconds[signal.SIGKILL],
            most,
        ),
        Figure(
            "hand-over: SIGTERM to the next owner's first update", "s", seconds[signal.SIGTERM], 2.0
        ),
    ]


async def _take_over(found: Fleet, worker: Worker, how: signal.Signals) -> float:
    await found.shared()
    epochs = await found.owned_by(worker)
    told_at = time.time()
    await worker.stop(how)
    taken = await found.taken_over(epochs) - told_at
    await worker.start()
    return taken


async def catching_up(folder: Path, rounds: int, count: int) -> list[Figure]:
    """Return what a start costs, with nothing learned, with a backlog, and after a restart."""
    starts, restarts, catch_ups, stops, cpu = [], [], [], [], []
    for number in range(rounds):
        place = folder / f"backlog-{number}"
        place.mkdir()
        async with fleet(Parameters(broker="apache", workers=1), place) as found:
            (worker,) = found.workers
            await _fill(found.stage, count)
            began = time.time()
            await worker.start()
            await worker.answers()
            starts.append(time.time() - began)
            catch_ups.append((await found.caught_up(count) - began) / count * 1e6)
            began = time.time()
            await worker.stop()
            stops.append(time.time() - began)
            began = time.time()
            await worker.start()
            await worker.answers()
            restarts.append(time.time() - began)
            cpu.append(worker.life.cpu_seconds())
    return [
        Figure("start to answering, first time", "s", starts),
        Figure("start to caught up, a million outcomes behind", "s", catch_ups),
        Figure("SIGTERM to the end", "s", stops, 5.0),
        Figure("start to answering, with a million outcomes learned", "s", restarts),
        Figure("CPU of that start", "s", cpu),
    ]


async def throughput(folder: Path, rounds: int, count: int) -> list[Figure]:
    """Return how fast one worker and two learn a backlog that they find at the same moment."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for workers, found in rates.items():
            place = folder / f"rate-{number}-{workers}"
            place.mkdir()
            found.append(await _rate(place, workers, count))
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    return [
        Figure("outcomes per second, one worker", "1/s", rates[1]),
        Figure("outcomes per second, two workers", "1/s", rates[2]),
        Figure("two workers ÷ one", "", ratios),
    ]


async def _rate(folder: Path, workers: int, count: int) -> float:
    parameters = Parameters(
        broker="apache", workers=workers, session_timeout_seconds=LONG_SESSION_SECONDS
    )
    async with fleet(parameters, folder) as found:
        for worker in found.workers:
            await worker.start()
        await found.shared()
        for worker in found.workers:
            worker.life.signal(signal.SIGSTOP)
        await _fill(found.stage, count)
        began = time.time()
        for worker in found.workers:
            worker.life.signal(signal.SIGCONT)
        return count / (await found.caught_up(count) - began)


async def _fill(stage: Stage, count: int) -> None:
    partitions = stage.parameters.partitions
    await events.fill(stage.bootstrap, stage.topic, partitions, count)


async def measured(rounds: int, count: int) -> list[Figure]:
    """
    Measure everything.

    :param count: outcomes of a backlog
    """
    with tempfile.TemporaryDirectory(prefix="olearn-costs-") as name:
        folder = Path(name)
        return [
            *await take_overs(folder, rounds),
            *await catching_up(folder, rounds, count),
            *await throughput(folder, rounds, count),
        ]


def lines(figures: Sequence[Figure]) -> list[str]:
    """Return the figures as rows of a table: name, median, worst, goal."""
    return [
        f"| {f.name} | {_number(median(f.values))} {f.unit} | {_number(max(f.values))} {f.unit} |"
        f" {'' if f.most is None else f'≤ {f.most:g} {f.unit}'} |"
        f" {'' if f.most is None else 'kept' if f.is_met else '**missed**'} |"
        for f in figures
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}"


if __name__ == "__main__":
    print(*lines(asyncio.run(measured(rounds=3, count=1_000_000))), sep="\n")
