"""A worker that lost a partition can never save it; one that kept it never loses a record."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from olearn_core.errors import StorageError
from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from olearn_core.storage.saves import ShardSave
from olearn_core.storage.shards import ShardHeader, ShardStore
from olearn_core.storage.tables import shards
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import cells_of, eventually
from tests.support.workers import (
    NOW,
    PARTITION,
    Rig,
    WrittenLog,
    assert_ledger_chains,
    learning,
    ledger_rows,
    stored,
)

OTHER = Partition("outcomes", 1)
AWAY = OperationalError("COMMIT", {}, Exception("the connection is gone"))


async def test_an_older_owner_cannot_save_and_lets_go(database: Database) -> None:
    log = WrittenLog()
    log.write(*stream(1, 100, NOW))
    log.write(*stream(2, 100, NOW), partition=OTHER)
    rig = Rig(database, log, owner="older", checkpoint_interval_seconds=1_000)
    rig.worker.assigned([PARTITION, OTHER])
    await rig.worker._owned.load_due()
    older = dict(rig.worker.shards)
    for partition, shard in older.items():
        records = log._read(partition, 60)
        shard.learn(records, NOW)

    newer = await Rig(database, log, owner="newer").loader.load(PARTITION)
    assert newer.epoch == older[PARTITION].state.epoch + 1

    refused = await rig.checkpointer.save(list(older.values()))
    assert [shard.partition for shard in refused.fenced] == [PARTITION]
    headers = {h.partition: h for h in await rig.store.headers()}
    assert headers[0].next_offset == 0, "the older owner wrote nothing"
    assert headers[1].next_offset == 60, "its other shard went on"
    assert [row["epoch"] for row in await ledger_rows(database)] == [1]


async def test_of_two_workers_only_the_newer_learns_on_and_totals_stay_exact(
    database: Database,
) -> None:
    records = stream(5, 400, NOW)
    older, newer = WrittenLog(), WrittenLog()
    older.most = newer.most = 20
    older.write(*records)
    newer.write(*records)
    async with learning(database, older, owner="older") as zombie:
        await zombie.learned(20)
        zombie.worker.partitions.clear()  # what the source will tell it only later
        async with learning(database, newer, owner="newer") as heir:
            await heir.caught_up()
            older.write(outcome(event_id="late"))
            await eventually(lambda: not zombie.worker.shards, "the zombie lets go")
            assert cells_of(heir.table) == oracle.expected(records, NOW)
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


async def test_a_worker_that_was_fenced_but_still_is_assigned_claims_again(
    database: Database,
) -> None:
    """As after a pause in which somebody else came and went."""
    log = WrittenLog()
    log.write(*stream(6, 50, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
        await rig.loader.load(PARTITION)  # somebody comes, and goes
        log.write(outcome(event_id="after"))
        await eventually(lambda: rig.worker.shards and rig.shard.next_offset == 51)
        await rig.caught_up()
    assert cells_of(await stored(database)) == oracle.expected(log.partitions[PARTITION], NOW)
    await assert_ledger_chains(database)


async def test_another_consumer_group_is_refused(database: Database) -> None:
    async with learning(database, WrittenLog(group="first")) as rig:
        await rig.caught_up()
    with pytest.raises(StorageError, match="'first', not 'second'"):
        await Rig(database, WrittenLog(group="second")).loader.load(PARTITION)
    (header,) = await ShardStore(database).headers()
    assert header.epoch == 1, "a refused claim fences nobody"


class UnreliableStore(ShardStore):
    """
    Loses answers, as a connection does that breaks.

    :ivar faults: what happens to the next saves: "before" or "after" their COMMIT
    :ivar blind: whether headers cannot be read after a fault
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.faults: list[str] = []
        self.blind = 0

    async def save(self, saves: Sequence[ShardSave]) -> set[int]:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise AWAY
        fenced = await super().save(saves)
        if fault == "after":
            raise AWAY
        return fenced

    async def headers(self) -> list[ShardHeader]:
        if self.blind:
            self.blind -= 1
            raise AWAY
        return await super().headers()


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("blind", [0, 1])
async def test_a_commit_of_unknown_outcome_happens_once(
    database: Database, fault: str, blind: int
) -> None:
    log = WrittenLog()
    records = stream(7, 200, NOW)
    rig = Rig(database, log)
    store = rig.checkpointer._store = UnreliableStore(database)
    await rig.start(None)
    for part in range(5):
        store.faults, store.blind = ([fault], blind) if part % 2 else ([], 0)
        log.write(*records[part * 40 : part * 40 + 40])
        await rig.caught_up()
        assert not store.faults
    assert cells_of(rig.table) == oracle.expected(records, NOW)
    assert not rig.worker.problems
    if fault == "before" or not blind:
        assert rig.shard.state.epoch == 1, "it found out, and went on"
    await rig.stop()
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


async def test_while_the_database_is_away_nothing_is_lost_or_piled_up(
    database: Database,
) -> None:
    log = WrittenLog()
    log.most = 10
    records = stream(8, 300, NOW)
    log.write(*records[:10])
    rig = Rig(database, log)
    store = rig.checkpointer._store = UnreliableStore(database)
    await rig.start(None)
    await rig.caught_up()
    store.faults = ["before"] * 5
    log.write(*records[10:])
    await eventually(lambda: "database" in rig.worker.problems)
    held = rig.shard.next_offset
    await eventually(lambda: len(store.faults) < 3)
    assert rig.shard.next_offset == held, "it learns no more than it holds"
    await rig.caught_up()
    assert not rig.worker.problems
    assert cells_of(rig.table) == oracle.expected(records, NOW)
    await rig.stop()
    await assert_ledger_chains(database)


async def test_an_operator_who_moves_the_offset_wins(database: Database) -> None:
    """A header that does not stand where we left it is never overwritten."""
    log = WrittenLog()
    log.write(*stream(9, 20, NOW))
    rig = Rig(database, log, checkpoint_interval_seconds=1_000)
    rig.worker.assigned([PARTITION])
    await rig.worker._owned.load_due()
    rig.shard.learn(log._read(PARTITION, 20), NOW)
    async with database.write() as connection:
        await connection.execute(update(shards).values(next_offset=7))
    assert (await rig.checkpointer.save([rig.shard])).fenced == [rig.shard]
    assert (await rig.store.headers())[0].next_offset == 7
