"""A checkpoint happens once or not at all, and a restart goes on exactly where it stopped."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import select

from olearn_core.storage.database import Database
from olearn_core.storage.tables import dead_letters
from tests.support import oracle
from tests.support.events import POISON, outcome, rfc3339, stream
from tests.support.services import cells_of
from tests.support.workers import (
    NOW,
    PARTITION,
    WrittenLog,
    assert_ledger_chains,
    bundled_columns,
    learning,
    ledger_rows,
    stored,
)

HOUR = 3_600


def at(hours_ago: float, event_id: str, **fields: object) -> bytes:
    return outcome(event_id=event_id, timestamp=rfc3339(NOW - hours_ago * HOUR), **fields)


async def test_a_restart_goes_on_where_it_stopped(database: Database) -> None:
    log = WrittenLog()
    log.write(*stream(1, 200, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
        before = rig.table
    log.write(*stream(2, 200, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert log.resumed[-1][1] == 199, "one record back, to know the log again"
        assert cells_of(rig.table) == oracle.expected(log.partitions[("outcomes", 0)], NOW)
        assert rig.table != before


async def test_bases_written_after_a_restart_keep_the_deltas_from_before_it(
    database: Database,
) -> None:
    """The old deltas touched a bucket that the new owner does not touch."""
    log = WrittenLog()
    log.write(at(5, "before"))
    async with learning(database, log, base_interval_seconds=1_000) as rig:
        await rig.caught_up()
    log.write(at(1, "after"))
    async with learning(database, log, base_interval_seconds=1e-9) as rig:
        await rig.caught_up()
    assert (await stored(database)).totals()["executions"] == 2


async def test_repeats_of_events_from_before_a_restart_are_known_after_new_bases(
    database: Database,
) -> None:
    log = WrittenLog()
    log.write(at(1, "one"), at(1, "rated", status=..., quality_score=0.5))
    async with learning(database, log, base_interval_seconds=1_000) as rig:
        await rig.caught_up()
    log.write(at(1, "two"))
    async with learning(database, log, base_interval_seconds=1e-9) as rig:
        await rig.caught_up()
    log.write(at(1, "one"), at(1, "two"), at(1, "rated", status=..., quality_score=0.5))
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert rig.table.totals()["executions"] == 2
        assert rig.table.totals()["quality_n"] == 1
        assert rig.shard.counters()["duplicates"] == 3


@pytest.mark.parametrize("seed", range(4))
async def test_crashes_at_any_moment_and_restarts_change_nothing(
    database: Database, seed: int
) -> None:
    """Bases, deltas and segments fold at every possible moment between the crashes."""
    rng = random.Random(seed)
    records = stream(seed, 600, NOW, days=100)
    log = WrittenLog()
    log.most = 7
    written = 0
    while written < len(records):
        options = {
            "base_interval_seconds": rng.choice((1e-9, 0.03, 1_000.0)),
            "checkpoint_interval_seconds": rng.choice((0.001, 0.02)),
            "slice_size": rng.choice((1, 5, 1_000)),
        }
        size = min(rng.randrange(1, 150), len(records) - written)
        log.write(*records[written : written + size])
        written += size
        async with learning(database, log, **options) as rig:
            if rng.random() < 0.5:
                await rig.caught_up()
            else:
                await rig.learned(written - rng.randrange(size))
            await rig.crash()
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert cells_of(rig.table) == oracle.expected(records, NOW)
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


async def test_the_ledger_says_what_every_update_did(database: Database) -> None:
    log = WrittenLog()
    log.write(
        outcome(event_id="a"),
        outcome(event_id="a"),
        outcome(event_id="b", status="failure"),
        outcome(event_id="c", status="pending"),
        b"{",
    )
    async with learning(database, log, checkpoint_interval_seconds=0.05) as rig:
        await rig.caught_up()
    (row,) = await ledger_rows(database)
    assert (row["from_offset"], row["to_offset"]) == (0, 5)
    assert (row["batch_size"], row["samples"], row["executions"]) == (5, 2, 2)
    assert (row["duplicates"], row["dead_letters"]) == (1, 1)
    assert sorted(row["skipped_offsets"]) == [1, 3, 4]
    assert row["success_milli"] == 1_000
    assert row["details"] == {"not_taught": 1}
    assert row["reference_at"] == NOW
    assert row["metrics_after"] == {"mean_success": 0.5}


async def test_a_restart_keeps_the_window_of_ids_within_its_bound(database: Database) -> None:
    log = WrittenLog()
    log.write(*(outcome(event_id=str(i)) for i in range(20_000)))
    options = {"dedup_ids": 4_000, "base_interval_seconds": 1e-9}
    async with learning(database, log, checkpoint_interval_seconds=0.5, **options) as rig:
        await rig.caught_up()
    log.write(*(outcome(event_id=str(i)) for i in range(17_000, 20_000)))
    async with learning(database, log, **options) as rig:
        assert len((await rig.loader.load(PARTITION)).executions) <= 6_000
    async with learning(database, log, **options) as rig:
        await rig.caught_up()
        assert rig.shard.counters()["duplicates"] == 3_000
        assert rig.table.totals()["executions"] == 20_000


async def test_sums_of_a_plugin_that_is_disabled_for_a_while_are_kept(database: Database) -> None:
    columns = bundled_columns()
    few = [column for column in columns if not column.name.startswith(("cost", "ln_cost"))]
    log = WrittenLog()
    log.write(at(1, "with", cost_usd=0.5))
    async with learning(database, log, columns=columns) as rig:
        await rig.caught_up()
    log.write(at(1, "without", cost_usd=0.25))
    async with learning(database, log, columns=few, base_interval_seconds=1e-9) as rig:
        await rig.caught_up()
        assert rig.table.totals()["executions"] == 2
    log.write(at(1, "with again", cost_usd=0.125))
    async with learning(database, log, columns=columns) as rig:
        await rig.caught_up()
        assert rig.table.totals()["cost"] == 625_000
        assert rig.table.totals()["executions"] == 3


async def test_dead_letters_are_written_with_the_offsets_once(database: Database) -> None:
    log = WrittenLog()
    log.write(*POISON, outcome(event_id="good"))
    async with learning(database, log, checkpoint_interval_seconds=1_000) as rig:
        await rig.learned(len(POISON))
        assert await letters(database) == []
        await rig.crash()
    for _ in range(2):
        async with learning(database, log) as rig:
            await rig.caught_up()
    written = await letters(database)
    assert [letter["offset"] for letter in written] == list(range(len(POISON)))
    assert [bytes(letter["payload_head"]) for letter in written] == list(POISON)
    assert all(letter["reason"] for letter in written)


@pytest.mark.parametrize(
    "record",
    [
        rb'{"agent_name": "a", "status": "\u0000"}',
        rb'{"agent_name": "a", "status": "\ud800"}',
        rb'{"agent_name": "\u0000", "status": "success"}',
        rb'{"agent_name": "a", "status": "success", "context": {"\u0000": 1, "domain": "\ud83d"}}',
        rb'{"agent_name": "a", "status": "success", "context": {"domain": "\u0000"}}',
        rb'{"agent_name": "a", "status": "success", "tenant_id": "\u0000"}',
        rb'{"agent_name": "a", "status": "success", "event_id": "\ud800\u0000"}',
        b'{"agent_name": "a", "status": "success", "task_type": "' + b"\xed\xa0\x80" + b'"}',
        b"\x00" * 5_000,
        b"[" * 100_000,
    ],
)
async def test_no_bytes_of_an_event_can_keep_the_database_from_a_checkpoint(
    database: Database, record: bytes
) -> None:
    log = WrittenLog()
    log.write(record, outcome(event_id="next"))
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert rig.table.totals()["executions"] in (1, 2)
        assert not rig.worker.problems


async def letters(database: Database) -> list[Any]:
    async with database.read() as connection:
        rows = await connection.execute(select(dead_letters).order_by(dead_letters.c.offset))
        return list(rows.mappings())
