"""Reading a slice of records: what each says, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from olearn_core.errors import EventError, TokenError
from olearn_core.events import DEFAULT, Outcome, decode_outcome, header, unknown_fields
from olearn_core.learning.cells import CellFinder, GroupKey
from olearn_core.learning.dedup import HashArray, as_hashes, identity_hash
from olearn_core.learning.tick import Tick
from olearn_core.sources.source import Partition, Record
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.buckets import DAY_SECONDS, DAYS_KEPT, HOUR_SECONDS
from olearn_core.tokens import Decided, SigningKey, verify

FUTURE_SECONDS = 300
SAMPLE_EVERY = 1_000
NEVER = datetime.max.replace(tzinfo=UTC)
NOT_TAUGHT = frozenset({"pending", "cancelled"})

NO_GROUP = -1

Keys = Callable[[], Mapping[int, SigningKey]]
Taught = tuple[Record, Outcome]
Decisions = dict[int, Decided]


@dataclass(slots=True)
class Slice:
    """
    Outcomes of a slice that teach, in columns of equal length.

    :param groups: number of each outcome's group of cells
    :param hashes: of its identity
    :param joined: whether a decision of ours was carried out as told
    """

    offsets: Sequence[int]
    outcomes: Sequence[Outcome]
    groups: Sequence[int]
    hashes: HashArray
    joined: BoolArray


class Reader:
    """
    Decodes and checks records one by one; a bad one never harms its neighbours.

    :param keys: gives the keys that decisions are signed with
    :param require_token: refuse outcomes whose decision_id is missing or not ours
    """

    def __init__(self, partition: Partition, keys: Keys, *, require_token: bool) -> None:
        self._partition = partition
        self._keys = keys
        self._require_token = require_token

    def read(self, records: Sequence[Record], finder: CellFinder, tick: Tick) -> Slice:
        """
        Return what teaches; note dead letters and what was left out in the tick.

        Column by column, which is much faster than event by event.
        """
        _sample(records, tick)
        taught, decided = self._decoded(records, tick)
        groups = _groups(taught, finder, tick)
        if NO_GROUP in groups:
            tick.sort_refused()
            taught = [pair for pair, group in zip(taught, groups, strict=True) if group >= 0]
            groups = [group for group in groups if group >= 0]
        return Slice(
            offsets=[record.offset for record, _ in taught],
            outcomes=[outcome for _, outcome in taught],
            groups=groups,
            hashes=self._hashes(taught, decided, tick),
            joined=_joined(taught, decided),
        )

    def _decoded(self, records: Sequence[Record], tick: Tick) -> tuple[list[Taught], Decisions]:
        """Return each record that teaches with what it says, and decisions by offset."""
        taught: list[Taught] = []
        decisions: Decisions = {}
        for record in records:
            try:
                outcome = decode_outcome(record.value)
                if outcome.status in NOT_TAUGHT:
                    tick.counts["not_taught"] += 1
                    tick.skipped_offsets.append(record.offset)
                    continue
                if outcome.decision_id or self._require_token:
                    self._verify(record, outcome, decisions, tick)
            except EventError as error:
                tick.refuse(record.offset, record.value, error)
            else:
                taught.append((record, outcome))
        return taught, decisions

    def _verify(self, record: Record, outcome: Outcome, decisions: Decisions, tick: Tick) -> None:
        decided = self._decided(outcome, tick) if outcome.decision_id else None
        if decided is not None:
            decisions[record.offset] = decided
        elif self._require_token:
            raise EventError("a decision_id signed by this service is required", "/decision_id")

    def _hashes(self, taught: Sequence[Taught], decisions: Decisions, tick: Tick) -> HashArray:
        digests = [
            identity_hash(
                outcome.tenant_id or DEFAULT,
                (outcome.event_id if record.offset not in decisions else None)
                or self._identity(record, decisions, tick),
            )
            for record, outcome in taught
        ]
        return as_hashes(digests)

    def _identity(self, record: Record, decisions: Decisions, tick: Tick) -> str:
        if record.offset in decisions:
            return f"decision:{decisions[record.offset].nonce.hex()}"
        if record.headers and (event_id := header(record.headers, "ce_id")):
            return event_id
        tick.counts["no_event_id"] += 1
        return f"{self._partition.topic}/{self._partition.number}/{record.offset}"

    def _decided(self, outcome: Outcome, tick: Tick) -> Decided | None:
        try:
            decided = verify(self._keys(), outcome.decision_id or "")
        except TokenError:
            tick.counts["bad_tokens"] += 1
            return None
        if decided.tenant != outcome.tenant:
            tick.counts["bad_tokens"] += 1
            return None
        return decided


def _sample(records: Sequence[Record], tick: Tick) -> None:
    """Count unknown fields on one record in a thousand."""
    for record in [r for r in records if not r.offset % SAMPLE_EVERY]:
        if unknown_fields(record.value or b""):
            tick.counts["sampled_unknown_fields"] += 1


def _groups(taught: Sequence[Taught], finder: CellFinder, tick: Tick) -> list[int]:
    """Return each outcome's group, NO_GROUP where it is a dead letter after all."""
    hours = _EventHours(tick)
    keys = [
        (
            outcome.tenant_id or DEFAULT,
            outcome.task_type or outcome.task,
            outcome.agent_name or "",
            outcome.raw_context,
            hours.of(moment) if (moment := outcome.timestamp) else hours.at(record.timestamp / 1e3),
        )
        for record, outcome in taught
    ]
    return [
        _found(pair[0], key, finder, tick) if group is None else group
        for pair, key, group in zip(taught, keys, map(finder.known, keys), strict=True)
    ]


def _found(record: Record, key: GroupKey, finder: CellFinder, tick: Tick) -> int:
    try:
        return finder.group(key)
    except EventError as error:
        tick.refuse(record.offset, record.value, error)
        return NO_GROUP


def _joined(taught: Sequence[Taught], decisions: Decisions) -> BoolArray:
    if not decisions:
        return np.zeros(len(taught), dtype=np.bool_)
    agents = [
        decisions[record.offset].agent if record.offset in decisions else None
        for record, _ in taught
    ]
    joined = [
        agent == outcome.agent_name for agent, (_, outcome) in zip(agents, taught, strict=True)
    ]
    return np.array(joined, dtype=np.bool_)


class _EventHours:
    """
    The hour of each event, in hours since 1970.

    Events mostly come in the order of their time, so the hour of one is kept
    for those that follow it.
    """

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._oldest = tick.reference_seconds - DAYS_KEPT * DAY_SECONDS
        self._latest = tick.reference_seconds + FUTURE_SECONDS
        self._start = self._end = NEVER
        self._hour = 0

    def of(self, moment: datetime) -> int:
        """Return the hour of an event's own time."""
        if self._start <= moment < self._end:
            return self._hour
        self._hour = self.at(moment.timestamp())
        start = self._hour * HOUR_SECONDS
        self._start, self._end = self._clipped(start), self._clipped(start + HOUR_SECONDS)
        return self._hour

    def _clipped(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(min(max(seconds, self._oldest), self._latest), UTC)

    def at(self, seconds: float) -> int:
        """Return the hour of a Unix time; count it where it is clamped or late."""
        if seconds > self._latest:
            self._tick.counts["clamped"] += 1
            seconds = self._tick.reference_seconds
        elif seconds < self._oldest:
            self._tick.counts["late"] += 1
        return int(seconds // HOUR_SECONDS)
