"""Safeguards that show only where two things go wrong at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
from sqlalchemy import event, select

from olearn_core.errors import FencedError
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.tables import dead_letters
from tests.support import oracle
from tests.support.events import POISON, outcome, stream
from tests.support.services import cells_of, eventually
from tests.support.workers import (
    NOW,
    PARTITION,
    Rig,
    WrittenLog,
    assert_ledger_chains,
    learning,
    stored,
)


@contextmanager
def gone_after_one_transaction(database: Database) -> Iterator[None]:
    """Let the database take one COMMIT, and nothing after it."""
    engine = database._writers.sync_engine
    commits = 0

    def begun(_: object) -> None:
        if commits:
            raise ConnectionResetError("the connection is gone")

    def committed(_: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(engine, "begin", begun, insert=True)
    event.listen(engine, "commit", committed)
    try:
        yield
    finally:
        event.remove(engine, "begin", begun)
        event.remove(engine, "commit", committed)


@asynccontextmanager
async def unsaved(database: Database, *records: bytes) -> AsyncIterator[Rig]:
    """A worker that has learned records and will not save them by itself."""
    log = WrittenLog()
    async with learning(database, log, checkpoint_interval_seconds=1_000) as rig:
        await eventually(lambda: rig.worker.turns > 1, "its first checkpoint had nothing to save")
        log.write(*records)
        await rig.learned(len(records))
        yield rig


async def test_a_worker_that_dies_after_its_checkpoint_has_left_its_dead_letters(
    database: Database,
) -> None:
    async with unsaved(database, *POISON, outcome(event_id="good")) as rig:
        with gone_after_one_transaction(database):
            await rig.worker.checkpoint()
            await rig.crash()
    (header,) = await ShardStore(database).headers()
    assert header.next_offset == len(POISON) + 1, "nobody will read them again"
    async with database.read() as connection:
        offsets = await connection.execute(select(dead_letters.c.offset))
        assert sorted(offsets.scalars()) == list(range(len(POISON)))


async def test_what_could_not_be_saved_before_losing_a_partition_is_learned_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back at once, and nobody else had it: what is held of it is not what is saved."""
    records = stream(21, 60, NOW)
    async with unsaved(database, *records) as rig:
        with monkeypatch.context() as patch:
            patch.setattr(rig.store, "save", _refuse)
            await rig.worker.revoked([PARTITION])
        rig.worker.assigned([PARTITION])
        await rig.learned(60)
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


async def _refuse(_: object) -> set[int]:
    raise TimeoutError


async def test_who_lost_a_new_partition_cannot_send_its_heir_back(database: Database) -> None:
    log = WrittenLog()
    records = stream(22, 40, NOW)
    log.write(*records)
    store = ShardStore(database)
    late = await store.claim(log.name, *PARTITION, "late", log.group)
    async with learning(database, log, owner="heir") as heir:
        await heir.caught_up()
        with suppress(FencedError):
            await store.begin(late, 0)
        (header,) = await store.headers()
        assert header.next_offset == 40
        log.write(outcome(event_id="after"))
        await heir.caught_up()
    assert cells_of(await stored(database)) == oracle.expected(log.partitions[PARTITION], NOW)
