"""A shard: the sums of one partition, and where in it they stand."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import ClassVar, Protocol

import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.errors import RecreatedLogError
from olearn_core.learning.shards.cells import NO_ROW, CellFinder
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.reading import Slice
from olearn_core.learning.shards.tick import SinceBases, Tick
from olearn_core.learning.shards.token_checks import POINTER
from olearn_core.sources.source import Partition, Record
from olearn_core.statistics import Column, FloatArray, IntArray, OutcomeBatch, Statistics
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.buckets import HOUR_SECONDS
from olearn_core.statistics.standard import JOINED

logger = logging.getLogger(__name__)

Note = Callable[[Slice, BoolArray, float], None]


@dataclass(slots=True)
class ShardState:
    """
    What the database keeps of a shard.

    :param epoch: issued at assignment; a higher one in the database means another owner
    :param next_offset: the first offset that the sums do not cover
    :param version: counts checkpoints
    :param counters: totals since the beginning, by name
    :param fingerprint: of the record before `next_offset`, None where nobody knows it
    """

    id: int
    partition: Partition
    epoch: int
    next_offset: int
    version: int
    table: Statistics
    executions: DedupWindow
    ratings: DedupWindow
    counters: Counter[str] = field(default_factory=Counter)
    fingerprint: str | None = None
    since_bases: SinceBases = field(default_factory=SinceBases)


class Reads(Protocol):
    """What reads a slice of records."""

    def read(self, records: Sequence[Record], finder: CellFinder, tick: Tick) -> Slice:
        """Return what teaches; note dead letters and what was left out in the tick."""


class Shard:
    """
    Learns the records of one partition, in order and each once.

    Everything here is synchronous: between two awaits of the worker a shard is
    whole.

    :param note: shown each slice that was learned, which of it was new, and when
    :cvar counts_decisions: whether its records are decisions, not outcomes
    :ivar tick: what the next checkpoint has to save, None for nothing
    :ivar reset: whether rows have moved, so that it has to save all of them
    :ivar fingerprint: of the record before `next_offset`, saved or not
    :ivar is_verified: whether the log was seen to hold the record of `fingerprint`
    :ivar gaps: gaps in the offsets that were seen once, from and to
    :ivar broken_columns: columns of plugins that failed, and how
    :ivar update_ms: what the last update took, fold and commit
    :ivar learned_ms: the log's time of the last record that was learned, 0 for none yet
    """

    counts_decisions: ClassVar[bool] = False

    def __init__(
        self,
        state: ShardState,
        columns: Sequence[Column],
        reader: Reads,
        settings: LearningSettings,
        note: Note | None = None,
    ) -> None:
        self.state = state
        self.next_offset = state.next_offset
        self.tick: Tick | None = None
        self.reset = False
        self.update_ms: float | None = None
        self.learned_ms = 0
        self.fingerprint = state.fingerprint
        self.is_verified = False
        self.gaps: frozenset[tuple[int, int]] = frozenset()
        self.broken_columns: dict[str, str] = {}
        kept = state.table.columns[len(columns) :]
        self._columns = (*columns, *(Column(name, "", 1, 1, _nothing) for name in kept))
        self._reader = reader
        self._settings = settings
        self._note = note
        self._finder: CellFinder | None = None
        self._hour = -1

    @property
    def partition(self) -> Partition:
        """The partition whose sums these are."""
        return self.state.partition

    @property
    def table(self) -> Statistics:
        """The sums, checkpointed or not."""
        return self.state.table

    @property
    def resume_offset(self) -> int:
        """Where to read on: one record back where we know that record, to see that it is there."""
        return self.next_offset - (self.fingerprint is not None)

    def continues(self, records: Sequence[Record]) -> bool:
        """Tell whether nothing was left out before these records, or is missing for good."""
        gap = (self.next_offset, records[0].offset)
        return gap[1] <= gap[0] or gap in self.gaps

    def verify(self, records: Sequence[Record]) -> None:
        """
        Make sure that the log is still the one that was learned from.

        A record that is gone (compacted, say) proves nothing.

        :raises RecreatedLogError: where another record lies at the last offset we know
        """
        if self.is_verified:
            return
        before = next((r for r in records if r.offset == self.next_offset - 1), None)
        if before is not None and self.fingerprint not in (None, fingerprint(before)):
            found = f"offset {before.offset} does not hold what was learned from it"
            raise RecreatedLogError(str(self.partition), found)
        self.is_verified = True

    def skip(self, offset: int) -> None:
        """Go on at a later offset: what lies before it is lost."""
        self.next_offset, self.fingerprint = offset, None

    def counters(self) -> Mapping[str, int]:
        """Return the totals since the beginning, with what is not saved yet."""
        if self.tick is None:
            return self.state.counters
        return self.state.counters + self.tick.counts

    def learn(self, records: Sequence[Record], now_seconds: float) -> int:
        """
        Fold a slice of records that begins at `next_offset` or later.

        Returns how many of them cannot be read. Dead letters for want of a good token are
        not among them: whoever sends many must not bring learning to a halt.

        :raises SumOverflowError: where a sum would pass its limit; the slice is not learned
        """
        started = time.perf_counter()
        tick = self._begun(records[0], now_seconds)
        finder = self._found(tick.reference_seconds)
        refused_before = len(tick.dead_letters)
        read = self._reader.read(records, finder, tick)
        if read.outcomes:
            self._fold(read, finder, tick)
        self.next_offset = records[-1].offset + 1
        self.learned_ms = records[-1].timestamp
        self.fingerprint = fingerprint(records[-1])
        tick.counts["received"] += len(records)
        tick.counts.update(finder.taken_counts())
        tick.fold_seconds += time.perf_counter() - started
        return sum(letter.pointer != POINTER for letter in tick.dead_letters[refused_before:])

    def _begun(self, first: Record, now_seconds: float) -> Tick:
        if self.tick is None:
            state, executions = self.state, self.state.counters["executions"]
            self.tick = Tick(
                self.next_offset,
                now_seconds,
                _remembered_since(state.executions, executions),
                _remembered_since(state.ratings, state.counters["samples"] - executions),
                first.timestamp,
            )
        return self.tick

    def _found(self, reference_seconds: float) -> CellFinder:
        """Return the finder; when the hour has changed, compact first."""
        hour = int(reference_seconds // HOUR_SECONDS)
        if self._finder is None or hour != self._hour or self._finder.is_full:
            if not self.table.is_compact(reference_seconds):
                self.state.table = self.table.compact(reference_seconds)
                self.reset = True
            self._finder = CellFinder(self.table, self._settings, reference_seconds)
            self._hour = hour
        return self._finder

    def _fold(self, read: Slice, finder: CellFinder, tick: Tick) -> None:
        batch = OutcomeBatch.of(read.outcomes)
        fresh = self._admitted(read, batch, tick)
        if not fresh.any():
            return
        values = np.stack([self._integers(column, batch) for column in self._columns], axis=1)
        rows = finder.rows(read.groups)
        if not fresh.all():
            rows, values = rows[fresh], values[fresh]
        self._add(rows, values, tick)
        if read.decisions and JOINED.name in self.table.columns:
            self._join(read, fresh & ~np.isnan(batch.success), finder, tick)
        self._count(batch, read, fresh, tick)
        if self._note is not None:
            self._note(read, fresh, tick.reference_seconds)

    def _join(self, read: Slice, came: BoolArray, finder: CellFinder, tick: Tick) -> None:
        """Count the decisions that came back, whoever carried them out."""
        places = np.flatnonzero(came & read.decided).tolist()
        decisions = [read.decisions[read.records[place].offset] for place in places]
        rows = [finder.joined_row(decided) for decided in decisions]
        values = np.zeros((len(rows), len(self.table.columns)), dtype=np.int64)
        values[:, self.table.columns.index(JOINED.name)] = 1
        if rows:
            self._add(np.array(rows, dtype=np.int64)[:, None], values, tick)

    def _integers(self, column: Column, batch: OutcomeBatch) -> IntArray:
        """Return what a column adds; one that fails adds nothing from now on, and is shown."""
        if column.name in self.broken_columns:
            return np.zeros(len(batch.success), dtype=np.int64)
        try:
            return column.integers(batch)
        except Exception as error:
            logger.exception("the column %s is left out", column.name)
            self.broken_columns[column.name] = f"{type(error).__name__}: {error}"
            return np.zeros(len(batch.success), dtype=np.int64)

    def _admitted(self, read: Slice, batch: OutcomeBatch, tick: Tick) -> BoolArray:
        """Drop what was seen before; ratings that come alone have a window of their own."""
        hashes = read.hashes
        alone = np.isnan(batch.success)
        fresh = np.zeros(len(hashes), dtype=np.bool_)
        fresh[~alone] = self.state.executions.admit(hashes[~alone], tick.reference_seconds)
        tick.executions.append(hashes[~alone & fresh])
        if alone.any():
            fresh[alone] = self.state.ratings.admit(hashes[alone], tick.reference_seconds)
            tick.ratings.append(hashes[alone & fresh])
        duplicates = np.flatnonzero(~fresh).tolist()
        tick.counts["duplicates"] += len(duplicates)
        if replayed := int(read.decided[~fresh].sum()):
            tick.counts["token_replayed"] += replayed
        tick.skipped_offsets.extend(read.records[index].offset for index in duplicates)
        return fresh

    def _add(self, rows: IntArray, values: IntArray, tick: Tick) -> None:
        width = rows.shape[1]
        flat = rows.reshape(-1)
        order = np.argsort(flat)
        order = order[np.searchsorted(flat[order], NO_ROW, side="right") :]
        ordered = flat[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=NO_ROW))
        touched = ordered[starts]
        ordered_values = values.take(order // width, axis=0)
        self.table.add_rows(touched, np.add.reduceat(ordered_values, starts, axis=0))
        tick.touched.append(touched)

    def _count(
        self,
        batch: OutcomeBatch,
        read: Slice,
        fresh: BoolArray,
        tick: Tick,
    ) -> None:
        executed = fresh & ~np.isnan(batch.success)
        joined = executed & read.joined
        tick.counts["samples"] += int(fresh.sum())
        tick.counts["executions"] += int(executed.sum())
        tick.counts["success_milli"] += int(batch.success[executed].sum() * 1_000)
        tick.counts["joined"] += int(joined.sum())
        tick.counts["joined_success_milli"] += int(batch.success[joined].sum() * 1_000)


def fingerprint(record: Record) -> str:
    """Return what tells a record from another one at the same offset."""
    content = record.timestamp.to_bytes(8, "big", signed=True) + (record.value or b"")
    return blake2s(content).hexdigest()


def _remembered_since(window: DedupWindow, admitted: int) -> float | None:
    return None if len(window) >= admitted else window.watermark


def _nothing(batch: OutcomeBatch) -> FloatArray:
    """Add nothing to a column that is stored, but that no plugin declares now."""
    return np.full(len(batch.success), np.nan)
