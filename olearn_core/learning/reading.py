"""Reading a slice of records: what each says, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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
NOT_TAUGHT = frozenset({"pending", "cancelled"})

Keys = Callable[[], Mapping[int, SigningKey]]


@dataclass(slots=True)
class Slice:
    """
    Outcomes of a slice that teach, in lists of equal length.

    :param groups: number of each outcome's group of cells
    :param digests: its identity, 8 bytes
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
        taught = Slice()
        for record in records:
            try:
                outcome = decode_outcome(record.value)
                if outcome.status in NOT_TAUGHT:
                    tick.counts["not_taught"] += 1
                    tick.skipped_offsets.append(record.offset)
                    continue
                self._take(record, outcome, finder, tick, taught)
            except EventError as error:
                letter = dead_letter(record.offset, record.value, error.reason, error.pointer)
                tick.dead_letters.append(letter)
                tick.skipped_offsets.append(record.offset)
            if not record.offset % SAMPLE_EVERY and unknown_fields(record.value or b""):
                tick.counts["sampled_unknown_fields"] += 1
        return taught

    def _take(
        self, record: Record, outcome: Outcome, finder: CellFinder, tick: Tick, taught: Slice
    ) -> None:
        decided = self._decided(outcome, tick) if outcome.decision_id else None
        if decided is None and self._require_token:
            raise EventError("a decision_id signed by this service is required", "/decision_id")
        hour = self._event_hour(record, outcome, tick)
        tenant = outcome.tenant_id
        group = finder.group(
            (tenant, outcome.task, outcome.agent_name or "", outcome.raw_context, hour)
        )
        identity = (
            f"decision:{decided.nonce.hex()}" if decided else self._identity(record, outcome, tick)
        )
        taught.outcomes.append(outcome)
        taught.offsets.append(record.offset)
        taught.groups.append(group)
        taught.digests.append(identity_hash(tenant, identity))
        taught.joined.append(decided is not None and decided.agent == outcome.agent_name)

    def _identity(self, record: Record, outcome: Outcome, tick: Tick) -> str:
        if outcome.event_id:
            return outcome.event_id
        if record.headers and (event_id := header(record.headers, "ce_id")):
            return event_id
        tick.counts["no_event_id"] += 1
        return f"{self._partition.topic}/{self._partition.number}/{record.offset}"

    def _event_hour(self, record: Record, outcome: Outcome, tick: Tick) -> int:
        if outcome.timestamp is None:
            seconds = record.timestamp / 1_000
        else:
            seconds = outcome.timestamp.timestamp()
        if seconds > tick.reference_seconds + FUTURE_SECONDS:
            tick.counts["clamped"] += 1
            seconds = tick.reference_seconds
        elif seconds < tick.reference_seconds - DAYS_KEPT * DAY_SECONDS:
            tick.counts["late"] += 1
        return int(seconds // HOUR_SECONDS)

    def _decided(self, outcome: Outcome, tick: Tick) -> Decided | None:
        try:
            decided = verify(self._keys(), outcome.decision_id or "")
        except TokenError:
            tick.counts["bad_tokens"] += 1
            return None
        if decided.tenant != outcome.tenant_id:
            tick.counts["bad_tokens"] += 1
            return None
        return decided
