"""
Checkpoints: sums, offsets, hashes, dead letters and ledger in one transaction.

Every value is absolute and every header update carries the epoch and offset it
continues, so a checkpoint happens once or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import LearningSettings
from olearn_core.learning.dedup import HashArray
from olearn_core.learning.shard import Shard
from olearn_core.learning.tick import SinceBases, Tick
from olearn_core.statistics import IntArray, Statistics, to_bytes
from olearn_core.storage.shards import BucketKey, ShardSave, ShardStore

logger = logging.getLogger(__name__)

COUNTED = (
    "samples",
    "executions",
    "success_milli",
    "joined",
    "joined_success_milli",
    "duplicates",
)
EMPTY = np.zeros(0, dtype=np.uint64)


class Checkpointer:
    """Saves shards, as often as it is told; decides when deltas become bases."""

    def __init__(self, store: ShardStore, source: str, settings: LearningSettings) -> None:
        self._store = store
        self._source = source
        self._settings = settings

    async def save(self, shards: Sequence[Shard]) -> list[Shard]:
        """
        Save every shard that has learned something; return those that were fenced.

        :raises SQLAlchemyError: where the database is away; nothing was saved then,
            and saving again later is safe
        """
        dirty = sorted((s for s in shards if s.tick is not None), key=lambda s: s.partition)
        if not dirty:
            return []
        started = time.perf_counter()
        saves = [self._composed(shard, shard.tick) for shard in dirty if shard.tick is not None]
        fenced = await self._saved(saves)
        commit_seconds = time.perf_counter() - started
        for shard, save in zip(dirty, saves, strict=True):
            if save.id not in fenced and shard.tick is not None:
                self._done(shard, save, shard.tick, commit_seconds)
        return [shard for shard in dirty if shard.state.id in fenced]

    async def _saved(self, saves: Sequence[ShardSave]) -> set[int]:
        try:
            return await self._store.save(saves)
        except SQLAlchemyError:
            if await self._was_committed(saves):
                return set()
            raise

    async def _was_committed(self, saves: Sequence[ShardSave]) -> bool:
        """Find out after an error, which may have come after the COMMIT."""
        headers = {header.id: header for header in await self._store.headers()}
        return all(
            headers[save.id].epoch == save.epoch
            and headers[save.id].next_offset == save.next_offset
            and headers[save.id].version == save.version
            for save in saves
        )

    def _composed(self, shard: Shard, tick: Tick) -> ShardSave:
        executions = _joined(tick.executions)
        ratings = _joined(tick.ratings)
        rows = tick.touched_rows
        since = shard.state.since_bases
        common = self._common(shard, tick)
        if not (shard.reset or self._base_due(since)):
            sums = to_bytes(shard.table.take(rows))
            return ShardSave(**common, delta=(sums, executions.tobytes(), ratings.tobytes()))
        return ShardSave(
            **common,
            delta=None,
            bases=_bases(shard.table, None if shard.reset else [*since.rows, rows]),
            hashes={
                "executions": _joined([*since.executions, executions]).tobytes(),
                "ratings": _joined([*since.ratings, ratings]).tobytes(),
            },
            reset=shard.reset,
        )

    def _base_due(self, since: SinceBases) -> bool:
        age = time.monotonic() - since.written_at
        return (
            age >= self._settings.base_interval_seconds
            or since.nbytes >= self._settings.base_interval_bytes
        )

    def _common(self, shard: Shard, tick: Tick) -> dict[str, Any]:
        state = shard.state
        counters = state.counters + tick.counts
        counters["dead_letters"] += len(tick.dead_letters)
        counters["updates"] += 1
        return {
            "id": state.id,
            "epoch": state.epoch,
            "base_offset": tick.from_offset,
            "next_offset": shard.next_offset,
            "version": state.version + 1,
            "counters": dict(counters),
            "ledger": _ledger(shard, tick),
            "dead_letters": [self._dead_letter(shard, letter) for letter in tick.dead_letters],
            "previous_duration_ms": shard.update_ms,
        }

    def _dead_letter(self, shard: Shard, letter: Any) -> Mapping[str, Any]:
        fields = {name: getattr(letter, name) for name in letter.__slots__}
        topic, number = shard.partition
        where = {"source": self._source, "topic": topic, "partition": number}
        return fields | where | {"created_at": time.time()}

    def _done(self, shard: Shard, save: ShardSave, tick: Tick, commit_seconds: float) -> None:
        shard.update_ms = (tick.fold_seconds + commit_seconds) * 1_000
        _remember(shard, save, tick)
        shard.state.next_offset = save.next_offset
        shard.state.version = save.version
        shard.state.counters.clear()
        shard.state.counters.update(save.counters)
        shard.tick, shard.reset = None, False


def _remember(shard: Shard, save: ShardSave, tick: Tick) -> None:
    if save.delta is None:
        shard.state.since_bases = SinceBases()
        return
    since = shard.state.since_bases
    since.rows.append(tick.touched_rows)
    since.executions.extend(tick.executions)
    since.ratings.extend(tick.ratings)
    since.nbytes += sum(map(len, save.delta))


def _joined(hashes: Sequence[HashArray]) -> HashArray:
    return np.concatenate([EMPTY, *hashes])


def _bases(table: Statistics, touched: Sequence[IntArray] | None) -> dict[BucketKey, bytes]:
    """Return blobs of all buckets with touched rows (None: of all)."""
    buckets: dict[BucketKey, list[int]] = {}
    wanted = None
    if touched is not None:
        wanted = {_key(table, row) for row in np.unique(np.concatenate(touched)).tolist()}
    for row in range(len(table)):
        key = _key(table, row)
        if wanted is None or key in wanted:
            buckets.setdefault(key, []).append(row)
    return {key: to_bytes(table.take(rows)) for key, rows in buckets.items()}


def _key(table: Statistics, row: int) -> BucketKey:
    cell = table.cells[row]
    return (cell.tenant, cell.bucket.tier, cell.bucket.number)


def _ledger(shard: Shard, tick: Tick) -> dict[str, Any]:
    before, after = shard.state.counters, shard.state.counters + tick.counts
    score_before, score_after = _mean_success(before), _mean_success(after)
    improvement = (
        (score_after - score_before) / score_before if score_before and score_after else None
    )
    return {
        "kind": "batch",
        "shard_id": shard.state.id,
        "epoch": shard.state.epoch,
        "version": shard.state.version + 1,
        "from_offset": tick.from_offset,
        "to_offset": shard.next_offset,
        "skipped_offsets": tick.skipped_offsets,
        "batch_size": tick.counts["received"],
        "dead_letters": len(tick.dead_letters),
        **{name: tick.counts[name] for name in COUNTED},
        "details": {k: n for k, n in tick.counts.items() if k not in (*COUNTED, "received")},
        "metrics_before": {"mean_success": score_before},
        "metrics_after": {"mean_success": score_after},
        "improvement": improvement,
        "duration_ms": tick.fold_seconds * 1_000,
        "reference_at": tick.reference_seconds,
        "created_at": time.time(),
    }


def _mean_success(counters: Mapping[str, int]) -> float | None:
    executions = counters.get("executions", 0)
    return counters.get("success_milli", 0) / 1_000 / executions if executions else None
