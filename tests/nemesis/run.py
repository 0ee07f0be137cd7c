"""One run: stage, workers, producer and nemesis together, then the verdict."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from tests.nemesis import verdict
from tests.nemesis.faults import Kind, plan
from tests.nemesis.fleet import STOP_SECONDS, Life, Worker
from tests.nemesis.log import read_back
from tests.nemesis.nemesis import WAKE_SECONDS, Nemesis, Tell
from tests.nemesis.oracle import Oracle
from tests.nemesis.parameters import Parameters
from tests.nemesis.producer import Producer
from tests.nemesis.stage import Stage
from tests.support.credentials import HEADERS
from tests.support.services import eventually, open_database

QUICK = {"base_interval_seconds": 2.0}
TELL_SECONDS = 30.0
HEALTHY_SECONDS = 30.0


@dataclass
class Result:
    """
    What happened in a run.

    :param violations: empty where every promise was kept
    :param missed: faults that found nothing to strike
    :param refused: saves that were refused: somebody else owned the shard by then
    :param refused_after_freeze: those of workers that had just been frozen
    :param ended_alone: processes that ended without being told, with their exit codes
    """

    parameters: Parameters
    violations: list[str] = field(default_factory=list)
    faults: Counter[Kind] = field(default_factory=Counter)
    missed: list[Kind] = field(default_factory=list)
    records: int = 0
    unique: int = 0
    duplicates: int = 0
    poison: int = 0
    sent_again: int = 0
    updates: int = 0
    epochs: int = 0
    refused: int = 0
    refused_after_freeze: int = 0
    ended_alone: list[str] = field(default_factory=list)
    stop_seconds: list[float] = field(default_factory=list)
    chaos_seconds: float = 0.0
    catch_up_seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self) | {"faults": {str(kind): n for kind, n in self.faults.items()}}

    def lines(self) -> list[str]:
        """Return it for people."""
        faults = ", ".join(f"{n} {kind}" for kind, n in sorted(self.faults.items()))
        stop_seconds = max(self.stop_seconds, default=0.0)
        return [
            f"{self.parameters}",
            f"{self.faults.total()} faults in {self.chaos_seconds:.0f} s: {faults}",
            f"{self.records} records: {self.unique} learned, {self.duplicates} duplicates",
            f"{self.poison} poison; {self.sent_again} were sent again",
            f"{self.updates} updates in {self.epochs} epochs",
            f"{self.refused} refused saves, {self.refused_after_freeze} of them after a freeze",
            f"caught up {self.catch_up_seconds:.1f} s after the last fault",
            f"from SIGTERM to the end of a worker: at most {stop_seconds:.1f} s",
            *(f"ended alone: {what}" for what in self.ended_alone),
            *(f"found nothing to strike: {kind}" for kind in self.missed),
            *(f"VIOLATION: {what}" for what in self.violations),
        ]


async def run(parameters: Parameters, folder: Path, tell: Tell = print) -> Result:
    """Run once, in a folder that keeps the logs of all processes."""
    result = Result(parameters)
    with Stage(parameters, folder) as stage:
        await stage.prepare()
        async with AsyncExitStack() as stack:
            database = await open_database(stage.url, stack)
            workers = [stage.worker(f"worker-{n}", **QUICK) for n in range(parameters.workers)]
            for worker in workers:
                stack.push_async_callback(worker.stop, signal.SIGKILL)
                await worker.start()
            producer = Producer(stage.bootstrap, stage.topic, parameters)
            await _struck(stage, workers, database, producer, result, tell)
            healed_at, oracle = time.time(), Oracle()
            ends = await _read_back(stage, oracle)
            learned_at = await _caught_up(database, ends, result)
            result.catch_up_seconds = max(0.0, learned_at - healed_at)
            await asyncio.gather(*(_is_healthy(worker, result) for worker in workers))
            await asyncio.gather(*(_end(worker, result) for worker in workers))
            result.violations += await verdict.violations(database, oracle, ends)
            result.sent_again = producer.sent_again
            _count_records(oracle, result)
            ledger = await verdict.ledger(database)
            (folder / "ledger.json").write_text(json.dumps(ledger))
            _count_updates(ledger, result)
            _count_lives([life for worker in workers for life in worker.lives], result)
    return result


async def _struck(
    stage: Stage,
    workers: Sequence[Worker],
    database: Database,
    producer: Producer,
    result: Result,
    tell: Tell,
) -> None:
    """Let the nemesis strike while the producer sends; return when both have ended."""
    stop = asyncio.Event()
    nemesis = Nemesis(stage, workers, database, tell)
    began = time.monotonic()
    says = _telling(lambda: f"{nemesis.struck.total()} faults, {producer.made} sent", tell)
    async with says, asyncio.TaskGroup() as tasks:
        tasks.create_task(producer.run(stop))
        await nemesis.run(plan(stage.parameters))
        stop.set()
    result.chaos_seconds = time.monotonic() - began
    result.faults, result.missed = nemesis.struck, nemesis.missed
    result.stop_seconds = nemesis.stop_seconds
    result.violations += nemesis.violations


@asynccontextmanager
async def _telling(what: Callable[[], str], tell: Tell) -> AsyncIterator[None]:
    """Say now and then how it goes."""

    async def forever() -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            tell(what())

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()


async def _read_back(stage: Stage, oracle: Oracle) -> dict[int, int]:
    return await read_back(stage.bootstrap, stage.topic, stage.parameters.partitions, oracle)


async def _caught_up(database: Database, ends: Mapping[int, int], result: Result) -> float:
    """Wait until everything is learned; return when it was, Unix seconds."""
    store = ShardStore(database)

    async def learned() -> bool:
        return {h.partition: h.next_offset for h in await store.headers()} == ends

    try:
        await eventually(learned, f"learned up to {ends}", result.parameters.catch_up_seconds)
    except AssertionError as error:
        result.violations.append(str(error))
    return max(header.updated_at for header in await store.headers())


async def _is_healthy(worker: Worker, result: Result) -> None:
    """See that nothing sticks: when all is well again, each worker says so."""
    said: list[str] = []

    async def healthy() -> bool:
        async with httpx2.AsyncClient(base_url=worker.life.url or "", headers=HEADERS) as client:
            status = (await client.get("/api/learning/status")).json()
        said[:] = [status["status"], *status["warnings"]]
        return status["status"] == "healthy"

    try:
        await worker.answers()
        await eventually(healthy, seconds=HEALTHY_SECONDS)
    except (AssertionError, httpx2.HTTPError) as error:
        result.violations.append(f"{worker.life.log.name} is not healthy: {said or repr(error)}")


async def _end(worker: Worker, result: Result) -> None:
    if not await worker.stop():
        result.violations.append(
            f"{worker.life.log.name}: still there {STOP_SECONDS} s after SIGTERM"
        )


def _count_records(oracle: Oracle, result: Result) -> None:
    result.records, result.unique = oracle.records, len(oracle.ids)
    result.duplicates, result.poison = oracle.duplicates, len(oracle.poison)


def _count_updates(ledger: Sequence[Mapping[str, Any]], result: Result) -> None:
    result.updates = len(ledger)
    result.epochs = len({(row["shard_id"], row["epoch"]) for row in ledger})


def _count_lives(lives: Sequence[Life], result: Result) -> None:
    for life in lives:
        refusals = life.refusals()
        result.refused += len(refusals)
        result.refused_after_freeze += sum(
            any(0 <= at - end < WAKE_SECONDS for _, end in life.froze) for at in refusals
        )
        if life.told is None:
            result.ended_alone.append(f"{life.log.name} with {life.process.returncode}")
        elif life.told == signal.SIGTERM and life.url and life.process.returncode != 0:
            result.violations.append(
                f"{life.log.name} ended with {life.process.returncode} after SIGTERM"
            )
