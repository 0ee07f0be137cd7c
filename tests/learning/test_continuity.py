"""No record is passed over: what a source leaves out is asked for once more."""

from __future__ import annotations

import pytest

from olearn_core.storage.database import Database
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import cells_of
from tests.support.workers import NOW, PARTITION, WrittenLog, assert_ledger_chains, learning


@pytest.mark.parametrize("lost", [{0, 1}, {7}, {5, 6, 7, 20}, {99}, set(range(30, 60))])
@pytest.mark.parametrize("most", [10, 1_000])
async def test_records_that_get_lost_on_their_way_are_read_again(
    database: Database, lost: set[int], most: int
) -> None:
    log = WrittenLog()
    log.most = most
    log.lost = set(lost)
    records = [outcome(event_id=str(i)) for i in range(101)]
    log.write(*records)
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert rig.table.totals()["executions"] == 101
        assert not log.lost
    await assert_ledger_chains(database)


async def test_records_lost_between_two_fetches_of_a_batch_are_read_again(
    database: Database,
) -> None:
    log = WrittenLog()
    log.most = 3
    log.lost = {3, 4, 5}
    log.write(*(outcome(event_id=str(i)) for i in range(12)))
    async with learning(database, log, batch_size=9, batch_timeout_seconds=5.0) as rig:
        await rig.learned(9)
        assert rig.table.totals()["executions"] == rig.shard.next_offset


async def test_a_gap_that_is_there_again_is_legal(database: Database) -> None:
    """Compaction and aborted transactions leave gaps for good."""
    log = WrittenLog()
    records = stream(3, 100, NOW)
    log.gone = {0, 10, 11, 12, 50, *range(60, 90, 2)}
    log.write(*records)
    async with learning(database, log) as rig:
        await rig.caught_up()
        kept = [record for i, record in enumerate(records) if i not in log.gone]
        assert cells_of(rig.table) == oracle.expected(kept, NOW)
        assert len(log.resumed) == 2, "all gaps of a batch are asked for at once"
    await assert_ledger_chains(database)


async def test_records_that_come_again_are_passed_over(database: Database) -> None:
    log = WrittenLog()
    records = stream(4, 60, NOW)
    log.write(*records)
    async with learning(database, log) as rig:
        await rig.learned(60)
        log.resume(PARTITION, 20)
        log.write(outcome(event_id="last"))
        await rig.caught_up()
        assert cells_of(rig.table) == oracle.expected(log.partitions[PARTITION], NOW)
        assert rig.shard.counters()["received"] == 61
