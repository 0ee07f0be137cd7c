"""What a shard has learned since its last checkpoint."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from olearn_core.errors import EventError
from olearn_core.learning.shards.topic_tenants import claimed_tenant
from olearn_core.statistics import IntArray
from olearn_core.storage.hash_blobs import HashArray

PAYLOAD_HEAD_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    A record that could not be learned.

    :param tenant: whose it says to be, None where that cannot be told
    :param payload_head: its first 4 KiB
    """

    offset: int
    tenant: str | None
    reason: str
    pointer: str
    payload_head: bytes
    payload_bytes: int
    payload_sha256: str


def dead_letter(offset: int, value: bytes | None, reason: str, pointer: str) -> DeadLetter:
    """Return the dead letter for a record's value."""
    payload = value or b""
    digest = hashlib.sha256(payload).hexdigest()
    head = payload[:PAYLOAD_HEAD_BYTES]
    tenant = claimed_tenant(payload)
    return DeadLetter(offset, tenant, reason, pointer, head, len(payload), digest)


@dataclass(slots=True)
class SinceBases:
    """
    What deltas of a shard hold that its bases do not.

    :param written_at: when the bases were written or loaded, on the loop's clock
    :param nbytes: what the deltas weigh
    """

    written_at: float = 0.0
    rows: list[IntArray] = field(default_factory=list)
    executions: list[HashArray] = field(default_factory=list)
    ratings: list[HashArray] = field(default_factory=list)
    nbytes: int = 0


@dataclass(slots=True)
class Tick:
    """
    Everything between two checkpoints of one shard.

    :param from_offset: first offset that it covers
    :param reference_seconds: the receive time of its first batch, which buckets
        are seen from; a replay uses it again
    :param executions_since: Unix seconds since when every execution is remembered, None where
        all ever seen are; likewise `ratings_since` of ratings that came alone
    :param began_ms: the log's time of its first record, 0 for none
    :param counts: what happened, by name
    """

    from_offset: int
    reference_seconds: float
    executions_since: float | None = None
    ratings_since: float | None = None
    began_ms: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    touched: list[IntArray] = field(default_factory=list)
    executions: list[HashArray] = field(default_factory=list)
    ratings: list[HashArray] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    skipped_offsets: list[int] = field(default_factory=list)
    fold_seconds: float = 0.0

    def refuse(self, offset: int, value: bytes | None, error: EventError) -> None:
        """Note a record that cannot be learned."""
        self.dead_letters.append(dead_letter(offset, value, error.reason, error.pointer))
        self.skipped_offsets.append(offset)

    def sort_refused(self) -> None:
        """Bring what was refused into the order of the log."""
        self.dead_letters.sort(key=attrgetter("offset"))
        self.skipped_offsets.sort()

    @property
    def touched_rows(self) -> IntArray:
        """Rows that changed, each once."""
        if not self.touched:
            return np.zeros(0, dtype=np.int64)
        if len(self.touched) > 1:
            self.touched = [np.unique(np.concatenate(self.touched))]
        return self.touched[0]
