"""What is old is deleted, what is still needed stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, insert, select, update

from olearn_core.config import DatabaseSettings, LearningSettings, RetentionSettings
from olearn_core.storage import schema
from olearn_core.storage.database import Database
from olearn_core.storage.hash_blobs import from_blob, to_blob
from olearn_core.storage.leases import Leases
from olearn_core.storage.retention import Retention, _take_out
from olearn_core.storage.tables import (
    dead_letters,
    dedup_segments,
    learning_events,
    model_versions,
    outcome_log,
    shards,
)
from tests.support.services import eventually

DAY = 86_400.0
NOW = 1_800_000_000.0
NOON = (20_833 + 0.5) * DAY


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


async def test_a_retried_dead_letter_ages_like_any_other(database: Database) -> None:
    retried = {"retried_at": NOW - 1.0 * DAY}
    await add(database, dead_letters, letter(1, 31.0) | retried, letter(2, 29.0) | retried)
    assert (await retention_of(database).prune(NOW))["dead_letters"] == 1


async def test_others_write_between_two_slices(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olearn_core.storage.retention.SLICE_ROWS", 10)
    old = {"kind": "batch", "details": {}, "created_at": NOW - 8 * DAY}
    await add(database, learning_events, *[old] * 2_000)
    pruning = asyncio.create_task(retention_of(database).prune(NOW))

    async def some_are_gone() -> bool:
        return await count(database, learning_events) < 2_000

    await eventually(some_are_gone)
    await add(database, learning_events, {"kind": "new", "details": {}, "created_at": NOW})
    assert not pruning.done()
    assert await count(database, learning_events) > 1, "it had not come to its end"
    assert (await pruning)["ledger"] == 2_000


class TestEventIds:
    """The hashes of events that were seen."""

    def segment(self, version: int, hashes: Sequence[int], part: str = "executions") -> Any:
        key = {"shard_id": 1, "part": part, "version": version, "created_at": NOW + version}
        return key | {"hashes": to_blob(np.array(hashes, dtype=np.uint64))}

    async def known(self, database: Database, part: str = "executions") -> list[int]:
        hashes = select(dedup_segments.c.hashes).where(dedup_segments.c.part == part)
        async with database.read() as connection:
            blobs = (await connection.execute(hashes.order_by("version"))).scalars()
            return [i for blob in blobs for i in from_blob(bytes(blob)).tolist()]

    async def test_those_beyond_the_window_are_forgotten(self, database: Database) -> None:
        await add(database, shards, shard(next_offset=1))
        parts = [range(start, start + 500) for start in range(0, 2_500, 500)]
        executions = [self.segment(version, ids) for version, ids in enumerate(parts, 1)]
        ratings = self.segment(1, range(500), "ratings")
        await add(database, dedup_segments, *executions, ratings)
        assert (await retention_of(database, dedup_ids=1_000).prune(NOW))["event_ids"] == 3
        assert await self.known(database) == list(range(1_500, 2_500))
        assert await self.known(database, "ratings") == list(range(500))

    async def test_ids_count_and_not_the_bytes_around_them(self, database: Database) -> None:
        await add(database, shards, shard(next_offset=1))
        await add(database, dedup_segments, *(self.segment(n, [n]) for n in range(1, 801)))
        assert (await retention_of(database, dedup_ids=1_000).prune(NOW))["event_ids"] == 0
        assert await self.known(database) == list(range(1, 801))

    async def test_small_segments_become_few_and_read_the_same(self, database: Database) -> None:
        await add(database, shards, shard(next_offset=1))
        ids = [list(range(10 * n, 10 * n + n % 7)) for n in range(1, 100)]
        executions = [self.segment(version, part) for version, part in enumerate(ids, 1) if part]
        await add(database, dedup_segments, *executions, self.segment(7, [1, 2, 3], "ratings"))
        before = await self.known(database)
        for _ in range(2):
            await retention_of(database, dedup_ids=1_000).prune(NOW)
            assert await self.known(database) == before
            assert await self.known(database, "ratings") == [1, 2, 3]
        async with database.read() as connection:
            query = select(dedup_segments).where(dedup_segments.c.part == "executions")
            rows = (await connection.execute(query.order_by("version"))).all()
        assert len(rows) < len(executions) / 5
        assert max(len(row.hashes) for row in rows) < 1_000 * 8 / 10, "they go in small parts"
        assert rows[-1].version == 99, "what comes next is newer still"
        assert rows[0].created_at == NOW + 1, "as old as its oldest"

    async def test_what_is_torn_is_left_as_it_is_and_the_rest_goes_on(
        self, database: Database
    ) -> None:
        await add(database, shards, shard(next_offset=1))
        torn = self.segment(2, [3, 4])
        torn["hashes"] = torn["hashes"][:-1]
        await add(database, dedup_segments, self.segment(1, [1, 2]), torn)
        ratings = [self.segment(version, [version], "ratings") for version in (1, 2)]
        await add(database, dedup_segments, *ratings)
        await add(database, dead_letters, letter(1, 31.0))
        assert (await retention_of(database).prune(NOW))["dead_letters"] == 1
        assert await count(database, dedup_segments) == 2 + 1


class TestVersions:
    """All of an hour, one an hour, one a day, and then the lineage alone."""

    def version(self, number: int, age_hours: float, **fields: Any) -> dict[str, Any]:
        model = fields.pop("model_type", "m")
        key = {"id": number, "model_type": model, "version_number": number}
        body = {"metrics": {"n": number}, "parameters": {}, "training_samples": number}
        body |= {"artifact": b"sums", "sha256": f"{number}", "covered_offsets": {}}
        parent = number - 1 if number > 1 else None
        status = {"status": "deprecated", "parent_version_id": parent}
        return key | body | status | {"created_at": NOON - age_hours * 3_600} | fields

    async def left(self, database: Database) -> dict[int, Any]:
        async with database.read() as connection:
            rows = await connection.execute(select(model_versions).order_by("id"))
            return {row.id: row for row in rows}

    async def test_the_last_of_each_hour_and_of_each_day(self, database: Database) -> None:
        ages = {1: 30 * 24 - 1, 2: 49.1, 3: 48.9, 4: 48.1, 5: 30.1, 6: 3.9, 7: 3.1, 8: 2.5}
        ages |= {9: 0.9, 10: 0.8, 11: 0.0}
        rows = [self.version(number, age) for number, age in ages.items()]
        await add(database, model_versions, *rows[:-1], rows[-1] | {"status": "active"})
        assert (await retention_of(database).prune(NOON))["versions"] == 3
        assert list(await self.left(database)) == [1, 4, 5, 7, 8, 9, 10, 11]
        assert (await retention_of(database).prune(NOON))["versions"] == 0, "once is enough"

    async def test_children_of_what_goes_become_their_grandparent_s(
        self, database: Database
    ) -> None:
        ages = (26 * 24, 3.9, 3.8, 3.7, 0.5)
        rows = [self.version(number, age) for number, age in enumerate(ages, 1)]
        await add(database, model_versions, *rows)
        await retention_of(database).prune(NOON)
        left = await self.left(database)
        assert {number: row.parent_version_id for number, row in left.items()} == {
            1: None,
            4: 1,
            5: 4,
        }

    async def test_of_the_oldest_the_lineage_stays(self, database: Database) -> None:
        rows = [self.version(number, 24 * (33.2 - number / 2)) for number in range(1, 11)]
        await add(database, model_versions, *rows)
        pruned = await retention_of(database).prune(NOON)
        left = await self.left(database)
        days = {int(row.created_at // DAY) for row in left.values()}
        assert len(days) == len(left), "one a day"
        old = [row for row in left.values() if row.created_at < NOON - 30 * DAY]
        assert len(old) == pruned["artifacts"] == 3
        assert all((row.artifact, row.status) == (b"", "archived") for row in old)
        assert all(row.metrics == {"n": row.id} and row.sha256 == f"{row.id}" for row in old)
        young = [row for row in left.values() if row.created_at >= NOON - 30 * DAY]
        assert young
        assert all((row.artifact, row.status) == (b"sums", "deprecated") for row in young)

    async def test_the_active_version_stays_whole_however_old(self, database: Database) -> None:
        active = self.version(1, 400 * 24, status="active")
        refused = self.version(2, 400 * 24 - 1, status="archived")
        await add(database, model_versions, active, refused)
        pruned = await retention_of(database).prune(NOON)
        assert (pruned["versions"], pruned["artifacts"]) == (1, 0)
        left = await self.left(database)
        assert [(row.status, row.artifact) for row in left.values()] == [("active", b"sums")]

    async def test_a_good_version_goes_before_one_that_was_refused(
        self, database: Database
    ) -> None:
        good = self.version(1, 3.2)
        await add(database, model_versions, good, self.version(2, 3.1, status="archived"))
        await retention_of(database).prune(NOON)
        assert list(await self.left(database)) == [1]

    async def test_each_model_has_its_own(self, database: Database) -> None:
        one, other = self.version(1, 3.2), self.version(2, 3.1, model_type="other")
        await add(database, model_versions, one, other | {"parent_version_id": None})
        assert (await retention_of(database).prune(NOON))["versions"] == 0

    async def test_ages_are_configured(self, database: Database) -> None:
        ages = (90.0, 70.0, 3.9, 3.8, 3.7)
        rows = [self.version(number, age) for number, age in enumerate(ages, 1)]
        await add(database, model_versions, *rows)
        settings = RetentionSettings(version_hours=1, version_days=3)
        retention = Retention(database, Leases(database, "me"), settings, LearningSettings(), "e")
        pruned = await retention.prune(NOON)
        assert (pruned["versions"], pruned["artifacts"]) == (2, 1)
        assert list(await self.left(database)) == [1, 2, 5]

    async def test_one_that_became_active_meanwhile_stays(self, database: Database) -> None:
        rows = [self.version(number, 4 - number / 10) for number in (1, 2, 3)]
        await add(database, model_versions, *rows)
        async with database.write() as connection:
            second = model_versions.c.id == 2
            await connection.execute(update(model_versions).where(second).values(status="active"))
            await _take_out(connection, 2)
            await _take_out(connection, 1)
        left = await self.left(database)
        assert {number: row.parent_version_id for number, row in left.items()} == {2: None, 3: 2}
