"""A year of operation: the database reaches a level and stays there, and every sum is right."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, func, literal, select

from olearn_core.config import DatabaseSettings, LearningSettings, RetentionSettings
from olearn_core.sources.embedded import PARTITION, EmbeddedLog
from olearn_core.storage import schema
from olearn_core.storage.database import Database
from olearn_core.storage.leases import Leases
from olearn_core.storage.outcome_log import OutcomeLog
from olearn_core.storage.retention import Retention
from olearn_core.storage.tables import metadata, model_versions
from tests.support.events import POISON, rfc3339
from tests.support.keepers import (
    POLICY,
    all_held,
    expected,
    keeper_on,
    models,
    rollbacks_on,
)
from tests.support.services import cells_of, publish
from tests.support.workers import NOW, Rig

DAY, DAYS = 86_400.0, 365
FULL_AFTER = 125  # days: 92 until a table has all its buckets, then as long as versions stay
MEASURED_EVERY = 6
LINEAGE = "lineage of versions"


class Clock:
    """The time, which moves when the test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(time, "time_ns", lambda: int(clock.now * 1e9))
    return clock


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    """A database that need not survive a power cut."""
    settings = DatabaseSettings(url=sqlite_url, sqlite_synchronous="NORMAL")
    async with AsyncExitStack() as stack:
        database = await Database.open(settings, stack)
        await schema.upgrade(database)
        yield database


class Year:
    """A small fleet, what learns from it, and what a day leaves behind."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.rng = random.Random(1)
        self.records: list[bytes] = []
        self.leases = Leases(database, "one")
        self.log = EmbeddedLog(OutcomeLog(database), self.leases)
        learning = {"dedup_ids": 1_000, "base_interval_seconds": 1e-9, "batch_size": 1}
        learning |= {"checkpoint_interval_seconds": 1_000, "batch_timeout_seconds": 0.1}
        self.rig = Rig(database, self.log, clock=clock, columns=models().columns, **learning)
        self.keeper = keeper_on(database, folder)
        self.rollbacks = rollbacks_on(database, self.keeper)
        self.retention = Retention(
            database, self.leases, RetentionSettings(), LearningSettings(**learning), self.log.name
        )

    async def day(self, number: int) -> None:
        """Outcomes come in, versions are saved, old rows are deleted; every other day is quiet."""
        self.clock.now += DAY
        if number % 15 == 0:
            await self.busy_hour()
        if number == 40:
            await self.back_and_forth()
        if number % 2:
            await self.learn(20)
            await self.keeper.save_if_learned()
            await self.retention.prune(self.clock.now)

    async def learn(self, count: int) -> None:
        new = [self.outcome() for _ in range(count)]
        self.records += new
        await publish(self.log, new)
        await self.rig.learned(self.log.end_offset(PARTITION))
        await self.rig.worker.checkpoint()

    def outcome(self) -> bytes:
        """Return an outcome: most are new, some late, some repeated, some unreadable."""
        chance = self.rng.random()
        if chance < 0.05 and self.records:
            return self.rng.choice(self.records[-50:])
        if chance < 0.1:
            return self.rng.choice(POISON)
        late = self.rng.choice((0.1, 1.0, 40.0, 100.0)) if chance < 0.2 else 0.01
        event = {
            "event_id": str(self.rng.random()),
            "agent_name": self.rng.choice(("ada", "bob")),
            "task_type": self.rng.choice(("code", "text")),
            "status": self.rng.choice(("success", "failure", "timeout")),
            "timestamp": rfc3339(self.clock.now - late * DAY),
            "latency_ms": self.rng.randrange(1, 1_000),
            "quality_score": self.rng.choice((0.25, 0.5)),
            "tenant_id": "acme" if chance > 0.98 else "default",
        }
        return json.dumps(event).encode()

    async def busy_hour(self) -> None:
        for _ in range(3):
            self.clock.now += 60.0
            await self.learn(1)
            await self.keeper.save_if_learned()

    async def back_and_forth(self) -> None:
        number = (await self.keeper.store.all(POLICY))[3].version_number
        done = await self.rollbacks.to_version(POLICY, number, None, "an exercise")
        await self.learn(2)
        await self.rollbacks.undo(POLICY, done.rollback_id, None, "enough")


async def sizes(database: Database) -> dict[str, int]:
    """Return the rows of each table and the bytes of all its blobs."""
    found: dict[str, int] = {}
    async with database.read() as connection:
        for table in metadata.sorted_tables:
            blobs = [c for c in table.columns if isinstance(c.type, LargeBinary)]
            nbytes = sum((func.length(column) for column in blobs), literal(0))
            query = select(func.count(), func.coalesce(func.sum(nbytes), 0)).select_from(table)
            found[table.name], found[f"{table.name} bytes"] = (
                await connection.execute(query)
            ).one()
        bare = select(func.count()).where(model_versions.c.artifact == b"")
        found[LINEAGE] = (await connection.execute(bare)).scalar_one()
    found["model_versions"] -= found[LINEAGE]
    return found


@pytest.mark.timeout(600)
async def test_the_database_reaches_its_level_and_stays_there_and_every_sum_is_right(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    year = Year(database, tmp_path / "models", clock)
    history: dict[int, dict[str, int]] = {}
    async with AsyncExitStack() as stack:
        await year.rig.start(stack)
        for number in range(DAYS):
            await year.day(number)
            if number % MEASURED_EVERY == 1:
                history[number] = await sizes(database)
        await year.rig.stop()
    assert_level(history)
    assert max((await versions_a_day(database, clock.now - 2 * DAY)).values()) == 1
    for model, table in (await all_held(database)).items():
        assert cells_of(table) == expected(year.records, model, clock.now)


async def versions_a_day(database: Database, before: float) -> Counter[tuple[str, int]]:
    """Count the versions that are left of each model and day."""
    query = select(model_versions.c.model_type, model_versions.c.created_at)
    async with database.read() as connection:
        rows = await connection.execute(query.where(model_versions.c.created_at < before))
        return Counter((model_type, int(at // DAY)) for model_type, at in rows)


def assert_level(history: dict[int, dict[str, int]]) -> None:
    """In its second half, a year is where it was when the tiers were full."""
    full = [size for day, size in history.items() if FULL_AFTER <= day < DAYS / 2]
    later = [size for day, size in history.items() if day >= DAYS / 2]
    for name in later[0].keys() - {LINEAGE}:
        level = max(size[name] for size in full)
        highest = max(size[name] for size in later)
        chance = 2_000 if name.endswith("bytes") else 10
        assert highest <= 1.1 * level + chance, f"{name} grows: {level}, then {highest}"
    assert all(level["outcome_log"] and level["shard_bases"] >= 45 for level in full)
