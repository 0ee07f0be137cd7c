"""Partitions of a consumer group: each topic evenly, and moved no more than needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from aiokafka import TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyAssignorUserDataV1
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from olearn_core.sources.assignor import TopicByTopicAssignor

Owned = dict[str, list[TopicPartition]]

OUTCOMES = "agent-outcomes"
DECISIONS = "agent-decisions"


class Topics(ClusterMetadata):
    """A cluster that has been asked for its topics already."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        super().__init__()
        self._numbers = partitions

    def topics(self, *_: object, **__: object) -> set[str]:
        return set(self._numbers)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._numbers[topic])) if topic in self._numbers else None


def rebalanced(
    topics: Mapping[str, int],
    members: Iterable[str],
    before: Mapping[str, list[TopicPartition]] | None = None,
    generation: int = 1,
) -> Owned:
    told = {name: _member(topics, (before or {}).get(name), generation) for name in members}
    shares = TopicByTopicAssignor.assign(Topics(topics), told)
    return {name: share.partitions() for name, share in shares.items()}


def _member(
    topics: Iterable[str], owned: list[TopicPartition] | None, generation: int
) -> ConsumerProtocolMemberMetadata:
    by_topic: dict[str, list[int]] = {}
    for partition in owned or []:
        by_topic.setdefault(partition.topic, []).append(partition.partition)
    data = StickyAssignorUserDataV1(list(by_topic.items()), generation).encode() if owned else b""
    return ConsumerProtocolMemberMetadata(1, sorted(topics), data)


def counts(owned: Owned, topic: str) -> list[int]:
    return sorted(sum(p.topic == topic for p in share) for share in owned.values())


@pytest.mark.parametrize("partitions", [1, 3, 4, 6])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_workers_that_join_one_by_one_share_each_topic_evenly(
    partitions: int, workers: int
) -> None:
    topics = {OUTCOMES: partitions, DECISIONS: partitions}
    owned: Owned = {}
    for joined in range(1, workers + 1):
        names = [f"worker-{number}" for number in range(joined)]
        owned = rebalanced(topics, names, owned, generation=joined)
    everything = Counter(partition for share in owned.values() for partition in share)
    assert len(everything) == 2 * partitions
    assert set(everything.values()) == {1}, "each partition has one owner"
    for topic in topics:
        assert max(counts(owned, topic)) - min(counts(owned, topic)) <= 1, (topic, owned)


@pytest.mark.parametrize("topics", [{OUTCOMES: 6}, {OUTCOMES: 6, DECISIONS: 6}])
def test_what_stays_keeps_its_partitions(topics: dict[str, int]) -> None:
    three = rebalanced(topics, "abc")
    two = rebalanced(topics, "ab", {name: three[name] for name in "ab"})
    for name in "ab":
        assert set(three[name]) <= set(two[name]), "nothing is taken from who stays"
    again = rebalanced(topics, "abc", two, generation=2)
    for name in "ab":
        assert set(again[name]) <= set(two[name]), "a newcomer gets what is too much, no more"


def test_a_topic_that_does_not_exist_yet_is_nobodys() -> None:
    cluster = Topics({OUTCOMES: 2})
    member = _member([OUTCOMES, DECISIONS], None, 1)
    (share,) = TopicByTopicAssignor.assign(cluster, {"alone": member}).values()
    assert {partition.topic for partition in share.partitions()} == {OUTCOMES}
