"""Clocks may say what they like: nothing is lost, nothing weighs wrong, nothing stands still."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.decisions.question import Question
from olearn_core.statistics import BASE, Bucket, Rows, Tier, Weighting, row_weights
from olearn_core.statistics.buckets import DAY_SECONDS, HOUR_SECONDS
from olearn_core.storage.database import Database
from olearn_core.storage.versions import VersionStore
from tests.promises.by_hand import fresh_shard, learn
from tests.promises.proof import examples, size
from tests.support import oracle
from tests.support.events import outcome, rfc3339, stream
from tests.support.services import (
    cells_of,
    eventually,
    publish,
    received,
    running,
    settings_for,
    table_of,
)
from tests.support.workers import NOW, WrittenLog, assert_ledger_chains, learning

pytestmark = pytest.mark.promise("P13")

HOUR = int(NOW // HOUR_SECONDS)
STEPS = (-DAY_SECONDS, DAY_SECONDS, -30.0, -0.2, 0.2, 30.0)
jumps = st.sampled_from([-DAY_SECONDS, -3_600, -0.5, 0.0, 0.001, 0.5, 3_600, DAY_SECONDS])
skews = st.sampled_from([-400, -91, -1, -0.01, 0, 0.001, 0.01, 1, 30, 10_000])

# ---- weights

buckets = st.one_of(
    st.builds(Bucket, st.just(Tier.HOUR), st.integers(HOUR - 100, HOUR + 100)),
    st.builds(Bucket, st.just(Tier.DAY), st.integers(HOUR // 24 - 200, HOUR // 24 + 5)),
    st.just(BASE),
)
weightings = st.builds(
    Weighting,
    st.sampled_from(["bayesian", "moving_average", "exponential", "gradient"]),
    half_life_days=st.floats(1e-6, 30),
    window_days=st.floats(1e-6, 90),
    learning_rate=st.floats(1e-6, 1 - 1e-6),
)
counted = st.lists(
    st.tuples(st.integers(0, 2), buckets, st.integers(-(10**6), 10**9)), min_size=1, max_size=12
)


@examples(500, 50_000)
@given(weightings, counted, st.floats(NOW - 500 * DAY_SECONDS, NOW + 500 * DAY_SECONDS))
def test_no_weight_is_negative_nor_above_one(
    weighting: Weighting, rows: list[tuple[int, Bucket, int]], now: float
) -> None:
    """
    Of any strategy, whether the clock stands before its buckets or long after them.

    Counts below zero are those of an adjustment that is seen before what it takes away.
    """
    cells, tiers, numbers = zip(*((cell, *bucket) for cell, bucket, _ in rows), strict=True)
    table = Rows(*(np.array(part, dtype=np.int64) for part in (cells, tiers, numbers)))
    counts = np.array([count for _, _, count in rows], dtype=np.int64)
    for seen in (table, table.compacted(now)):
        weights = row_weights(weighting, seen, counts, now)
        assert weights.shape == counts.shape
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()
        assert (weights <= 1 + 1e-9).all()


@examples(200, 20_000)
@given(weightings, buckets, st.floats(0, 200 * DAY_SECONDS), st.floats(0, 200 * DAY_SECONDS))
def test_what_is_older_never_weighs_more(
    weighting: Weighting, bucket: Bucket, later: float, much_later: float
) -> None:
    row = Rows(*(np.array([number], dtype=np.int64) for number in (0, *bucket)))
    count = np.ones(1, dtype=np.int64)
    first = row_weights(weighting, row, count, NOW + later)
    second = row_weights(weighting, row, count, NOW + later + much_later)
    assert second[0] <= first[0]


# ---- sums


@examples(100, 10_000)
@given(st.integers(0, 10**9), st.lists(st.tuples(st.integers(1, 25), jumps), max_size=12))
def test_totals_are_exact_whatever_the_receiver_s_clock_does(
    seed: int, steps: list[tuple[int, float]]
) -> None:
    """Buckets follow the clock; what is summed over them does not."""
    records, shard, now, start = stream(seed, 200, NOW), fresh_shard(), NOW, 0
    for count, jump in [*steps, (len(records), 0.0)]:
        learn(shard, records[start : start + count], now)
        shard.tick = None  # as a checkpoint leaves it
        start, now = start + count, now + jump
    expected = oracle.totals(oracle.expected(records, NOW))
    found = {name: count for name, count in shard.table.totals().items() if count}
    assert found == {name: count for name, count in expected.items() if count}
    last = shard.table.compact(now + 365 * DAY_SECONDS)
    assert {cell.bucket for cell in last.rows} == {BASE}
    assert last.totals() == shard.table.totals()


@examples(100, 10_000)
@given(st.lists(skews, min_size=1, max_size=20), st.integers(1, 7))
def test_producers_may_live_in_another_time(skews_days: list[float], slice_size: int) -> None:
    """What claims to come from the future happened now; what is very late is in the base."""
    records = [
        outcome(event_id=f"{i}", timestamp=rfc3339(NOW + days * DAY_SECONDS))
        for i, days in enumerate(skews_days)
    ]
    shard = fresh_shard()
    for start in range(0, len(records), slice_size):
        learn(shard, records[start : start + slice_size])
    assert cells_of(shard.table) == oracle.expected(records, NOW)
    assert shard.table.totals()["executions"] == len(records)
    ends = [(c.bucket.tier, c.bucket.midpoint_seconds) for c in shard.table.rows]
    assert all(middle <= NOW + 300 + HOUR_SECONDS for tier, middle in ends if tier == Tier.HOUR)
    assert shard.counters().get("clamped", 0) == sum(
        days > 300 / DAY_SECONDS for days in skews_days
    )
    assert shard.counters().get("late", 0) == sum(days < -90 for days in skews_days)


# ---- a worker, a service


def jumping(rng: random.Random) -> Callable[[], float]:
    """Return a clock that is off by up to a day more each time that it is asked."""
    now = [NOW]

    def clock() -> float:
        now[0] += rng.choice((-DAY_SECONDS, -1.0, -0.1, 0.0, 0.1, 1.0, DAY_SECONDS))
        return now[0]

    return clock


async def test_a_worker_learns_and_saves_on_under_a_jumping_clock(database: Database) -> None:
    log, records = WrittenLog(), stream(13, 600, NOW)
    clock = jumping(random.Random(13))
    for start in range(0, 600, 150):
        log.write(*records[start : start + 150])
        async with learning(
            database, log, clock=clock, batch_size=10, slice_size=10, largest_batch=10
        ) as rig:
            await rig.caught_up()
            assert rig.worker.problems == {}
    expected = oracle.totals(oracle.expected(records, NOW))
    assert {c: n for c, n in rig.table.totals().items() if n} == expected
    await assert_ledger_chains(database)


class WallClock:
    """Everybody's wall clock, off by what it was set wrong so far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._true, self._off = time.time, 0.0
        monkeypatch.setattr(time, "time", lambda: self._true() + self._off)

    def step(self, seconds: float) -> None:
        self._off += seconds


