"""An operator moves a shard; a worker that is at work obeys, and nothing counts twice."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select

from olearn_core.errors import NotFoundError, StorageError
from olearn_core.storage.database import Database
from olearn_core.storage.shard_resets import ShardResets
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.tables import dead_letters, learning_events, shards
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import cells_of, eventually
from tests.support.workers import NOW, PARTITION, Rig, WrittenLog, learning, stored

SOURCE = WrittenLog.name


async def reset(database: Database, to: int | None) -> None:
    await ShardResets(database).reset(SOURCE, *PARTITION, to, "a test")


async def ledger(database: Database, *kinds: str) -> list[Any]:
    query = select(learning_events).where(learning_events.c.kind.in_(kinds))
    async with database.read() as connection:
        rows = await connection.execute(query.order_by(learning_events.c.version))
        return list(rows.mappings())


async def assert_ledger_chains(database: Database) -> None:
    """Every update begins where the one before, or an operator, has left off."""
    rows = await ledger(database, "batch", "reset")
    for before, after in pairwise(rows):
        assert after["version"] == before["version"] + 1
        assert after["from_offset"] == before["to_offset"]


async def learned_again(rig: Rig, epoch: int) -> None:
    """Wait until the worker has claimed the shard anew and is at the log's end."""
    await eventually(
        lambda: rig.worker.shards and rig.shard.state.epoch > epoch,
        lambda: f"claimed again, {rig.worker.problems}",
    )
    await rig.caught_up()


