"""The coordinator of a consumer group: who is in it, and what each may read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from itertools import count

from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError


@dataclass(slots=True)
class Member:
    """
    One consumer as the coordinator knows it.

    :param waiting: what it waits for while it joins
    :param session: the timer that ends its membership
    """

    id: str
    session_seconds: float
    waiting: asyncio.Future[Joined] | None = None
    session: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What a member is told when a rebalance ends."""

    member: str
    generation: int
    partitions: Sequence[TopicPartition]


@dataclass(slots=True)
class Group:
    """
    Rebalances eagerly: everybody gives everything back, joins, and gets other partitions.

    :param context: of a process that never freezes
    :ivar committed: offsets that members have shown
    """

    partitions: Sequence[TopicPartition]
    random: random.Random
    context: Context
    members: dict[str, Member] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    generation: int = 0
    rebalances: int = 0
    expired: int = 0
    _is_rebalancing: bool = False
    _deadline: asyncio.TimerHandle | None = None
    _numbers: count[int] = field(default_factory=count)

    def join(
        self, member_id: str | None, session_seconds: float, rebalance_seconds: float
    ) -> asyncio.Future[Joined]:
        """Return what is known when all have joined."""
        member = self.members.get(member_id or "")
        if member is None:
            member = Member(f"member-{next(self._numbers)}", session_seconds)
            self.members[member.id] = member
        told = member.waiting = asyncio.get_running_loop().create_future()
        self._stop_timer(member)
        self._begin(rebalance_seconds)
        self._end_where_all_joined()
        return told

    def _begin(self, rebalance_seconds: float) -> None:
        if not self._is_rebalancing:
            self._is_rebalancing = True
            self._deadline = self._call_later(rebalance_seconds, self._end)

    def _end_where_all_joined(self) -> None:
        if self._is_rebalancing and all(member.waiting for member in self.members.values()):
            self._end()

    def _end(self) -> None:
        """Give the partitions out to those who came; who did not is no member any more."""
        if self._deadline is not None:
            self._deadline.cancel()
        for late in [member for member in self.members.values() if member.waiting is None]:
            self._remove(late)
        self._is_rebalancing = False
        self.generation += 1
        self.rebalances += 1
        given = self._given_out()
        for member in self.members.values():
            waiting, member.waiting = member.waiting, None
            if waiting is not None and not waiting.done():
                waiting.set_result(Joined(member.id, self.generation, given[member.id]))
            self._restart_timer(member)

    def _given_out(self) -> dict[str, list[TopicPartition]]:
        """Deal the partitions; aiokafka's order of members is random, too."""
        order = list(self.members)
        self.random.shuffle(order)
        return {id_: list(self.partitions[at :: len(order)]) for at, id_ in enumerate(order)}

    def heartbeat(self, member_id: str, generation: int) -> None:
        """
        Prolong a session.

        :raises UnknownMemberIdError: where it has ended
        :raises RebalanceInProgressError: where the member has to join again
        """
        member = self.members.get(member_id)
        if member is None:
            raise UnknownMemberIdError
        self._restart_timer(member)
        if self._is_rebalancing:
            raise RebalanceInProgressError
        if generation != self.generation:
            raise IllegalGenerationError

    def commit(
        self, member_id: str | None, generation: int, offsets: dict[TopicPartition, int]
    ) -> None:
        """Keep a member's offsets; raise as a heartbeat does where it is none any more."""
        self.heartbeat(member_id or "", generation)
        self.committed.update(offsets)

    def leave(self, member_id: str) -> None:
        """End a membership; the others share what it had."""
        member = self.members.get(member_id)
        if member is None:
            return
        self._remove(member)
        if self.members:
            self._begin(60.0)
            self._end_where_all_joined()
        elif self._is_rebalancing:
            self._end()

    def extend_sessions(self, seconds: float) -> None:
        """Count no silence against members while the coordinator itself is away."""
        for member in self.members.values():
            if member.waiting is None:
                self._restart_timer(member, seconds)

    def _remove(self, member: Member) -> None:
        self._stop_timer(member)
        del self.members[member.id]

    def _restart_timer(self, member: Member, more_seconds: float = 0.0) -> None:
        self._stop_timer(member)
        if member.waiting is None:
            seconds = member.session_seconds + more_seconds
            member.session = self._call_later(seconds, self._expire, member.id)

    def _stop_timer(self, member: Member) -> None:
        if member.session is not None:
            member.session.cancel()
            member.session = None

    def _expire(self, member_id: str) -> None:
        self.expired += 1
        self.leave(member_id)

    def _call_later(self, seconds: float, *call: object) -> asyncio.TimerHandle:
        """Set a timer of the coordinator's own: it rings while the member asking is frozen."""
        return asyncio.get_running_loop().call_later(seconds, *call, context=self.context)
