"""A shard: the sums of one partition, and where in it they stand."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.learning.cells import NO_ROW, CellFinder
from olearn_core.learning.dedup import DedupWindow
from olearn_core.learning.reading import Reader, Slice
from olearn_core.learning.tick import SinceBases, Tick
from olearn_core.sources.source import Partition, Record
from olearn_core.statistics import Column, FloatArray, IntArray, OutcomeBatch, Statistics
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.buckets import HOUR_SECONDS

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ShardState:
    """
    What the database keeps of a shard.

    :param epoch: issued at assignment; a higher one in the database means another owner
    :param next_offset: the first offset that the sums do not cover
    :param version: counts checkpoints
    :param counters: totals since the beginning, by name
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
    since_bases: SinceBases = field(default_factory=SinceBases)


class Shard:
    """
    Learns the records of one partition, in order and each once.

    Everything here is synchronous: between two awaits of the worker a shard is
    whole.

    :ivar tick: what the next checkpoint has to save, None for nothing
    :ivar reset: whether rows have moved, so that it has to save all of them
    :ivar gaps: gaps in the offsets that were seen once, from and to
    :ivar broken_columns: columns of plugins that failed, and how
    :ivar update_ms: what the last update took, fold and commit
    """

    def __init__(
        self,
        state: ShardState,
        columns: Sequence[Column],
        reader: Reader,
        settings: LearningSettings,
    ) -> None:
        self.state = state
        self.next_offset = state.next_offset
        self.tick: Tick | None = None
        self.reset = False
        self.update_ms: float | None = None
        self.gaps: frozenset[tuple[int, int]] = frozenset()
        self.broken_columns: dict[str, str] = {}
        kept = state.table.columns[len(columns) :]
        self._columns = (*columns, *(Column(name, "", 1, 1, _nothing) for name in kept))
        self._reader = reader
        self._settings = settings
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

    def counters(self) -> Mapping[str, int]:
        """Return the totals since the beginning, with what is not saved yet."""
        if self.tick is None:
            return self.state.counters
        return self.state.counters + self.tick.counts

    def learn(self, records: Sequence[Record], now_seconds: float) -> None:
        """
        Fold a slice of records that begins at `next_offset` or later.

        :raises SumOverflowError: where a sum would pass its limit; the slice is not learned
        """
        started = time.perf_counter()
        tick = self._begun(now_seconds)
        finder = self._found(tick.reference_seconds)
        read = self._reader.read(records, finder, tick)
        if read.outcomes:
            self._fold(read, finder, tick)
        self.next_offset = records[-1].offset + 1
        tick.counts["received"] += len(records)
        if deeper := finder.taken_deeper_values():
            tick.counts["deeper_values"] += deeper
        tick.fold_seconds += time.perf_counter() - started

    def _begun(self, now_seconds: float) -> Tick:
        if self.tick is None:
            self.tick = Tick(self.next_offset, now_seconds)
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
        self._count(batch, read, fresh, tick)

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
        fresh[~alone] = self.state.executions.admit(hashes[~alone])
        tick.executions.append(hashes[~alone & fresh])
        if alone.any():
            fresh[alone] = self.state.ratings.admit(hashes[alone])
            tick.ratings.append(hashes[alone & fresh])
        duplicates = np.flatnonzero(~fresh).tolist()
        tick.counts["duplicates"] += len(duplicates)
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


def _nothing(batch: OutcomeBatch) -> FloatArray:
    """Add nothing to a column that is stored, but that no plugin declares now."""
    return np.full(len(batch.success), np.nan)