async def test_a_reset_fences_the_owner_and_forgets_the_log_but_not_what_was_learned(
    database: Database,
) -> None:
    log = WrittenLog()
    log.cluster = "one"
    log.write(*stream(1, 50, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
        learned = cells_of(rig.table)
    (before,) = await ShardStore(database).headers()
    assert before.cluster_id == "one"

    await reset(database, 7)

    (after,) = await ShardStore(database).headers()
    assert (after.epoch, after.version) == (before.epoch + 1, before.version + 1)
    assert (after.next_offset, after.cluster_id, after.fingerprint) == (7, None, None)
    assert after.counters == before.counters
    assert cells_of(await stored(database)) == learned
    (row,) = await ledger(database, "reset")
    assert (row["from_offset"], row["to_offset"]) == (50, 7)
    assert (row["shard_id"], row["epoch"], row["version"]) == (after.id, after.epoch, after.version)
    assert row["details"] == {"reason": "a test"}


async def test_a_worker_at_work_goes_back_and_drops_what_it_has_seen(database: Database) -> None:
    log = WrittenLog()
    log.write(*stream(2, 200, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
        counters, epoch = dict(rig.shard.counters()), rig.shard.state.epoch
        await reset(database, 0)
        log.write(outcome(event_id="after"))
        await learned_again(rig, epoch)
        assert rig.shard.counters()["received"] == 200 + 201
        assert rig.shard.counters()["samples"] == counters["samples"] + 1
        assert cells_of(rig.table) == oracle.expected(log.partitions[PARTITION], NOW)
    assert cells_of(await stored(database)) == oracle.expected(log.partitions[PARTITION], NOW)
    await assert_ledger_chains(database)


async def test_a_bad_record_that_is_read_again_is_one_dead_letter(database: Database) -> None:
    log = WrittenLog()
    log.write(b"{", outcome(event_id="good"), b"")
    async with learning(database, log) as rig:
        await rig.caught_up()
        epoch = rig.shard.state.epoch
        await reset(database, 0)
        log.write(b"[")
        await learned_again(rig, epoch)
    async with database.read() as connection:
        query = select(dead_letters.c.offset).order_by(dead_letters.c.offset)
        assert list((await connection.execute(query)).scalars()) == [0, 2, 3]


async def test_resets_in_the_middle_of_work_change_no_total(database: Database) -> None:
    rng = random.Random(3)
    records = stream(3, 600, NOW)
    log = WrittenLog()
    log.most = 20
    async with learning(database, log, base_interval_bytes=1_024) as rig:
        for part in range(12):
            log.write(*records[part * 50 : part * 50 + 50])
            await rig.learned(rng.randrange(part * 50 + 1))
            (header,) = await rig.store.headers()
            if header.next_offset:
                await reset(database, rng.randrange(header.next_offset))
        await eventually(lambda: rig.worker.shards and rig.shard.next_offset == 600)
        await rig.caught_up()
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    assert await ledger(database, "reset")
    await assert_ledger_chains(database)


async def test_records_before_a_later_offset_are_left_out(database: Database) -> None:
    log = WrittenLog()
    log.write(*(outcome(event_id=str(i)) for i in range(10)))
    async with learning(database, log) as rig:
        await rig.caught_up()
    log.write(*(outcome(event_id=str(i)) for i in range(10, 20)))
    await reset(database, 15)
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert rig.table.totals()["executions"] == 10 + 5


async def test_a_topic_that_was_made_anew_is_learned_from_where_the_operator_says(
    database: Database,
) -> None:
    log = WrittenLog()
    before, after = stream(4, 100, NOW), stream(5, 30, NOW)
    log.write(*before)
    async with learning(database, log) as rig:
        await rig.caught_up()
        log.partitions[PARTITION] = list(after)
        await eventually(lambda: str(PARTITION) in rig.worker.problems, "it stops and says so")
        await reset(database, 0)
        await eventually(lambda: not rig.worker.problems, lambda: str(rig.worker.problems))
        await rig.caught_up()
        assert cells_of(rig.table) == oracle.expected([*before, *after], NOW)
        assert rig.shard.next_offset == 30
    await assert_ledger_chains(database)


async def test_another_cluster_is_refused_until_the_operator_agrees(database: Database) -> None:
    async def moved_to(cluster: str) -> Rig:
        log = WrittenLog()
        log.cluster = cluster
        log.write(outcome(event_id=cluster))
        return Rig(database, log)

    await (await moved_to("old")).loader.load(PARTITION)
    new = await moved_to("new")
    with pytest.raises(StorageError, match="cluster 'old'"):
        await new.loader.load(PARTITION)
    await reset(database, 0)
    await new.loader.load(PARTITION)
    (header,) = await new.store.headers()
    assert header.cluster_id == "new"
    with pytest.raises(StorageError, match="cluster 'new'"):
        await (await moved_to("old")).loader.load(PARTITION)


async def test_without_an_offset_it_begins_as_if_nobody_had_read_it(database: Database) -> None:
    log = WrittenLog()
    log.write(*(outcome(event_id=str(i)) for i in range(10)))
    async with learning(database, log) as rig:
        await rig.caught_up()
    log.first = 4
    await reset(database, None)
    (header,) = await ShardStore(database).headers()
    assert header.next_offset is None
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert rig.shard.counters()["received"] == 10 + 6
        assert rig.shard.counters()["samples"] == 10
    (row,) = await ledger(database, "reset")
    assert (row["from_offset"], row["to_offset"]) == (10, None)


async def test_a_partition_that_nobody_knows_is_not_made(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no partition at all"):
        await reset(database, 0)
    async with learning(database, WrittenLog()) as rig:
        await rig.caught_up()
    for source, topic, number in [("kafka", *PARTITION), (SOURCE, "x", 0), (SOURCE, "outcomes", 1)]:
        with pytest.raises(NotFoundError):
            await ShardResets(database).reset(source, topic, number, 0, "a test")
    with pytest.raises(NotFoundError, match="but from outcomes/0"):
        await ShardResets(database).find(SOURCE, "x", 0)
    assert not await ledger(database, "reset")
    async with database.read() as connection:
        count = await connection.execute(select(func.count()).select_from(shards))
        assert count.scalar_one() == 1


async def test_another_group_takes_over_when_it_has_adopted_the_shards(database: Database) -> None:
    first, second = WrittenLog(group="first"), WrittenLog(group="second")
    for log in (first, second):
        log.write(*stream(6, 60, NOW))
    async with learning(database, first, owner="first") as older:
        await older.caught_up()
        resets = ShardResets(database)
        assert await resets.adopt(SOURCE, "second") == ["outcomes/0"]
        async with learning(database, second, owner="second") as newer:
            await newer.caught_up()
            for log in (first, second):
                log.write(outcome(event_id="after"))
            await eventually(lambda: "outcomes/0" in older.worker.problems, "it is refused")
            assert "'second', not 'first'" in older.worker.problems["outcomes/0"]
            await newer.caught_up()
            assert cells_of(newer.table) == oracle.expected(second.partitions[PARTITION], NOW)
    (row,) = await ledger(database, "adopted")
    assert row["details"] == {"from_group": "first", "to_group": "second"}
    assert (row["shard_id"], row["from_offset"], row["to_offset"]) == (1, None, None)


async def test_what_a_group_has_it_need_not_adopt(database: Database) -> None:
    resets = ShardResets(database)
    with pytest.raises(NotFoundError, match="written"):
        await resets.adopt(SOURCE, "olearn")
    async with learning(database, WrittenLog(group="olearn")) as rig:
        await rig.caught_up()
    assert await resets.adopt(SOURCE, "olearn") == []
    with pytest.raises(NotFoundError, match="kafka"):
        await resets.adopt("kafka", "another")
    assert not await ledger(database, "adopted")


async def test_an_idle_worker_notices_from_the_headers_it_reads_anyway(database: Database) -> None:
    log = WrittenLog()
    log.write(*stream(9, 30, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
        rig.worker.notice(await rig.store.headers())
        assert rig.worker.shards, "nothing was moved"
        await reset(database, 10)
        rig.worker.notice(await rig.store.headers())
        await learned_again(rig, 2)
        assert rig.table.totals() == oracle.totals(oracle.expected(log.partitions[PARTITION], NOW))


async def test_another_bad_record_at_a_letter_s_place_is_a_letter_of_its_own(
    database: Database,
) -> None:
    old, new = WrittenLog(), WrittenLog()
    old.write(b"{", b"{old")
    new.write(b"{", b"{new")
    async with learning(database, old) as rig:
        await rig.caught_up()
    await reset(database, 0)
    async with learning(database, new) as rig:
        await rig.caught_up()
    async with database.read() as connection:
        rows = await connection.execute(select(dead_letters).order_by(dead_letters.c.offset))
        assert [row.payload_head for row in rows] == [b"{", b"{new"]
