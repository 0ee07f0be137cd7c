"""Reading a slice of records: what each says, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import compress
from math import inf

import numpy as np

from olearn_core.errors import EventError
from olearn_core.events import (
    DEFAULT,
    LONGEST_NOTHING,
    NAME_LENGTH,
    Outcome,
    checked_name,
    decode_outcome,
    header,
    unknown_fields,
)
from olearn_core.learning.shards.cells import SEPARATOR, CellFinder, GroupKey, Spelt
from olearn_core.learning.shards.dedup import as_hashes, identity_hash
from olearn_core.learning.shards.tick import DeadLetter, Tick
from olearn_core.learning.shards.token_checks import Keys, TokenCheck
from olearn_core.learning.shards.topic_tenants import TopicTenants
from olearn_core.sources.source import Partition, Record
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.buckets import DAY_SECONDS, DAYS_KEPT, HOUR_SECONDS
from olearn_core.storage.hash_blobs import HashArray
from olearn_core.tokens import Decided

FUTURE_SECONDS = 300
SAMPLE_EVERY = 1_000
NEVER = datetime.max.replace(tzinfo=UTC)
NOT_TAUGHT = frozenset({"pending", "cancelled"})

NO_GROUP = -1

Decisions = dict[int, Decided]


@dataclass(slots=True)
class Slice:
    """
    Outcomes of a slice that teach, in columns of equal length.

    :param groups: number of each outcome's group of cells
    :param hashes: of its identity
    :param joined: whether a decision of ours was carried out as told
    :param decided: whether it bears a token of ours
    :param decisions: what these tokens say, by offset
    """

    records: Sequence[Record]
    outcomes: Sequence[Outcome]
    groups: Sequence[int]
    hashes: HashArray
    joined: BoolArray
    decided: BoolArray
    decisions: Decisions


@dataclass(slots=True)
class Taught:
    """
    Records that teach and what they say, in lists of equal length.

    :param decisions: tokens that are ours, by offset
    """

    records: list[Record]
    outcomes: list[Outcome]
    decisions: Decisions

    def kept(self, wanted: Sequence[bool]) -> Taught:
        """Return what is wanted of it."""
        records, outcomes = compress(self.records, wanted), compress(self.outcomes, wanted)
        return Taught(list(records), list(outcomes), self.decisions)


class Reader:
    """
    Decodes and checks records one by one; a bad one never harms its neighbours.

    :param keys: gives the keys that decisions are signed with
    :param require_token: refuse outcomes whose decision_id is missing or not ours
    :param token_days: refuse outcomes of decisions that are older
    :param tenants: whose outcomes the partition's topic may bring
    """

    def __init__(
        self,
        partition: Partition,
        keys: Keys,
        *,
        require_token: bool,
        token_days: float = inf,
        tenants: TopicTenants | None = None,
    ) -> None:
        self._partition = partition
        self._tenants = tenants or TopicTenants()
        self._tokens = TokenCheck(keys, token_days, is_required=require_token)

    def read(self, records: Sequence[Record], finder: CellFinder, tick: Tick) -> Slice:
        """
        Return what teaches; note dead letters and what was left out in the tick.

        Column by column, which is much faster than event by event.
        """
        _sample(records, tick)
        before = len(tick.dead_letters)
        taught = self._decoded(records, tick)
        read = sliced(taught, finder, tick, lambda kept: self._identities(kept, tick))
        self._give_to_owners(tick.dead_letters, before)
        return read

    def _decoded(self, records: Sequence[Record], tick: Tick) -> Taught:
        """Return the records that teach with what they say."""
        taught = Taught([], [], {})
        add_record, add_outcome = taught.records.append, taught.outcomes.append
        for record in records:
            try:
                outcome = decode_outcome(record.value)
                if self._tenants.is_limited:
                    self._tenants.place(outcome)
                if outcome.status in NOT_TAUGHT:
                    tick.counts["not_taught"] += 1
                    tick.skipped_offsets.append(record.offset)
                    continue
                if outcome.decision_id or self._tokens.is_required:
                    self._verify(record, outcome, taught.decisions, tick)
            except EventError as error:
                tick.refuse(record.offset, record.value, error)
            else:
                add_record(record)
                add_outcome(outcome)
        return taught

    def _give_to_owners(self, letters: list[DeadLetter], since: int) -> None:
        """A topic's own tenant has its letters, and no other those it may not bring."""
        if self._tenants.is_limited:
            for at in range(since, len(letters)):
                owner = self._tenants.owner(letters[at].tenant)
                letters[at] = replace(letters[at], tenant=owner)

    def _verify(self, record: Record, outcome: Outcome, decisions: Decisions, tick: Tick) -> None:
        if decided := self._tokens.decided(record, outcome, tick):
            decisions[record.offset] = decided

    def _identities(self, taught: Taught, tick: Tick) -> list[bytes]:
        """Return a digest of what each outcome is known by; kinds have prefixes of their own."""
        if not taught.decisions and all(outcome.event_id for outcome in taught.outcomes):
            return [
                identity_hash(outcome.tenant_id or DEFAULT, f"e{outcome.event_id}")
                for outcome in taught.outcomes
            ]
        return [
            identity_hash(outcome.tenant, self._identity(record, outcome, taught, tick))
            for record, outcome in zip(taught.records, taught.outcomes, strict=True)
        ]

    def _identity(self, record: Record, outcome: Outcome, taught: Taught, tick: Tick) -> str:
        if decided := taught.decisions.get(record.offset):
            return f"d{decided.nonce.hex()}"
        if outcome.event_id:
            return f"e{outcome.event_id}"
        if record.headers and (event_id := header(record.headers, "ce_id")):
            return f"e{event_id}"
        tick.counts["no_event_id"] += 1
        # A topic that is made anew uses its offsets again, but not at the same times.
        return f"o{self._partition}/{record.offset}/{record.timestamp}"


