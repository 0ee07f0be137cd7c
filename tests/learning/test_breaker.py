"""A storm of records that cannot be read pauses its partition, and no other."""

from __future__ import annotations

import pytest

from olearn_core.config import LearningSettings
from olearn_core.learning.workers.breaker import Breaker
from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import cells_of, eventually
from tests.support.workers import NOW, PARTITION, WrittenLog, assert_ledger_chains, learning, stored

pytestmark = pytest.mark.promise("P7")

CALM = Partition("outcomes", 1)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(LearningSettings(), clock)


@pytest.mark.parametrize(
    ("records", "refused", "opens"),
    [(199, 199, False), (200, 99, False), (200, 100, True), (2_000, 1_999, True)],
)
def test_it_opens_at_half_of_two_hundred(
    breaker: Breaker, records: int, refused: int, opens: bool
) -> None:
    breaker.note(records, refused)
    assert breaker.is_open == opens


def test_it_counts_over_slices(breaker: Breaker) -> None:
    for _ in range(19):
        breaker.note(10, 6)
    assert not breaker.is_open
    breaker.note(10, 6)
    assert breaker.is_open


def test_pauses_double_while_nothing_gets_better_and_end_with_the_storm(
    breaker: Breaker, clock: Clock
) -> None:
    pauses = []
    for _ in range(8):
        breaker.note(200, 200)
        pauses.append(breaker.pause_seconds)
        assert not breaker.is_over
        clock.now += breaker.pause_seconds
        assert breaker.is_over
        breaker.close()
    assert pauses == [30, 60, 120, 240, 480, 960, 960, 960]
    assert breaker.has_tripped
    breaker.note(200, 0)
    assert not breaker.has_tripped
    breaker.note(200, 200)
    assert breaker.pause_seconds == 30


async def test_a_storm_pauses_its_partition_while_the_others_learn(database: Database) -> None:
    log = WrittenLog()
    log.write(*[b"{"] * 1_000)
    calm = stream(1, 300, NOW)
    log.write(*calm, partition=CALM)
    options = {"breaker_pause_seconds": 1_000, "slice_size": 250}
    async with learning(database, log, **options) as rig:
        await eventually(lambda: "pauses for 1000 s" in rig.worker.problems.get(str(PARTITION), ""))
        await eventually(lambda: rig.worker.shards[CALM].next_offset == 300)
        await eventually(lambda: rig.shard.tick is None and rig.worker.shards[CALM].tick is None)
        assert rig.shard.counters()["dead_letters"] == 250, "the rest waits in the log"
        log.write(outcome(event_id="meanwhile"), partition=CALM)
        await eventually(lambda: rig.worker.shards[CALM].next_offset == 301)
        assert rig.shard.next_offset == 250
    await assert_ledger_chains(database)


async def test_after_the_storm_learning_goes_on_by_itself_and_nothing_is_lost(
    database: Database,
) -> None:
    log = WrittenLog()
    records = [*[b"{"] * 600, *stream(2, 400, NOW)]
    log.write(*records)
    options = {"breaker_pause_seconds": 0.02, "slice_size": 200}
    async with learning(database, log, **options) as rig:
        await rig.caught_up()
        assert rig.shard.counters()["dead_letters"] >= 600
        await eventually(lambda: not rig.worker.problems)
    assert cells_of(await stored(database)) == oracle.expected(records, NOW)
    await assert_ledger_chains(database)
