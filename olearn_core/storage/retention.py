"""Retention: what is old enough is deleted, a slice at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.config import LearningSettings, RetentionSettings
from olearn_core.errors import CorruptArtifactError
from olearn_core.events import OF_DECISIONS
from olearn_core.storage.database import Database, brief
from olearn_core.storage.hash_blobs import HEAD_BYTES, joined
from olearn_core.storage.leases import Leases
from olearn_core.storage.tables import (
    dead_letters,
    decision_log,
    dedup_segments,
    learning_events,
    model_versions,
    outcome_log,
    shards,
)
from olearn_core.storage.versions import ACTIVE, ARCHIVED
from olearn_core.times import came

logger = logging.getLogger(__name__)

LEASE = "retention"
LEASE_SECONDS = 600.0
SLICE_ROWS = 5_000
SLICE_VERSIONS = 50
SEGMENT_BYTES = 1 << 20
WINDOW_PARTS = 16
HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Segment:
    """A dedup segment without its hashes."""

    shard_id: int
    part: str
    version: int
    created_at: float
    nbytes: int

    @property
    def window(self) -> tuple[int, str]:
        """The window that it is a part of."""
        return (self.shard_id, self.part)


class Retention:
    """
    Prunes the ledger, dead letters, the embedded logs, versions and forgotten event ids.

    Shards and adjustments are state: they stay.

    :param embedded: name of the source whose log lies in this database
    """

    def __init__(
        self,
        database: Database,
        leases: Leases,
        settings: RetentionSettings,
        learning: LearningSettings,
        embedded: str,
    ) -> None:
        self._database = database
        self._leases = leases
        self._settings = settings
        self._most = {"executions": learning.dedup_ids, "ratings": learning.dedup_ratings}
        self._embedded = embedded

    async def prune_until(self, stop: asyncio.Event) -> None:
        """Prune at the configured interval, one process for all."""
        while not await came(stop, self._settings.interval_seconds):
            try:
                if await self._leases.hold(LEASE, LEASE_SECONDS):
                    logger.info("pruned: %s", await self.prune(time.time()))
                    await self._leases.release(LEASE)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("pruning waits for the database: %s", brief(error))

    async def prune(self, now_seconds: float) -> dict[str, int]:
        """Delete what is older than configured; return how many rows of each kind."""
        ledger_since = now_seconds - self._settings.ledger_days * DAY_SECONDS
        letters_since = now_seconds - self._settings.dead_letter_days * DAY_SECONDS
        return {
            "ledger": await self._delete(
                learning_events,
                learning_events.c.id,
                learning_events.c.created_at < ledger_since,
            ),
            "dead_letters": await self._delete(
                dead_letters, dead_letters.c.id, dead_letters.c.created_at < letters_since
            ),
            "outcome_log": await self._prune_log(now_seconds),
            "decisions": await self._prune_decisions(now_seconds),
            "event_ids": await self._prune_hashes(),
            "versions": await self._thin_versions(now_seconds),
            "artifacts": await self._empty_versions(now_seconds),
        }

    async def _prune_log(self, now_seconds: float) -> int:
        """Records that are old and learned; what is not learned yet stays, however old."""
        first_kept = await self._next_offset(self._embedded)
        since_ms = (now_seconds - self._settings.outcome_log_days * DAY_SECONDS) * 1_000
        old = and_(outcome_log.c.offset < (first_kept or 0), outcome_log.c.created_at_ms < since_ms)
        return await self._delete(outcome_log, outcome_log.c.offset, old)

    async def _prune_decisions(self, now_seconds: float) -> int:
        """Decisions that are old and counted; where nobody counts them, all that are old."""
        first_kept = await self._next_offset(f"{self._embedded}{OF_DECISIONS}")
        since = now_seconds - self._settings.decision_log_days * DAY_SECONDS
        old = decision_log.c.issued_at < since
        if first_kept is not None:
            old = and_(old, decision_log.c.offset < first_kept)
        return await self._delete(decision_log, decision_log.c.offset, old)

    async def _next_offset(self, source: str) -> int | None:
        """Return up to where a log in this database is read, None where nobody has begun."""
        query = select(func.min(shards.c.next_offset)).where(shards.c.source == source)
        async with self._database.read() as connection:
            offset = (await connection.execute(query)).scalar()
        return None if offset is None else int(offset)

    async def _prune_hashes(self) -> int:
        """Delete segments that lie wholly beyond what a window holds; join small ones."""
        held: dict[tuple[int, str], int] = {}
        old: list[_Segment] = []
        kept: list[_Segment] = []
        for segment in await self._segments():
            before = held.get(segment.window, 0)
            held[segment.window] = before + max(0, segment.nbytes - HEAD_BYTES) // HASH_BYTES
            (old if before >= self._most[segment.part] else kept).append(segment)
        for segment in old:
            async with self._database.write() as connection:
                await connection.execute(delete(dedup_segments).where(_from_to(segment, segment)))
        for group in self._small_neighbours(reversed(kept)):
            try:
                async with self._database.write() as connection:
                    await _join(connection, group)
            except CorruptArtifactError as error:
                logger.warning("segments of event ids are left as they are: %s", error)
        return len(old)

    def _small_neighbours(self, segments: Iterable[_Segment]) -> Iterator[Sequence[_Segment]]:
        """Yield segments of one window, neighbours in time, that may be one: a small part of it."""
        groups: dict[tuple[int, str], list[_Segment]] = {}
        for segment in segments:
            most = min(SEGMENT_BYTES, self._most[segment.part] * HASH_BYTES // WINDOW_PARTS)
            group = groups.setdefault(segment.window, [])
            if group and sum(s.nbytes for s in group) + segment.nbytes > most:
                yield group
                group = groups[segment.window] = []
            group.append(segment)
        yield from groups.values()

    async def _segments(self) -> list[_Segment]:
        """Return all dedup segments, newest first."""
        size: ColumnElement[Any] = func.length(dedup_segments.c.hashes)
        columns = [*(dedup_segments.c[name] for name in _Segment.__slots__[:-1]), size]
        query = select(*columns).order_by(dedup_segments.c.version.desc())
        async with self._database.read() as connection:
            return [_Segment(*row) for row in await connection.execute(query)]

    async def _thin_versions(self, now_seconds: float) -> int:
        """Leave all of the last hour, then one an hour, then one a day."""
        columns = (model_versions.c[name] for name in ("id", "model_type", "status", "created_at"))
        async with self._database.read() as connection:
            rows = list(await connection.execute(select(*columns)))
        surplus = self._surplus(rows, now_seconds)
        for start in range(0, len(surplus), SLICE_VERSIONS):
            async with self._database.write() as connection:
                for version_id in surplus[start : start + SLICE_VERSIONS]:
                    await _take_out(connection, version_id)
        return len(surplus)

    def _surplus(self, rows: Iterable[Row[Any]], now_seconds: float) -> list[int]:
        """Return ids of versions that are not the best of their hour or day, oldest first."""
        slots: dict[tuple[str, int, float], list[tuple[int, int]]] = {}
        for row in rows:
            length = self._slot_seconds(now_seconds - row.created_at)
            if length:
                slot = (row.model_type, length, row.created_at // length)
                rank = (row.status == ACTIVE) - (row.status == ARCHIVED)
                slots.setdefault(slot, []).append((rank, row.id))
        return sorted(version_id for slot in slots.values() for _, version_id in sorted(slot)[:-1])

    def _slot_seconds(self, age_seconds: float) -> int:
        """Return the time in which one version of this age is enough, 0 where all stay."""
        if age_seconds < HOUR_SECONDS:
            return 0
        hourly = age_seconds < self._settings.version_hours * HOUR_SECONDS
        return HOUR_SECONDS if hourly else DAY_SECONDS

    async def _empty_versions(self, now_seconds: float) -> int:
        """Leave nothing but their lineage of what is too old to go back to."""
        since = now_seconds - self._settings.version_days * DAY_SECONDS
        old = and_(
            model_versions.c.created_at < since,
            model_versions.c.status != ACTIVE,
            model_versions.c.artifact != b"",
        )
        emptied = update(model_versions).where(old).values(artifact=b"", status=ARCHIVED)
        async with self._database.write() as connection:
            return (await connection.execute(emptied)).rowcount

    async def _delete(self, table: Table, key: ColumnElement[Any], old: ColumnElement[bool]) -> int:
        """Delete in slices, so that checkpoints need not wait long."""
        total = 0
        while True:
            some = select(key).where(old).limit(SLICE_ROWS)
            async with self._database.write() as connection:
                deleted = await connection.execute(delete(table).where(key.in_(some)))
            total += deleted.rowcount
            if deleted.rowcount < SLICE_ROWS:
                return total


async def _take_out(connection: AsyncConnection, version_id: int) -> None:
    """Delete a version, unless it is active by now; its children become its parent's."""
    this = and_(model_versions.c.id == version_id, model_versions.c.status != ACTIVE)
    found = (await connection.execute(select(model_versions.c.parent_version_id).where(this))).all()
    for (parent,) in found:
        await connection.execute(
            update(model_versions)
            .where(model_versions.c.parent_version_id == version_id)
            .values(parent_version_id=parent)
        )
        await connection.execute(delete(model_versions).where(this))


async def _join(connection: AsyncConnection, group: Sequence[_Segment]) -> None:
    """Put the hashes of several segments into one; a window reads the same."""
    first, last = group[0], group[-1]
    if first is last:
        return
    ours = _from_to(first, last)
    query = select(dedup_segments.c.hashes).where(ours).order_by(dedup_segments.c.version)
    hashes = joined(map(bytes, (await connection.execute(query)).scalars()))
    await connection.execute(delete(dedup_segments).where(ours))
    key = {"shard_id": last.shard_id, "part": last.part, "version": last.version}
    await connection.execute(
        insert(dedup_segments).values(**key, hashes=hashes, created_at=first.created_at)
    )


def _from_to(first: _Segment, last: _Segment) -> ColumnElement[bool]:
    return and_(
        dedup_segments.c.shard_id == first.shard_id,
        dedup_segments.c.part == first.part,
        dedup_segments.c.version.between(first.version, last.version),
    )
