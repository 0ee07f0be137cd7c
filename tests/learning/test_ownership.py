"""Partitions come and go: what is held, what is shared, what is kept for their return."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, OperationalError

from olearn_core.learning.shards.windows import window_span
from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from olearn_core.storage.saves import ShardSave
from olearn_core.storage.shards import ShardStore
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
    stored,
)

OTHER = Partition("outcomes", 1)


async def test_a_partition_that_comes_back_untouched_is_not_read_again(database: Database) -> None:
    log = WrittenLog()
    records = stream(1, 60, NOW)
    log.write(*records[:40])
    async with learning(database, log) as rig:
        await rig.caught_up()
        table = rig.shard.table
        await rig.worker.revoked([PARTITION])
        assert not rig.worker.shards
        rig.worker.assigned([PARTITION])
        log.write(*records[40:])
        await rig.caught_up()
        assert rig.shard.table is table, "it is the one that was held"
        assert rig.shard.state.epoch == 2
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


async def test_a_partition_that_somebody_else_had_meanwhile_is_read_again(
    database: Database,
) -> None:
    log, theirs = WrittenLog(), WrittenLog()
    records = stream(2, 60, NOW)
    log.write(*records)
    theirs.write(*records)
    log.most = 20
    async with learning(database, log, batch_size=20) as rig:
        await rig.learned(20)
        await rig.worker.revoked([PARTITION])
        log.pause(PARTITION)
        async with learning(database, theirs, owner="other") as other:
            await other.caught_up()
        rig.worker.assigned([PARTITION])
        await rig.caught_up()
        assert rig.shard.state.epoch == 3
        assert cells_of(rig.table) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


async def test_what_a_worker_remembers_is_divided_among_its_shards(database: Database) -> None:
    log = WrittenLog()
    log.write(*(outcome(event_id=str(i)) for i in range(4_000)))
    log.write(partition=OTHER)
    options = {"dedup_ids": 4_000, "slice_size": 100}
    async with learning(database, log, **options) as rig:
        await rig.caught_up()
        assert len(rig.shard.state.executions) <= 2_000, "half of it"
        span = window_span(rig.shard.state, "executions")
        assert span is not None, "some are forgotten, and it says since when"
        assert window_span(rig.worker.shards[OTHER].state, "executions") is None
        await rig.worker.revoked([OTHER])
    async with learning(database, log, **options) as rig:
        await rig.caught_up()


class Refusing(ShardStore):
    """A database that does not take what one shard holds."""

    bad: int = -1

    async def save(self, saves: Sequence[ShardSave]) -> set[int]:
        if any(save.id == self.bad for save in saves):
            raise IntegrityError("INSERT", {}, Exception("a value it cannot hold"))
        return await super().save(saves)


async def test_a_shard_that_the_database_refuses_keeps_no_other_from_being_saved(
    database: Database,
) -> None:
    log = WrittenLog()
    log.write(*stream(3, 30, NOW))
    log.write(*stream(4, 30, NOW), partition=OTHER)
    rig = Rig(database, log)
    store = rig.checkpointer._store = Refusing(database)
    bad = await rig.store.claim("written", *PARTITION, "me", "olearn")
    store.bad = bad.id
    await rig.start(None)
    await eventually(lambda: str(PARTITION) in rig.worker.problems)
    assert "a value it cannot hold" in rig.worker.problems[str(PARTITION)]
    await eventually(lambda: OTHER in rig.worker.shards and rig.worker.shards[OTHER].tick is None)
    assert rig.worker.shards[OTHER].state.next_offset == 30
    store.bad = -1
    await rig.caught_up()
    await eventually(lambda: not rig.worker.problems, "it is mended by itself")
    await rig.stop()
    await assert_ledger_chains(database)


async def test_while_the_database_is_away_the_log_is_asked_and_nothing_is_taken(
    database: Database,
) -> None:
    """So that the group keeps us, and memory stays bounded."""
    log = WrittenLog()
    records = stream(5, 500, NOW)
    log.write(*records[:100])
    away = [False]
    engine = database._writers.sync_engine

    def broken(*_: object) -> None:
        if away[0]:
            raise OperationalError("BEGIN", {}, Exception("the database is away"))

    event.listen(engine, "begin", broken)
    async with learning(database, log) as rig:
        await rig.caught_up()
        away[0] = True
        log.write(*records[100:])
        await eventually(lambda: "database" in rig.worker.problems)
        held, turns = rig.shard.next_offset, rig.worker.turns
        await eventually(lambda: rig.worker.turns > turns + 5)
        assert rig.shard.next_offset == held
        assert not log._positions, "every partition is paused"
        away[0] = False
        await rig.caught_up()
    event.remove(engine, "begin", broken)
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)


@pytest.mark.promise("P14")
async def test_names_beyond_the_caps_share_a_cell_and_are_counted(database: Database) -> None:
    log = WrittenLog()
    names = [f"agent-{i}" for i in range(40)]
    log.write(
        *(outcome(agent_name=n, event_id=n, tenant_id=f"t{i % 8}") for i, n in enumerate(names))
    )
    options = {"most_tenants": 3, "most_agents": 2}
    async with learning(database, log, **options) as rig:
        await rig.caught_up()
        cells = rig.table.cells
        assert {cell.tenant for cell in cells} == {"t0", "t1", "t2", "__other__"}
        assert {cell.agent for cell in cells if cell.tenant == "t1"} == {
            "agent-1",
            "agent-9",
            "__other__",
        }
        assert rig.table.totals()["executions"] == 40
        assert rig.shard.counters()["folded_names"] > 0
        assert all(not cell.context for cell in cells)


@pytest.mark.promise("P14")
async def test_a_table_never_has_more_cells_than_allowed(database: Database) -> None:
    log = WrittenLog()
    log.write(
        *(
            outcome(agent_name=f"a{i}", task_type=f"t{j}", event_id=f"{i}/{j}")
            for i in range(60)
            for j in range(40)
        )
    )
    async with learning(database, log, most_cells=1_000) as rig:
        await rig.caught_up()
        assert len(rig.table) <= 1_001
        assert rig.table.totals()["executions"] == 2_400
        assert rig.shard.counters()["folded_cells"] >= 1_400
