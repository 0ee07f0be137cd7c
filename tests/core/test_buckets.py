"""Time buckets: 48 hours, 90 days, one base; the moment of a compaction does not matter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.statistics import BASE, Bucket, Tier, compacted, place
from olearn_core.statistics.buckets import DAY_SECONDS, DAYS_KEPT, HOUR_SECONDS, HOURS_KEPT

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)
NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC).timestamp()
HOUR = int(NOW) // HOUR_SECONDS
DAY = int(NOW) // DAY_SECONDS

moments = st.floats(NOW - 200 * DAY_SECONDS, NOW + 3 * DAY_SECONDS)
references = st.floats(NOW - 120 * DAY_SECONDS, NOW + 120 * DAY_SECONDS)
buckets = st.one_of(
    st.builds(Bucket, st.just(Tier.HOUR), st.integers(HOUR - 200 * 24, HOUR + 24)),
    st.builds(Bucket, st.just(Tier.DAY), st.integers(DAY - 200, DAY + 1)),
    st.just(BASE),
)


def start(bucket: Bucket) -> float:
    """Return the Unix time at which a bucket of hours or days begins."""
    return bucket.number * (HOUR_SECONDS if bucket.tier == Tier.HOUR else DAY_SECONDS)


def test_a_fresh_event_is_in_its_hour() -> None:
    assert place(NOW, NOW) == Bucket(Tier.HOUR, HOUR)
    assert place(HOUR * 3_600.0, NOW) == Bucket(Tier.HOUR, HOUR)
    assert place(HOUR * 3_600.0 - 0.001, NOW) == Bucket(Tier.HOUR, HOUR - 1)


def test_an_event_from_the_future_is_in_its_own_hour() -> None:
    assert place(NOW + HOUR_SECONDS, NOW) == Bucket(Tier.HOUR, HOUR + 1)


def test_48_hours_are_kept() -> None:
    assert HOURS_KEPT == 48
    kept = {place(NOW - hours * HOUR_SECONDS, NOW) for hours in range(60)}
    assert {b.number for b in kept if b.tier == Tier.HOUR} == set(range(HOUR - 47, HOUR + 1))
    assert place(NOW - 47 * HOUR_SECONDS, NOW) == Bucket(Tier.HOUR, HOUR - 47)
    assert place(NOW - 48 * HOUR_SECONDS, NOW) == Bucket(Tier.DAY, DAY - 2)


def test_days_are_kept_up_to_the_90th() -> None:
    assert DAYS_KEPT == 90
    assert place(NOW - 89 * DAY_SECONDS, NOW) == Bucket(Tier.DAY, DAY - 89)
    assert place(NOW - 90 * DAY_SECONDS, NOW) == BASE
    assert place(0.0, NOW) == BASE
    assert place(-1.0, NOW) == BASE


def test_days_are_days_of_utc() -> None:
    late = datetime(2026, 2, 20, 23, 59, 59, tzinfo=UTC).timestamp()
    early = datetime(2026, 2, 21, tzinfo=UTC).timestamp()
    assert place(late, NOW).number + 1 == place(early, NOW).number
    assert place(early, NOW) == Bucket(Tier.DAY, int(early) // DAY_SECONDS)


def test_a_day_boundary_moves_a_day_into_the_base_at_once() -> None:
    bucket = Bucket(Tier.DAY, DAY - 90)
    midnight = DAY * 86_400.0
    assert compacted(bucket, midnight - 0.001) == bucket
    assert compacted(bucket, midnight) == BASE


def test_the_base_stays_the_base() -> None:
    assert compacted(BASE, 0.0) == BASE
    assert compacted(BASE, NOW) == BASE


@pytest.mark.parametrize(
    ("bucket", "day", "middle"),
    [
        (Bucket(Tier.HOUR, 49), 2, 49.5 * 3_600),
        (Bucket(Tier.HOUR, 47), 1, 47.5 * 3_600),
        (Bucket(Tier.DAY, 2), 2, 2.5 * 86_400),
    ],
)
def test_a_bucket_knows_its_day_and_its_middle(bucket: Bucket, day: int, middle: float) -> None:
    assert bucket.day == day
    assert bucket.midpoint_seconds == middle


def test_tiers_are_ordered_from_fine_to_coarse() -> None:
    assert Tier.HOUR < Tier.DAY < Tier.BASE
    assert Bucket(Tier.HOUR, 5) < Bucket(Tier.DAY, 1) < BASE


@PROPERTY
@given(moments, references, references)
def test_placing_and_then_compacting_is_placing_late(event: float, one: float, two: float) -> None:
    sooner, later = sorted((one, two))
    assert compacted(place(event, sooner), later) == place(event, later)


@PROPERTY
@given(buckets, st.lists(references, max_size=5))
def test_any_compactions_before_the_last_do_not_matter(
    bucket: Bucket, moments: list[float]
) -> None:
    last = max(moments, default=NOW)
    stepwise = bucket
    for moment in moments:
        stepwise = compacted(stepwise, moment)
    assert compacted(stepwise, last) == compacted(bucket, last)


@PROPERTY
@given(buckets, references)
def test_a_compacted_bucket_is_coarser_holds_the_same_time_and_stays(
    bucket: Bucket, reference: float
) -> None:
    coarser = compacted(bucket, reference)
    assert coarser.tier >= bucket.tier
    assert compacted(coarser, reference) == coarser
    if coarser != BASE:
        length = HOUR_SECONDS if coarser.tier == Tier.HOUR else DAY_SECONDS
        assert start(coarser) <= start(bucket) < start(coarser) + length
        assert coarser.day == bucket.day


@PROPERTY
@given(moments, references)
def test_an_event_is_in_a_bucket_that_its_time_falls_into(event: float, reference: float) -> None:
    bucket = place(event, reference)
    if bucket.tier == Tier.HOUR:
        assert start(bucket) <= event < start(bucket) + HOUR_SECONDS
        assert bucket.number > reference // HOUR_SECONDS - HOURS_KEPT
    elif bucket.tier == Tier.DAY:
        assert start(bucket) <= event < start(bucket) + DAY_SECONDS
        assert bucket.number > reference // DAY_SECONDS - DAYS_KEPT
    else:
        assert bucket == BASE
        assert event < reference - (DAYS_KEPT - 1) * DAY_SECONDS