async def test_no_timer_of_a_service_stands_still_while_the_wall_clock_steps(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, checkpoints, bases, polls, leases and saved versions go on."""
    settings = settings_for(
        tmp_path,
        sqlite_url,
        learning={"base_interval_seconds": 0.05},
        versions={"save_interval_seconds": 0.05},
    )
    rng, sent = random.Random(13), 0
    with monkeypatch.context() as patch:
        clock = WallClock(patch)
        async with running(settings) as run:
            service = run.service
            store = service.versions.store
            for seconds in [*STEPS, *rng.choices(STEPS, k=size(10, 200))]:
                clock.step(seconds)
                records = [outcome(event_id=f"{sent + number}") for number in range(5)]
                await publish(service.publisher, records)
                sent += len(records)
                await received(service, sent)
                as_of = service.view.as_of
                await eventually(lambda before=as_of: service.view.as_of != before, "it polls")
                await eventually(partial(saved_of, store, sent), "a version is saved")
                service.decider.decide(Question("default", "code", {}, eligible=["ada", "bob"]))
            assert table_of(service).totals()["executions"] == sent
            assert service.worker.problems == {}


async def saved_of(store: VersionStore, outcomes: int) -> bool:
    version = await store.active("success_prediction")
    return version is not None and version.training_samples == outcomes