def sliced(
    taught: Taught, finder: CellFinder, tick: Tick, identities: Callable[[Taught], list[bytes]]
) -> Slice:
    """
    Return what teaches, without what has names that cannot be learned.

    :param identities: gives the digest that each outcome is known by
    """
    groups = _groups(taught, finder, tick)
    if NO_GROUP in groups:
        tick.sort_refused()
        taught = taught.kept([group != NO_GROUP for group in groups])
        groups = [group for group in groups if group != NO_GROUP]
    return Slice(
        records=taught.records,
        outcomes=taught.outcomes,
        groups=groups,
        hashes=as_hashes(identities(taught)),
        joined=_joined(taught),
        decided=_decided(taught),
        decisions=taught.decisions,
    )


def _sample(records: Sequence[Record], tick: Tick) -> None:
    """Count unknown fields on one record in a thousand; offsets have no gaps in a slice."""
    for record in records[-records[0].offset % SAMPLE_EVERY :: SAMPLE_EVERY]:
        if unknown_fields(record.value or b""):
            tick.counts["sampled_unknown_fields"] += 1


def _groups(taught: Taught, finder: CellFinder, tick: Tick) -> list[int]:
    """Return each outcome's group, NO_GROUP where it is a dead letter after all."""
    outcomes = taught.outcomes
    spelt = Spelt(
        tenants=[outcome.tenant_id or DEFAULT for outcome in outcomes],
        task_types=[outcome.task_type or outcome.task for outcome in outcomes],
        agents=[outcome.agent_name or "" for outcome in outcomes],
        contexts=_contexts(taught) if not finder.by_source else _sourced(taught),
        hours=_EventHours(tick).of_all(taught),
    )
    groups = finder.known(spelt)
    for at in [at for at, group in enumerate(groups) if group is None]:
        groups[at] = _found(taught.records[at], spelt.key(at), finder, tick)
    return [NO_GROUP if group is None else group for group in groups]


def _contexts(taught: Taught) -> list[bytes]:
    return [
        raw if len(raw := bytes(outcome.context)) > LONGEST_NOTHING else outcome.raw_context
        for outcome in taught.outcomes
    ]


def _sourced(taught: Taught) -> list[bytes]:
    """Return contexts behind their sources; a name that is none is nobody's."""
    named = zip(taught.records, taught.outcomes, _contexts(taught), strict=True)
    return [_source(record, outcome) + SEPARATOR + context for record, outcome, context in named]


def _source(record: Record, outcome: Outcome) -> bytes:
    name = (record.headers and header(record.headers, "ce_source")) or outcome.source_name
    try:
        return checked_name(name[:NAME_LENGTH], "/source").encode()
    except EventError:
        return b""


def _found(record: Record, key: GroupKey, finder: CellFinder, tick: Tick) -> int:
    try:
        return finder.group(key)
    except EventError as error:
        tick.refuse(record.offset, record.value, error)
        return NO_GROUP


def _decided(taught: Taught) -> BoolArray:
    if not taught.decisions:
        return np.zeros(len(taught.outcomes), dtype=np.bool_)
    return np.array([r.offset in taught.decisions for r in taught.records], dtype=np.bool_)


def _joined(taught: Taught) -> BoolArray:
    if not taught.decisions:
        return np.zeros(len(taught.outcomes), dtype=np.bool_)
    decided = [taught.decisions.get(record.offset) for record in taught.records]
    joined = [
        decision is not None and decision.agent == outcome.agent_name
        for decision, outcome in zip(decided, taught.outcomes, strict=True)
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

    def of_all(self, taught: Taught) -> list[int]:
        """Return the hour of each outcome: its own time's, else its record's."""
        moments = [outcome.timestamp for outcome in taught.outcomes]
        given = [moment for moment in moments if moment is not None]
        if given and len(given) == len(moments):
            first, last = min(given).timestamp(), max(given).timestamp()
            hour = int(first // HOUR_SECONDS)
            if self._oldest <= first and last <= self._latest and last // HOUR_SECONDS == hour:
                return [hour] * len(moments)
        return [
            self._of_record(record) if moment is None else self.of(moment)
            for record, moment in zip(taught.records, moments, strict=True)
        ]

    def _of_record(self, record: Record) -> int:
        """A log may keep no time: then what came now happened now."""
        known = record.timestamp > 0
        return self.at(record.timestamp / 1e3 if known else self._tick.reference_seconds)

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
