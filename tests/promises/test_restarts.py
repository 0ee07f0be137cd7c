"""A restart restores the same model: to the byte, at whatever point it comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.learning.shards.shard import Shard
from olearn_core.statistics import to_bytes
from olearn_core.statistics.buckets import HOUR_SECONDS
from olearn_core.statistics.codec import canonical
from olearn_core.storage.database import Database
from tests.promises.by_hand import ByHand, database_from
from tests.promises.proof import examples
from tests.support import oracle
from tests.support.events import stream
from tests.support.services import cells_of
from tests.support.workers import NOW, PARTITION, Rig, WrittenLog, learning

pytestmark = pytest.mark.promise("P11")

steps = st.lists(
    st.tuples(st.integers(1, 40), st.booleans(), st.sampled_from([0, 0, 0, 1, 30, 3_000])),
    min_size=4,
    max_size=10,
)


def state(shard: Shard) -> tuple[object, ...]:
    """Return everything that a shard is."""
    own = shard.state
    windows = [(len(window), window.nbytes) for window in (own.executions, own.ratings)]
    counters = {name: count for name, count in shard.counters().items() if count}
    return to_bytes(canonical(shard.table)), shard.next_offset, own.version, counters, windows


@examples(25, 1_500)
@given(st.integers(0, 10**9), steps)
def test_a_saved_shard_is_loaded_as_it_was(
    empty_database: Path, seed: int, steps: list[tuple[int, bool, int]]
) -> None:
    """Wherever it stops, in bases or in deltas, also after hours in which rows have moved."""
    asyncio.run(_restart_at_each(empty_database, seed, steps))


async def _restart_at_each(path: Path, seed: int, steps: list[tuple[int, bool, int]]) -> None:
    log = WrittenLog()
    log.write(*stream(seed, 200, NOW, days=100))
    async with database_from(path) as database:
        hand = ByHand(database, log)
        await hand.start()
        for most, restarts, hours in steps:
            await hand.learn(most)
            await hand.save()
            before = state(hand.shard)
            if restarts:
                await hand.start()
                assert state(hand.shard) == before
            hand.now += hours * HOUR_SECONDS


async def test_a_worker_goes_on_where_it_stopped_or_crashed(database: Database) -> None:
    """Twelve lives of one worker, ended in turn by a stop and by a crash."""
    log, records = WrittenLog(), stream(11, 1_200, NOW)
    saved = None
    for life in range(12):
        log.write(*records[life * 100 : (life + 1) * 100])
        async with learning(database, log, batch_size=30, slice_size=30) as rig:
            await rig.learned(life * 100)
            if saved is not None:
                assert rig.shard.state.version >= saved[2]
            await rig.caught_up()
            saved = state(rig.shard)
            await end(rig, by_crash=life % 2 == 1)
        assert await loaded(database, log) == saved
    assert cells_of(rig.table) == oracle.expected(records, NOW)


async def end(rig: Rig, *, by_crash: bool) -> None:
    await (rig.crash() if by_crash else rig.stop())


async def loaded(database: Database, log: WrittenLog) -> tuple[object, ...]:
    """Return the shard as the next owner finds it."""
    rig = Rig(database, log)
    return state(rig._shard(await rig.loader.load(PARTITION)))
