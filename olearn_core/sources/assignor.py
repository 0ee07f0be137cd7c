"""Who of a consumer group gets which partitions."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

Members = Mapping[str, ConsumerProtocolMemberMetadata]
Assignments = dict[str, ConsumerProtocolMemberAssignment]


class TopicByTopicAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """
    Shares out each topic by itself; partitions stay where they are, as far as that is even.

    aiokafka's evens out numbers of partitions over all topics: of two workers one may
    get all of the outcomes and the other all of the decisions, which are far less work.
    """

    @classmethod
    def assign(cls, cluster: ClusterMetadata, members: Members) -> Assignments:
        """Return each member's partitions."""
        shares: dict[str, list[tuple[str, list[int]]]] = {member: [] for member in members}
        for topic in sorted(
            {topic for member in members.values() for topic in member.subscription}
        ):
            for member, share in super().assign(cluster, _only(topic, members)).items():
                shares[member] += share.assignment
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, share, b"")
            for member, share in shares.items()
        }


def _only(topic: str, members: Members) -> Members:
    """Return the members as if there were one topic."""
    return {
        name: ConsumerProtocolMemberMetadata(
            member.version, [topic] if topic in member.subscription else [], member.user_data
        )
        for name, member in members.items()
    }
