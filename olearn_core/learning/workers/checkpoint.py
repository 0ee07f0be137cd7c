"""
Checkpoints: sums, offsets, hashes, dead letters and ledger in one transaction.

Every value is absolute and every header update carries the epoch and offset it
continues, so a checkpoint happens once or not at all.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from olearn_core.config import LearningSettings
from olearn_core.events import OF_DECISIONS
from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.shards.tick import SinceBases, Tick
from olearn_core.learning.shards.update import NoteUpdate, Update, note_nothing
from olearn_core.sources.source import Partition
from olearn_core.statistics import IntArray, Statistics, to_bytes
from olearn_core.storage.database import brief
from olearn_core.storage.hash_blobs import HashArray, to_blob
from olearn_core.storage.ledger import BATCH, DECISIONS
from olearn_core.storage.saves import BucketKey, ShardSave, ShardSkip
from olearn_core.storage.shards import ShardStore
from olearn_core.times import give_way, loop_seconds
from olearn_core.tracing.spans import NoSpans, Spans

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


@dataclass(frozen=True, slots=True)
class Saved:
    """
    What came of a checkpoint; shards named here were not saved.

    :param fenced: another worker owns them
    :param refused: the database does not take what they hold, and why
    """

    fenced: Sequence[Shard] = ()
    refused: Mapping[Partition, str] = field(default_factory=dict)


class Checkpointer:
    """
    Saves shards, as often as it is told; decides when deltas become bases.

    :param note: told of every update that was committed; it must neither wait nor raise
    :param spans: what traces checkpoints
    """

    def __init__(
        self,
        store: ShardStore,
        source: str,
        settings: LearningSettings,
        note: NoteUpdate = note_nothing,
        spans: Spans | None = None,
    ) -> None:
        self._store = store
        self._source = source
        self._settings = settings
        self._note = note
        self._spans = spans or NoSpans()

    async def save(self, shards: Sequence[Shard]) -> Saved:
        """
        Save every shard that has learned something.

        :raises SQLAlchemyError: where the database is away; nothing was saved then,
            and saving again later is safe
        """
        dirty = sorted((s for s in shards if s.tick is not None), key=lambda s: s.partition)
        if not dirty:
            return Saved()
        started = time.perf_counter()
        saves = []
        for shard in dirty:
            if shard.tick is not None:
                saves.append(self._composed(shard, shard.tick))
                await give_way()
        with self._spans.span("olearn.checkpoint", partitions=len(saves)) as span:
            fenced, refused = await self._saved(saves)
            span.set(fenced=len(fenced), refused=len(refused))
        commit_seconds = time.perf_counter() - started
        for shard, save in zip(dirty, saves, strict=True):
            if save.id not in fenced and save.id not in refused and shard.tick is not None:
                self._done(shard, save, shard.tick, commit_seconds)
        return Saved(
            [shard for shard in dirty if shard.state.id in fenced],
            {shard.partition: why for shard in dirty if (why := refused.get(shard.state.id))},
        )

    async def skip(self, shard: Shard, offset: int) -> bool:
        """
        Go on at a later offset, for what lies before it is lost; tell whether it was still ours.

        :raises SQLAlchemyError: where the database is away
        """
        state = shard.state
        counters = state.counters + Counter(lost_records=offset - state.next_offset)
        skip = ShardSkip(
            state.id, state.epoch, state.next_offset, offset, state.version + 1, dict(counters)
        )
        if not await self._store.skip(skip):
            return False
        state.next_offset, state.version = offset, skip.version
        state.counters.update(lost_records=offset - skip.base_offset)
        shard.skip(offset)
        return True

    async def _saved(self, saves: Sequence[ShardSave]) -> tuple[set[int], dict[int, str]]:
        """Return the ids of shards that were fenced, and of those refused, with the reason."""
        try:
            return await self._saved_together(saves), {}
        except SQLAlchemyError as error:
            if not _is_about_content(error):
                raise
        fenced: set[int] = set()
        refused = {}
        for save in saves:
            try:
                fenced |= await self._saved_together([save])
            except SQLAlchemyError as error:
                if not _is_about_content(error):
                    raise
                refused[save.id] = brief(error)
        return fenced, refused

    async def _saved_together(self, saves: Sequence[ShardSave]) -> set[int]:
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
            sums = to_bytes(shard.table, rows)
            return ShardSave(**common, delta=(sums, to_blob(executions), to_blob(ratings)))
        return ShardSave(
            **common,
            delta=None,
            bases=_bases(shard.table, None if shard.reset else [*since.rows, rows]),
            hashes={
                "executions": to_blob(_joined([*since.executions, executions])),
                "ratings": to_blob(_joined([*since.ratings, ratings])),
            },
            reset=shard.reset,
        )

    def _base_due(self, since: SinceBases) -> bool:
        age = loop_seconds() - since.written_at
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
            "fingerprint": shard.fingerprint,
            "previous_duration_ms": shard.update_ms,
        }

    def _dead_letter(self, shard: Shard, letter: Any) -> Mapping[str, Any]:
        fields = {name: getattr(letter, name) for name in letter.__slots__}
        topic, number = shard.partition
        source = f"{self._source}{OF_DECISIONS}" if shard.counts_decisions else self._source
        where = {"source": source, "topic": topic, "partition": number}
        return fields | where | {"created_at": time.time()}

    def _done(self, shard: Shard, save: ShardSave, tick: Tick, commit_seconds: float) -> None:
        shard.update_ms = (tick.fold_seconds + commit_seconds) * 1_000
        if not shard.counts_decisions:
            self._note(Update.of(tick, commit_seconds))
        _remember(shard, save, tick)
        shard.state.next_offset = save.next_offset
        shard.state.fingerprint = save.fingerprint
        shard.state.version = save.version
        shard.state.counters.clear()
        shard.state.counters.update(save.counters)
        shard.tick, shard.reset = None, False


def _is_about_content(error: SQLAlchemyError) -> bool:
    """Tell an error that a shard's own values may have caused from a database that is away."""
    away = (OperationalError, InterfaceError)
    return (
        isinstance(error, DBAPIError)
        and not isinstance(error, away)
        and not error.connection_invalidated
    )


def _remember(shard: Shard, save: ShardSave, tick: Tick) -> None:
    if save.delta is None:
        shard.state.since_bases = SinceBases(loop_seconds())
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
    return {key: to_bytes(table, np.array(rows)) for key, rows in buckets.items()}


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
        "kind": DECISIONS if shard.counts_decisions else BATCH,
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
