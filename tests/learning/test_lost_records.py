"""What the log itself has lost is reported, and a log that was made anew is not learned from."""

from __future__ import annotations

import pytest

from olearn_core.errors import StorageError
from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from olearn_core.storage.ledger import Ledger
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
    ledger_rows,
    stored,
)

pytestmark = pytest.mark.promise("P17")

OTHER = Partition("outcomes", 1)
NAME = str(PARTITION)


async def test_what_retention_deleted_before_it_was_learned_is_reported_and_skipped(
    database: Database,
) -> None:
    log = WrittenLog()
    records = stream(1, 100, NOW)
    log.write(*records[:40])
    async with learning(database, log) as rig:
        await rig.caught_up()
    log.write(*records[40:])
    log.first = 70
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert not rig.worker.problems, "it goes on"
        assert rig.shard.counters()["lost_records"] == 30
    (gap,) = await ledger_rows(database, "data_gap")
    assert (gap["from_offset"], gap["to_offset"]) == (40, 70)
    await assert_ledger_chains(database)
    assert cells_of(await stored(database)) == oracle.expected(records[:40] + records[70:], NOW)
    (finding,) = await Ledger(database).findings(0)
    assert "30 records (40 to 70, exclusive)" in finding.sentence


async def test_retention_may_overtake_a_worker_that_runs(database: Database) -> None:
    log = WrittenLog()
    records = stream(2, 100, NOW)
    log.write(*records[:50])
    async with learning(database, log) as rig:
        await rig.caught_up(saved=False)
        log.first = 60
        log.write(*records[50:])
        rig.worker._owned.resume_all()  # as after any error
        await rig.caught_up()
        assert rig.shard.counters()["lost_records"] == 10
    await assert_ledger_chains(database)
    assert cells_of(await stored(database)) == oracle.expected(records[:50] + records[60:], NOW)


async def test_deleting_what_was_learned_is_no_loss(database: Database) -> None:
    log = WrittenLog()
    log.write(*stream(3, 50, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
    log.first = 50
    log.write(outcome(event_id="next"))
    async with learning(database, log) as rig:
        await rig.caught_up()
        assert not rig.worker.problems
    assert not await ledger_rows(database, "data_gap")
    await assert_ledger_chains(database)


@pytest.mark.parametrize("size", [30, 50, 80])
async def test_a_topic_that_was_made_anew_is_not_learned_until_somebody_says_so(
    database: Database, size: int
) -> None:
    old, new = WrittenLog(), WrittenLog()
    records = stream(4, 50, NOW)
    old.write(*records)
    old.write(*records[:10], partition=OTHER)
    async with learning(database, old) as rig:
        await rig.caught_up()
    new.write(*stream(5, size, NOW))
    new.write(*records[:10], outcome(event_id="x"), partition=OTHER)
    async with learning(database, new) as rig:
        await eventually(lambda: NAME in rig.worker.problems, "it says so")
        assert "`olearn partitions reset outcomes/0 --to earliest`" in rig.worker.problems[NAME]
        await eventually(lambda: rig.worker.shards[OTHER].next_offset == 11, "the other goes on")
        await eventually(lambda: PARTITION not in rig.worker.shards)
        assert rig.worker.loaded.is_set(), "what is stopped keeps nobody from being ready"
    headers = {h.partition: h for h in await ShardStore(database).headers()}
    assert headers[0].next_offset == 50, "nothing of it was learned"


async def test_another_cluster_is_refused(database: Database) -> None:
    log = WrittenLog()
    log.cluster = "first"
    log.write(*stream(6, 10, NOW))
    async with learning(database, log) as rig:
        await rig.caught_up()
    log.cluster = "second"
    with pytest.raises(StorageError, match="cluster 'first', and this is 'second'"):
        await Rig(database, log).loader.load(PARTITION)
    log.cluster = None
    assert (await Rig(database, log).loader.load(PARTITION)).next_offset == 10


async def test_a_partition_that_was_added_later_is_noted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = WrittenLog()
    log.write(*stream(7, 10, NOW))
    log.write(partition=OTHER)
    async with learning(database, log) as rig:
        await rig.caught_up()
    assert not await ledger_rows(database, "partition_added"), "new topics are new as a whole"
    monkeypatch.setattr("olearn_core.storage.shards.FIRST_ASSIGNMENT_SECONDS", -1)
    await rig.store.claim("written", "outcomes", 2, "me", "olearn")
    (row,) = await ledger_rows(database, "partition_added")
    assert row["details"] == {"about": "outcomes/2"}
    (finding,) = await Ledger(database).findings(0)
    assert "keys have moved" in finding.sentence
