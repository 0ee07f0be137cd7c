"""A repeat counts once: however it comes, whatever it says, whoever crashes in between."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.learning.shards.dedup import GENERATIONS
from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.shards.windows import window_span
from olearn_core.tokens import Decided, SigningKey, eligible_hash, partition_key, sign
from tests.promises.by_hand import ByHand, database_from, fresh_shard, learn
from tests.promises.proof import examples
from tests.support import oracle
from tests.support.events import outcome
from tests.support.services import cells_of
from tests.support.workers import NOW, WrittenLog

pytestmark = pytest.mark.promise("P5")

Said = tuple[int, str, str, str]
"""Number of an event, its part, its tenant, and who is said to have done it."""

WINDOW = 1_000
KEY = SigningKey(1, b"secret")

said = st.tuples(
    st.integers(0, 12),
    st.sampled_from(["execution", "execution", "rating"]),
    st.sampled_from(["default", "acme"]),
    st.sampled_from(["ada", "bob"]),
)
streams = st.lists(said, min_size=1, max_size=60)
long_streams = st.lists(said, min_size=20, max_size=60)
steps = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), min_size=4, max_size=12
)


def record(one: Said) -> bytes:
    """Return what a producer sends; a repeat may say something else than the first did."""
    number, part, tenant, agent = one
    fields = {"event_id": f"e{number}", "tenant_id": tenant, "agent_name": agent}
    rating = {"status": ..., "quality_score": 0.5} if part == "rating" else {}
    return outcome(**fields, **rating)


def repeats(stream: Sequence[Said]) -> int:
    return len(stream) - len({one[:3] for one in stream})


# ---- within the window


@examples(400, 60_000)
@given(streams, st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_whatever_a_repeat_says_the_first_counts(stream: list[Said], sizes: list[int]) -> None:
    records, shard = [record(one) for one in stream], fresh_shard()
    start = 0
    while start < len(records):
        size = sizes[start % len(sizes)]
        learn(shard, records[start : start + size])
        start += size
    assert cells_of(shard.table) == oracle.expected(records, NOW)
    assert shard.counters().get("duplicates", 0) == repeats(stream)


@examples(30, 1_500)
@given(long_streams, steps)
def test_checkpoints_and_crashes_forget_no_event(
    empty_database: Path, stream: list[Said], steps: list[tuple[int, bool, bool]]
) -> None:
    """What was not saved is learned again, what was saved is not."""
    asyncio.run(_learn_and_crash(empty_database, stream, steps))


async def _learn_and_crash(
    path: Path, stream: list[Said], steps: list[tuple[int, bool, bool]]
) -> None:
    log = WrittenLog()
    records = [record(one) for one in stream]
    log.write(*records)
    async with database_from(path) as database:
        hand = ByHand(database, log)
        await hand.start()
        for most, saves, crashes in steps:
            await hand.learn(most)
            if saves:
                await hand.save()
            if crashes:
                await hand.start()
        await hand.learn_all()
        await hand.start()
        assert cells_of(hand.shard.table) == oracle.expected(records, NOW)
        assert hand.count("duplicates") == repeats(stream)
        log.write(*records)
        await hand.learn_all()
        assert hand.count("duplicates") == repeats(stream) + len(stream), "all are known again"


# ---- at the window's edge


def numbered_events(start: int, end: int) -> list[bytes]:
    return [outcome(event_id=f"n{number}") for number in range(start, end)]


def known(shard: Shard, number: int) -> bool:
    """Tell whether an event is refused, and do as if it had not been asked."""
    window = deepcopy(shard.state.executions)
    before = shard.counters().get("duplicates", 0)
    learn(shard, numbered_events(number, number + 1))
    shard.state.executions = window
    return shard.counters().get("duplicates", 0) > before


@examples(25, 2_000)
@given(st.integers(1, 300), st.integers(0, 3 * WINDOW))
def test_a_window_has_one_edge(size: int, more: int) -> None:
    """What is younger than the edge is refused; what is older counts again, as new."""
    shard, total = fresh_shard(dedup_ids=WINDOW), WINDOW + more
    for start in range(0, total, size):
        learn(shard, numbered_events(start, min(total, start + size)))
    edge = bisect_left(range(total), True, key=lambda number: known(shard, number))
    assert not any(
        known(shard, number) for number in {0, edge // 2, edge - 1} if 0 <= number < edge
    )
    assert all(known(shard, number) for number in {edge, edge + 1, total - 1} if number < total)
    assert len(shard.state.executions) == total - edge
    assert total - edge <= max(WINDOW, size)
    assert total - edge >= min(total, WINDOW - WINDOW // GENERATIONS - size)


def test_what_is_forgotten_counts_again_and_the_span_says_so(empty_database: Path) -> None:
    """Before a restart and after it; while nothing is forgotten there is nothing to say."""
    asyncio.run(_forget_and_restart(empty_database))


async def _forget_and_restart(path: Path) -> None:
    log, total, slice_size = WrittenLog(), 3 * WINDOW, 100
    log.write(*numbered_events(0, total))
    async with database_from(path) as database:
        hand = ByHand(database, log, dedup_ids=WINDOW)
        hand.now = began = time.time() - 10_000
        await hand.start()
        while hand.shard.next_offset < total:
            await hand.learn(slice_size)
            await hand.save()
            if hand.shard.next_offset <= WINDOW // 2:
                assert window_span(hand.shard.state, "executions") is None
            hand.now += 100
        edge = total - len(hand.shard.state.executions)
        told = window_span(hand.shard.state, "executions")
        assert told == pytest.approx(time.time() - began - edge // slice_size * 100, abs=5)
        await hand.start()
        lived = len(hand.shard.state.executions)
        assert WINDOW // 2 < lived <= WINDOW
        span = window_span(hand.shard.state, "executions")
        assert span is not None
        assert span <= told + 5, "never more than is true"
        log.write(*numbered_events(total - lived - 1, total))
        await hand.learn_all()
        assert hand.count("duplicates") == lived
        assert hand.count("executions") == total + 1, "beyond the window it counts again"


# ---- over partitions


keyed = st.lists(st.tuples(said, st.booleans()), min_size=1, max_size=40)


def sent(one: Said, *, decided: bool) -> tuple[str, bytes]:
    """Return the key and the record of an outcome, as a client sends it."""
    number, _, tenant, agent = one
    decision = token(number, tenant) if decided else None
    key = partition_key(tenant, f"e{number}", decision)
    more = {"decision_id": decision} if decision else {}
    return key, outcome(event_id=f"e{number}", tenant_id=tenant, agent_name=agent, **more)


def token(number: int, tenant: str) -> str:
    nonce = number.to_bytes(12, "big")
    return sign(KEY, Decided(nonce, 0.5, 1, int(NOW), eligible_hash(["ada"]), tenant, "c", "ada"))


def partition_of(key: str, partitions: int) -> int:
    return sha256(key.encode()).digest()[0] % partitions


@examples(150, 20_000)
@given(keyed, st.integers(1, 5))
def test_repeats_share_a_partition_and_count_once_over_all(
    stream: list[tuple[Said, bool]], partitions: int
) -> None:
    shards = [fresh_shard(keys={1: KEY}) for _ in range(partitions)]
    for one, decided in stream:
        key, value = sent(one, decided=decided)
        learn(shards[partition_of(key, partitions)], [value])
    learned = sum(shard.counters().get("executions", 0) for shard in shards)
    assert learned == len({(one[0], one[2], decided) for one, decided in stream})


@examples(100, 10_000)
@given(streams, streams, st.integers(1, 4), st.integers(1, 4))
def test_where_partitions_were_added_repeats_count_once_in_each(
    before: list[Said], after: list[Said], few: int, more: int
) -> None:
    """The limit that the documents state: a key may move, and its window does not."""
    shards = [fresh_shard() for _ in range(few + more)]
    expected = set()
    for stream, partitions in ((before, few), (after, few + more)):
        for one in stream:
            key, value = sent(one, decided=False)
            where = partition_of(key, partitions)
            learn(shards[where], [value])
            expected.add((where, one[0], one[2]))
    assert sum(shard.counters().get("executions", 0) for shard in shards) == len(expected)
