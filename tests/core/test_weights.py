"""Forgetting is a weight that is chosen when sums are read."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.statistics import (
    BASE,
    Bucket,
    FloatArray,
    Rows,
    Strategy,
    Tier,
    Weighting,
    row_weights,
)
from olearn_core.statistics.buckets import DAY_SECONDS, HOUR_SECONDS, compacted

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
DAY = 20_000
NOW = (DAY + 0.5) * DAY_SECONDS

Sums = Mapping[tuple[int, Bucket], tuple[int, float]]
"""Events and their sum by cell and bucket."""


def rows(*buckets: Bucket, cells: list[int] | None = None) -> Rows:
    """Return rows of these buckets, all of one cell unless given."""
    return Rows(
        cells=np.array(cells or [0] * len(buckets), dtype=np.int64),
        tiers=np.array([bucket.tier for bucket in buckets], dtype=np.int64),
        numbers=np.array([bucket.number for bucket in buckets], dtype=np.int64),
    )


def weights(
    weighting: Weighting, *buckets: Bucket, now: float = NOW, counts: list[int] | None = None
) -> FloatArray:
    """Return the weights of buckets of one cell."""
    events = np.array(counts or [1] * len(buckets), dtype=np.int64)
    return row_weights(weighting, rows(*buckets), events, now)


def hour(number: int) -> Bucket:
    """Return the bucket of an hour of the first day, or a later one."""
    return Bucket(Tier.HOUR, DAY * 24 + number)


def day(number: int) -> Bucket:
    """Return the bucket of a day, counted from the first."""
    return Bucket(Tier.DAY, DAY + number)


def read(rate: float, sums: Sums, order: random.Random | None = None) -> dict[int, float]:
    """Return each cell's weighted sum under `gradient`, times the rate."""
    items = list(sums.items())
    if order is not None:
        order.shuffle(items)
    table = rows(*(key[1] for key, _ in items), cells=[key[0] for key, _ in items])
    counts = np.array([events for _, (events, _) in items], dtype=np.int64)
    weight = row_weights(Weighting("gradient", learning_rate=rate), table, counts, NOW)
    assert np.isfinite(weight).all()
    total: dict[int, float] = defaultdict(float)
    for ((cell, _), (_, value)), w in zip(items, weight.tolist(), strict=True):
        total[cell] += rate * w * value
    return dict(total)


def unroll(rate: float, sums: Sums) -> dict[int, float]:
    """Take the steps one by one: w <- m + (1-rate)^n (w - m), a day a step, from 0."""
    by_day: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (cell, bucket), (events, value) in sums.items():
        when = -1 if bucket.tier == Tier.BASE else bucket.day
        by_day[cell, when][0] += events
        by_day[cell, when][1] += value
    w: dict[int, float] = dict.fromkeys((cell for cell, _ in sums), 0.0)
    for (cell, _), (n, value) in sorted(by_day.items()):
        if n:
            w[cell] = value / n + (1.0 - rate) ** n * (w[cell] - value / n)
    return w


def merged_to_days(sums: Sums) -> Sums:
    """Return the sums with all hours added to their days."""
    merged: dict[tuple[int, Bucket], tuple[int, float]] = {}
    for (cell, bucket), (events, value) in sums.items():
        key = (cell, Bucket(Tier.DAY, bucket.day) if bucket.tier == Tier.HOUR else bucket)
        before = merged.get(key, (0, 0.0))
        merged[key] = (before[0] + events, before[1] + value)
    return merged


buckets = st.one_of(st.integers(0, 24 * 6).map(hour), st.integers(-80, 6).map(day), st.just(BASE))
sums = st.dictionaries(
    st.tuples(st.integers(0, 3), buckets),
    st.tuples(st.integers(0, 400), st.integers(0, 10**6)).map(
        lambda pair: (pair[0], float(pair[1] if pair[0] else 0))
    ),
    max_size=14,
)
rates = st.sampled_from([1e-4, 0.02, 0.5, 1.0]) | st.floats(1e-3, 1.0)


