"""Time buckets: 48 hours, 90 days, then one base."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
HOURS_KEPT = 48
DAYS_KEPT = 90


class Tier(IntEnum):
    """How coarse a bucket is."""

    HOUR = 0
    DAY = 1
    BASE = 2


class Bucket(NamedTuple):
    """
    A stretch of event time.

    :param number: hours or days since 1970 (UTC); 0 for the base
    """

    tier: int
    number: int

    @property
    def day(self) -> int:
        """Days since 1970 of this bucket's start."""
        return self.number // 24 if self.tier == Tier.HOUR else self.number

    @property
    def midpoint_seconds(self) -> float:
        """Unix time of the middle, from which its age counts."""
        length = HOUR_SECONDS if self.tier == Tier.HOUR else DAY_SECONDS
        return (self.number + 0.5) * length


BASE = Bucket(Tier.BASE, 0)


def place(event_seconds: float, reference_seconds: float) -> Bucket:
    """Return the bucket of an event, seen from a reference time (both Unix seconds)."""
    hour = int(event_seconds // HOUR_SECONDS)
    return compacted(Bucket(Tier.HOUR, hour), reference_seconds)


def compacted(bucket: Bucket, reference_seconds: float) -> Bucket:
    """
    Return the bucket that holds this one's sums at a reference time.

    Going through it twice, or at several earlier times first, ends in the same
    bucket: that is why the moment of a compaction does not matter.
    """
    hour_now = int(reference_seconds // HOUR_SECONDS)
    if bucket.tier == Tier.HOUR and bucket.number <= hour_now - HOURS_KEPT:
        bucket = Bucket(Tier.DAY, bucket.day)
    if bucket.tier == Tier.DAY and bucket.number <= hour_now // 24 - DAYS_KEPT:
        bucket = BASE
    return bucket
