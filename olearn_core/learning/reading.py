"""Reading a slice of records: what each says, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from olearn_core.errors import EventError, TokenError
from olearn_core.events import Outcome, decode_outcome, header, unknown_fields
from olearn_core.learning.cells import CellFinder
from olearn_core.learning.dedup import identity_hash
from olearn_core.learning.tick import Tick, dead_letter
from olearn_core.sources.source import Partition, Record
from olearn_core.statistics.buckets import DAY_SECONDS, DAYS_KEPT, HOUR_SECONDS
from olearn_core.tokens import Decided, SigningKey, verify

FUTURE_SECONDS = 300
SAMPLE_EVERY = 1_000
NEVER = datetime.max.replace(tzinfo=UTC)
NOT_TAUGHT = frozenset({"pending", "cancelled"})

Keys = Callable[[], Mapping[int, SigningKey]]


@dataclass(slots=True)
class Slice:
    """
    Outcomes of a slice that teach, in lists of equal length.

    :param groups: number of each outcome's group of cells
    :param digests: of its identity
    :param joined: whether a decision of ours was carried out as told
    """

    outcomes: list[Outcome] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    joined: list[bool] = field(default_factory=list)


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
        """Return what teaches; note dead letters and what was left out in the tick."""
        taught, hours = Slice(), _EventHours(tick)
        for record in records:
            offset = record.offset
            try:
                outcome = decode_outcome(record.value)
                if outcome.status in NOT_TAUGHT:
                    tick.counts["not_taught"] += 1
                    tick.skipped_offsets.append(offset)
                    continue
                self._take(record, outcome, finder, hours, tick, taught)
            except EventError as error:
                letter = dead_letter(offset, record.value, error.reason, error.pointer)
                tick.dead_letters.append(letter)
                tick.skipped_offsets.append(offset)
            if not offset % SAMPLE_EVERY and unknown_fields(record.value or b""):
                tick.counts["sampled_unknown_fields"] += 1
        return taught

    def _take(
        self,
        record: Record,
        outcome: Outcome,
        finder: CellFinder,
        hours: _EventHours,
        tick: Tick,
        taught: Slice,
    ) -> None:
        decided = self._decided(outcome, tick) if outcome.decision_id else None
        if decided is None and self._require_token:
            raise EventError("a decision_id signed by this service is required", "/decision_id")
        moment, tenant, agent = outcome.timestamp, outcome.tenant, outcome.agent_name or ""
        hour = hours.at(record.timestamp / 1_000) if moment is None else hours.of(moment)
        group = finder.group((tenant, outcome.task, agent, outcome.raw_context, hour))
        if decided is None:
            identity = outcome.event_id or self._identity(record, tick)
        else:
            identity = f"decision:{decided.nonce.hex()}"
        taught.outcomes.append(outcome)
        taught.offsets.append(record.offset)
        taught.groups.append(group)
        taught.digests.append(identity_hash(tenant, identity))
        taught.joined.append(decided is not None and decided.agent == agent)

    def _identity(self, record: Record, tick: Tick) -> str:
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
        self._start = datetime.fromtimestamp(max(start, self._oldest), UTC)
        self._end = datetime.fromtimestamp(min(start + HOUR_SECONDS, self._latest), UTC)
        return self._hour

    def at(self, seconds: float) -> int:
        """Return the hour of a Unix time; count it where it is clamped or late."""
        if seconds > self._latest:
            self._tick.counts["clamped"] += 1
            seconds = self._tick.reference_seconds
        elif seconds < self._oldest:
            self._tick.counts["late"] += 1
        return int(seconds // HOUR_SECONDS)
