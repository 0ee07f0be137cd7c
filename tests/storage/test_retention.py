"""What is old is deleted, what is still needed stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, insert, select

from olearn_core.config import DatabaseSettings, LearningSettings, RetentionSettings
from olearn_core.storage import schema
from olearn_core.storage.database import Database
from olearn_core.storage.leases import Leases
from olearn_core.storage.retention import Retention
from olearn_core.storage.tables import (
    dead_letters,
    dedup_segments,
    learning_events,
    outcome_log,
    shards,
)

DAY = 86_400.0
NOW = 1_800_000_000.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        url = f"sqlite+aiosqlite:///{tmp_path}/olearn.db"
        database = await Database.open(DatabaseSettings(url=url), stack)
        await schema.upgrade(database)
        yield database


def retention_of(database: Database, **learning: int) -> Retention:
    leases = Leases(database, "me")
    settings = RetentionSettings(ledger_days=7, dead_letter_days=30, outcome_log_days=7)
    return Retention(database, leases, settings, LearningSettings(**learning), "embedded")


async def add(database: Database, table, *rows) -> None:
    async with database.write() as connection:
        await connection.execute(insert(table), list(rows))


async def count(database: Database, table) -> int:
    async with database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


def shard(next_offset: int) -> dict[str, object]:
    where = {"id": 1, "source": "embedded", "topic": "outcomes", "partition": 0}
    versions = {"version": 1, "base_version": 1, "reset_version": 0}
    return where | versions | {"epoch": 1, "next_offset": next_offset, "updated_at": NOW}


def letter(offset: int, age_days: float) -> dict[str, object]:
    where = {"source": "kafka", "topic": "t", "partition": 0, "offset": offset}
    what = {"reason": "r", "pointer": "", "payload_head": b"", "payload_bytes": 0}
    return where | what | {"payload_sha256": "", "created_at": NOW - age_days * DAY}


async def test_ledger_rows_and_dead_letters_go_at_their_age(database: Database) -> None:
    ages = (0.0, 6.9, 7.1, 400.0)
    rows = [{"kind": "batch", "details": {}, "created_at": NOW - age * DAY} for age in ages]
    await add(database, learning_events, *rows)
    await add(database, dead_letters, letter(1, 29.0), letter(2, 31.0))
    pruned = await retention_of(database).prune(NOW)
    assert (pruned["ledger"], pruned["dead_letters"]) == (2, 1)
    assert await count(database, learning_events) == 2
    assert await count(database, dead_letters) == 1


async def test_more_rows_than_a_slice_go_as_well(database: Database) -> None:
    old = {"kind": "batch", "details": {}, "created_at": NOW - 8 * DAY}
    await add(database, learning_events, *[old] * 12_001)
    assert (await retention_of(database).prune(NOW))["ledger"] == 12_001
    assert await count(database, learning_events) == 0


async def test_what_is_not_learned_yet_stays_however_old(database: Database) -> None:
    old_ms = int((NOW - 8 * DAY) * 1_000)
    await add(database, outcome_log, *[{"value": b"{}", "created_at_ms": old_ms}] * 10)
    await add(database, shards, shard(next_offset=4))
    assert (await retention_of(database).prune(NOW))["outcome_log"] == 3
    assert await count(database, outcome_log) == 7


async def test_a_log_that_nobody_has_read_is_not_pruned(database: Database) -> None:
    await add(database, outcome_log, {"value": b"{}", "created_at_ms": 0})
    assert (await retention_of(database).prune(NOW))["outcome_log"] == 0


async def test_event_ids_beyond_the_window_are_forgotten(database: Database) -> None:
    await add(database, shards, shard(next_offset=1))
    hashes = np.arange(500, dtype=np.uint64).tobytes()
    key = {"shard_id": 1, "part": "executions", "hashes": hashes, "created_at": NOW}
    await add(database, dedup_segments, *[key | {"version": v} for v in range(1, 6)])
    ratings = key | {"part": "ratings", "version": 1}
    await add(database, dedup_segments, ratings)
    assert (await retention_of(database, dedup_ids=1_000).prune(NOW))["event_ids"] == 3
    async with database.read() as connection:
        left = await connection.execute(select(dedup_segments.c.part, dedup_segments.c.version))
        assert sorted(map(tuple, left)) == [("executions", 4), ("executions", 5), ("ratings", 1)]
