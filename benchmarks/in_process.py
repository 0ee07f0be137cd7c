"""
The service's parts without a broker: a batch, a save, the memory, a decision after learning.

Run as a module it prints these figures as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from statistics import median

from aiokafka.structs import ConsumerRecord

from benchmarks import events
from benchmarks.usage import resident_bytes
from olearn_core.config import load_settings
from olearn_core.decisions.question import Question
from olearn_core.events import DEFAULT
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.learning.workers.checkpoint import Checkpointer
from olearn_core.service import RunState, Service
from olearn_core.sources.source import Partition
from olearn_core.statistics import Statistics
from olearn_core.storage.shards import ShardStore

PARTITION = Partition("agent-outcomes", 0)
SLICE = 1_000
BATCH = 10
BATCHES = 50
SAVES = 5
REFRESHES = 20
MEMORY_EVENTS = 1_000_000
DEDUP_IDS = 1_400_000  # whole quarters are forgotten, so that at least 10^6 are held


async def service_at(folder: Path, stack: AsyncExitStack) -> Service:
    """Return a service on SQLite and the embedded log that has not begun to learn."""
    settings = load_settings(
        database={"url": f"sqlite+aiosqlite:///{folder / 'olearn.db'}"},
        kafka={"enabled": False},
        learning={"dedup_ids": DEDUP_IDS},
        versions={"storage_path": folder / "models"},
    )
    service = await Service.open(settings, stack)
    service.state = RunState.RUNNING
    return service


def learned(service: Service, count: int) -> Shard:
    """Let the service have learned so many outcomes, in one shard."""
    shard = _shard(service, 1, 1, 0)
    service.worker.shards[PARTITION] = shard
    stream = records(events.made(count))
    while batch := list(islice(stream, SLICE)):
        shard.learn(batch, time.time())
    return shard


def records(stream: Iterator[bytes], first: int = 0) -> Iterator[ConsumerRecord[bytes, bytes]]:
    """Yield events as Kafka's client hands them over."""
    now = int(time.time() * 1_000)
    for offset, value in enumerate(stream, start=first):
        yield ConsumerRecord(*PARTITION, offset, now, 0, None, value, None, -1, len(value), ())


def _shard(service: Service, shard_id: int, epoch: int, version: int) -> Shard:
    learning = service.settings.learning
    state = ShardState(
        id=shard_id,
        partition=PARTITION,
        epoch=epoch,
        next_offset=0,
        version=version,
        table=Statistics(service.models.column_names),
        executions=DedupWindow(learning.dedup_ids),
        ratings=DedupWindow(learning.dedup_ratings),
        counters=Counter(),
    )
    reader = Reader(PARTITION, service.keys.all, require_token=False)
    return Shard(state, service.models.columns, reader, learning)


async def batches(service: Service, shard: Shard) -> dict[str, Sequence[float]]:
    """Return the milliseconds of batches of 10: folded, and folded and committed."""
    store = ShardStore(service.database)
    header = await store.claim("benchmark", *PARTITION, "benchmark", "benchmark")
    await store.begin(header, 0)
    shard.state.id, shard.state.epoch = header.id, header.epoch
    shard.state.next_offset = 0
    shard.reset = True  # so that the first checkpoint saves all of the table
    checkpointer = Checkpointer(store, "benchmark", service.settings.learning)
    await checkpointer.save([shard])
    stream = records(events.made(BATCHES * BATCH, seed=2), first=shard.next_offset)
    folded, committed = [], []
    for _ in range(BATCHES):
        batch, started = list(islice(stream, BATCH)), time.perf_counter()
        shard.learn(batch, time.time())
        folded.append(_ms_since(started))
        await checkpointer.save([shard])
        committed.append(_ms_since(started))
    return {"fold_ms": folded, "commit_ms": committed}


async def saves(service: Service) -> list[float]:
    """Return the milliseconds of saving a version of every model."""
    taken = []
    for _ in range(SAVES):
        started = time.perf_counter()
        await service.versions.save()
        taken.append(_ms_since(started))
    return taken


def refreshes(service: Service, shard: Shard) -> list[float]:
    """Return the milliseconds of a decision that comes right after learning."""
    question = Question(DEFAULT, events.TASK_TYPES[0], {})
    stream = records(events.made(REFRESHES, seed=3), first=shard.next_offset)
    service.view._clock = _far_clock()  # noqa: SLF001 - else the view is kept for 50 ms
    taken = []
    for record in stream:
        shard.learn([record], time.time())
        started = time.perf_counter()
        service.decider.decide(question)
        taken.append(_ms_since(started))
    return taken


def _far_clock() -> Callable[[], float]:
    """Return a clock that moves on by a second whenever it is read."""
    start = time.time()
    reads = iter(range(1 << 30))
    return lambda: start + next(reads)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1e3


async def main() -> dict[str, object]:
    """Measure everything of this module."""
    imports = _settled_bytes()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = await service_at(folder, stack)
        shard = learned(service, MEMORY_EVENTS)
        decided_ms = refreshes(service, shard)
        memory = _settled_bytes() - imports
        batch = await batches(service, shard)
        return {
            "memory_mb": memory / 1e6,
            "cells": len(shard.table),
            "dedup_ids": len(shard.state.executions),
            "batch_fold_ms": median(batch["fold_ms"]),
            "batch_commit_ms": median(batch["commit_ms"]),
            "decision_after_learning_ms": median(decided_ms),
            "save_ms": median(await saves(service)),
            "raw": {**batch, "decided_ms": decided_ms},
        }


def _settled_bytes() -> int:
    gc.collect()
    return resident_bytes()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main())) + "\n")
