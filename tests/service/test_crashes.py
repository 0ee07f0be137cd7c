"""Real processes, broker and databases: killed and joined, and never a record lost or twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from olearn_core.config import KafkaSettings
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.tables import dead_letters
from tests.support import oracle
from tests.support.credentials import HEADERS
from tests.support.events import stream
from tests.support.services import GROUP_SECONDS, cells_of, eventually
from tests.support.workers import assert_ledger_chains, column_names, stored

RECORDS = 4_000
PARTITIONS = 4


class Learner:
    """A service in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, settings: dict[str, Any]) -> Learner:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.service.learner",
                json.dumps(settings),
                stdout=asyncio.subprocess.PIPE,
            )
        )

    async def url(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            return (await self.process.stdout.readline()).decode().strip()

    async def end(self, how: signal.Signals) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(30):
            return await self.process.wait()


async def _produce(settings: KafkaSettings, records: list[bytes]) -> None:
    """Write records as a busy fleet would: some at a time, repeats to the same partition."""
    async with AsyncExitStack() as stack:
        publisher = KafkaPublisher(settings)
        await publisher.start(stack)
        for start in range(0, len(records), 50):
            part = records[start : start + 50]
            keys = [hashlib.sha256(record).hexdigest() for record in part]
            sent = (publisher.publish(key, r) for key, r in zip(keys, part, strict=True))
            await asyncio.gather(*sent)
            await asyncio.sleep(0.05)


async def _committed(database: Database) -> int:
    headers = await ShardStore(database).headers()
    return sum(header.next_offset or 0 for header in headers)


async def _sums(url: str) -> dict[tuple[str, str], dict[str, int]]:
    async with httpx2.AsyncClient(headers=HEADERS) as client:
        answer = await client.get(f"{url}/api/learning/agents/performance?by=task_type")
    return {(row["agent_name"], row["task_type"]): row["sums"] for row in answer.json()}


@pytest.mark.kafka
async def test_kill_9_restart_and_a_second_worker_change_nothing(
    tmp_path: Path, database: Database, database_url: str, kafka_broker: Any, kafka_topic: Any
) -> None:
    now = time.time()
    records = stream(11, RECORDS, now)
    kafka = {
        "bootstrap_servers": kafka_broker.bootstrap,
        "outcome_topic": await kafka_topic(PARTITIONS),
        "session_timeout_ms": 6_000,
        "group": tmp_path.name,
    }
    settings = {
        "api": {"port": 0},
        "database": {"url": database_url},
        "kafka": kafka,
        "versions": {"storage_path": str(tmp_path / "models")},
        "learning": {"base_interval_seconds": 0.5},
    }
    killed = await Learner.start(settings)
    await killed.url()
    producing = asyncio.create_task(_produce(KafkaSettings(**kafka), records))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(killed.end, signal.SIGKILL)

        async def some() -> bool:
            return 500 < await _committed(database) < RECORDS

        await eventually(some, "it is in the middle of the stream", GROUP_SECONDS)
        await killed.end(signal.SIGKILL)
        first, second = await Learner.start(settings), await Learner.start(settings)
        stack.push_async_callback(first.end, signal.SIGKILL)
        stack.push_async_callback(second.end, signal.SIGKILL)
        urls = [await first.url(), await second.url()]
        await producing

        async def all_of_them() -> bool:
            return await _committed(database) == RECORDS

        await eventually(all_of_them, "all is learned", GROUP_SECONDS)
        expected = oracle.expected(records, now)
        cells = cells_of(await stored(database))
        assert oracle.totals(cells) == oracle.totals(expected)
        assert _without_hours(cells) == _without_hours(expected)
        await assert_ledger_chains(database)
        assert await _dead_letters(database) == _unreadable(records)

        async def same() -> bool:
            one, other = [await _sums(url) for url in urls]
            return one == other == _by_task(expected)

        await eventually(same, "both nodes answer with the whole", 1.0)
        assert await first.end(signal.SIGTERM) == 0
        assert await second.end(signal.SIGTERM) == 0
    assert oracle.totals(cells_of(await stored(database))) == oracle.totals(expected)


def _without_hours(cells: oracle.Cells) -> oracle.Cells:
    """Leave out the buckets: an hour may end between the writing and the learning."""
    sums: oracle.Cells = {}
    for cell, values in cells.items():
        total = sums.setdefault((*cell[:4], 0, 0), {})
        for column, value in values.items():
            total[column] = total.get(column, 0) + value
    return sums


def _by_task(cells: oracle.Cells) -> dict[tuple[str, str], dict[str, int]]:
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for (tenant, task, agent, context, *_), values in _without_hours(cells).items():
        if tenant == "default" and not context:
            sums[agent, task] = {c: values.get(c, 0) for c in column_names()}
    return sums


def _unreadable(records: list[bytes]) -> int:
    return sum(oracle.readable(record) is None for record in records)


async def _dead_letters(database: Database) -> int:
    async with database.read() as connection:
        count = await connection.execute(select(func.count()).select_from(dead_letters))
        return int(count.scalar_one())