# ---- bayesian


def test_bayesian_forgets_nothing() -> None:
    assert weights(Weighting(), hour(0), day(-89), BASE).tolist() == [1.0, 1.0, 1.0]


def test_bayesian_is_what_nothing_else_was_said() -> None:
    assert Weighting() == Weighting("bayesian")


# ---- moving average


@pytest.mark.parametrize("bucket", [hour(0), hour(23), day(0), day(-29)])
def test_a_bucket_leaves_the_window_when_its_middle_does(bucket: Bucket) -> None:
    weighting = Weighting("moving_average", window_days=30)
    edge = bucket.midpoint_seconds + 30 * DAY_SECONDS
    for now, expected in ((edge - 1, 1.0), (edge, 1.0), (edge + 1, 0.0)):
        assert weights(weighting, bucket, now=now).tolist() == [expected]


def test_a_window_may_be_shorter_than_a_day() -> None:
    weighting = Weighting("moving_average", window_days=3 / 24)
    now = hour(5).midpoint_seconds
    assert weights(weighting, *map(hour, range(6)), now=now).tolist() == [0, 0, 1, 1, 1, 1]


def test_the_base_is_in_no_window() -> None:
    weighting = Weighting("moving_average", window_days=90)
    assert weights(weighting, BASE, day(0)).tolist() == [0.0, 1.0]


# ---- exponential


@pytest.mark.parametrize("bucket", [hour(0), hour(7), day(0), day(-3)])
@pytest.mark.parametrize("half_life", [0.5, 1.0, 14.0, 30.0])
def test_a_bucket_counts_half_one_half_life_after_its_middle(
    bucket: Bucket, half_life: float
) -> None:
    weighting = Weighting("exponential", half_life_days=half_life)
    for lives, expected in ((0, 1.0), (1, 0.5), (2, 0.25), (3, 0.125)):
        now = bucket.midpoint_seconds + lives * half_life * DAY_SECONDS
        assert weights(weighting, bucket, now=now).tolist() == [expected]


def test_the_base_is_forgotten() -> None:
    assert weights(Weighting("exponential", half_life_days=30), BASE).tolist() == [0.0]


def test_an_age_counts_from_the_middle_of_the_bucket() -> None:
    """An hour's is half an hour away from its start, a day's half a day."""
    ages = rows(hour(0), day(0), BASE).ages_seconds(DAY * DAY_SECONDS + 86_400.0)
    assert ages.tolist() == [86_400 - HOUR_SECONDS / 2, 43_200.0, np.inf]


@pytest.mark.parametrize("strategy", ["exponential", "moving_average"])
def test_what_is_still_to_come_is_new(strategy: Strategy) -> None:
    """A bucket whose middle is in the future weighs 1, not more."""
    assert weights(Weighting(strategy), hour(23), day(0), day(9)).tolist() == [1.0, 1.0, 1.0]


@PROPERTY
@given(buckets, st.floats(0, 90), st.floats(0, 90))
def test_exponential_weights_scale_together(bucket: Bucket, one: float, more: float) -> None:
    """That is why a sum of closed buckets can be scaled instead of read again."""
    weighting = Weighting("exponential", half_life_days=14)
    start = (DAY + 7) * DAY_SECONDS + one * DAY_SECONDS
    before = weights(weighting, bucket, now=start).item()
    after = weights(weighting, bucket, now=start + more * DAY_SECONDS).item()
    assert after == pytest.approx(before * 2 ** (-more / 14), rel=1e-9)
    assert 0.0 <= after <= 1.0


# ---- gradient


@PROPERTY
@given(rates, sums)
def test_gradient_is_the_recursion_taken_day_by_day(rate: float, sums: Sums) -> None:
    assert read(rate, sums) == pytest.approx(unroll(rate, sums), rel=1e-9, abs=1e-9)


@PROPERTY
@given(rates, sums, st.randoms(use_true_random=False))
def test_gradient_does_not_depend_on_the_order_of_rows(
    rate: float, sums: Sums, order: random.Random
) -> None:
    assert read(rate, sums, order) == pytest.approx(read(rate, sums), rel=1e-12, abs=1e-12)


