"""How long the log has been waiting: told from when its ends were seen, and from its records."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from olearn_core.learning.views.lags import MOST_SEEN, Lags
from olearn_core.sources.source import Partition

PARTITION = Partition("outcomes", 0)
NOON = 1_700_000_000.0


@dataclass
class Place:
    """As much of a shard and its worker as lags look at."""

    end: int | None = 0
    next_offset: int = 0
    learned_ms: int = 0
    partition: Partition = PARTITION
    now: float = NOON

    def ends(self):
        return [] if self.end is None else [(self, self.end)]


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def lags(place: Place) -> Lags:
    return Lags(place, clock=lambda: place.now)


def test_where_nothing_waits_there_is_no_lag(place: Place, lags: Lags) -> None:
    assert lags.seconds == 0
    place.now, place.end, place.next_offset = NOON + 9, 100, 100
    assert lags.of_partitions() == [(PARTITION, 0, 0.0)]


def test_a_record_waits_since_it_was_seen_first(place: Place, lags: Lags) -> None:
    lags.look()
    for second, end in enumerate([10, 20, 30]):
        place.now, place.end = NOON + second, end
        lags.look()
    place.now = NOON + 10
    assert lags.of_partitions() == [(PARTITION, 30, 10.0)]
    place.next_offset = 10
    assert lags.of_partitions() == [(PARTITION, 20, 9.0)]
    place.next_offset = 25
    assert lags.seconds == 8.0


def test_what_waited_before_the_start_is_as_old_as_what_is_learned_of_it(
    place: Place, lags: Lags
) -> None:
    place.end = 1_000
    lags.look()
    place.now, place.next_offset = NOON + 1, 500
    place.learned_ms = int((NOON - 3_600) * 1_000)
    assert lags.seconds == pytest.approx(3_601)
    place.next_offset, place.end = 1_000, 1_001
    assert lags.seconds == 0.0, "that one came just now"


def test_an_unknown_end_is_no_lag_of_0(place: Place, lags: Lags) -> None:
    place.end = None
    assert lags.seconds is None
    assert lags.of_partitions() == []


def test_days_behind_take_little_memory(place: Place, lags: Lags) -> None:
    lags.look()
    for second in range(5 * MOST_SEEN):
        place.now, place.end = NOON + second, second + 1
        lags.look()
    place.next_offset = 0
    assert lags.seconds == 5 * MOST_SEEN - 1
    place.next_offset = place.end - 10
    assert lags.seconds < 60