@PROPERTY
@given(rates, sums)
def test_gradient_does_not_see_that_hours_became_days(rate: float, sums: Sums) -> None:
    merged = merged_to_days(sums)
    assert read(rate, merged) == pytest.approx(read(rate, sums), rel=1e-12, abs=1e-12)


@PROPERTY
@given(rates, sums)
def test_each_cell_learns_for_itself(rate: float, sums: Sums) -> None:
    together = read(rate, sums)
    for cell in together:
        alone = {key: value for key, value in sums.items() if key[0] == cell}
        assert read(rate, alone)[cell] == pytest.approx(together[cell], rel=1e-12)


def test_the_newest_event_weighs_one() -> None:
    """So that weighted counts read like numbers of events."""
    weighting = Weighting("gradient", learning_rate=0.02)
    assert weights(weighting, day(0), counts=[1]).item() == pytest.approx(1.0)
    older, newer = weights(weighting, day(0), day(1), counts=[1, 1])
    assert newer == pytest.approx(1.0)
    assert older == pytest.approx(0.98)


def test_an_event_weighs_less_with_every_later_one_of_its_cell() -> None:
    weighting = Weighting("gradient", learning_rate=0.1)
    table = rows(day(0), day(3), BASE, day(1), cells=[0, 0, 0, 1])
    counts = np.array([1, 2, 1, 500], dtype=np.int64)
    weight = row_weights(weighting, table, counts, NOW)
    newest = (1 - 0.9**2) / (0.1 * 2)
    assert weight[:3].tolist() == pytest.approx([0.9**2, newest, 0.9**3])


def test_a_rate_of_one_believes_the_last_day_only() -> None:
    sums = {(0, day(0)): (5, 500.0), (0, day(1)): (2, 8.0), (0, BASE): (9, 9.0)}
    assert read(1.0, sums) == {0: pytest.approx(4.0)}


def test_gradient_depends_on_event_time_not_on_now() -> None:
    weighting = Weighting("gradient")
    early, late = (weights(weighting, day(0), day(2), now=now) for now in (NOW, NOW * 2))
    assert early.tolist() == late.tolist()


def test_many_events_neither_overflow_nor_warn() -> None:
    sums = {(0, day(i)): (10**9, 3e9) for i in range(5)}
    assert read(0.02, sums) == {0: pytest.approx(3.0)}


# ---- all


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_no_rows_have_no_weights(strategy: Strategy) -> None:
    assert weights(Weighting(strategy)).shape == (0,)


@pytest.mark.parametrize("strategy", get_args(Strategy))
@PROPERTY
@given(sums)
def test_no_weight_is_negative_or_more_than_one(strategy: Strategy, sums: Sums) -> None:
    table = rows(*(key[1] for key in sums), cells=[key[0] for key in sums])
    counts = np.array([events for events, _ in sums.values()], dtype=np.int64)
    weight = row_weights(Weighting(strategy), table, counts, NOW)
    assert weight.shape == (len(sums),)
    assert weight.dtype == np.float64
    assert ((weight >= 0.0) & (weight <= 1.0 + 1e-12)).all()


@PROPERTY
@given(
    st.lists(st.tuples(st.sampled_from(list(Tier)), st.integers(0, 24 * 200)), min_size=1),
    st.integers(0, 24 * 400),
)
def test_rows_are_compacted_like_the_table(
    buckets: list[tuple[Tier, int]], later_hours: int
) -> None:
    made = [
        BASE if tier == Tier.BASE else hour(number) if tier == Tier.HOUR else day(number // 24)
        for tier, number in buckets
    ]
    now = (DAY * 24 + later_hours) * HOUR_SECONDS + 1.0
    done = rows(*made).compacted(now)
    expected = [compacted(bucket, now) for bucket in made]
    assert list(zip(done.tiers.tolist(), done.numbers.tolist(), strict=True)) == expected
