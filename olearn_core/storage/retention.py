"""Retention: what is old enough is deleted, a slice at a time."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlalchemy import ColumnElement, Table, and_, delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import LearningSettings, RetentionSettings
from olearn_core.storage.database import Database, brief
from olearn_core.storage.leases import Leases
from olearn_core.storage.tables import (
    dead_letters,
    dedup_segments,
    learning_events,
    outcome_log,
    shards,
)
from olearn_core.times import came

logger = logging.getLogger(__name__)

LEASE = "retention"
LEASE_SECONDS = 600.0
SLICE_ROWS = 5_000
DAY_SECONDS = 86_400
HASH_BYTES = 8


class Retention:
    """
    Prunes the ledger, dead letters, the embedded log and forgotten event ids.

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
            "event_ids": await self._prune_hashes(),
        }

    async def _prune_log(self, now_seconds: float) -> int:
        """Records that are old and learned; what is not learned yet stays, however old."""
        learned = select(func.min(shards.c.next_offset)).where(shards.c.source == self._embedded)
        async with self._database.read() as connection:
            first_kept = (await connection.execute(learned)).scalar()
        since_ms = (now_seconds - self._settings.outcome_log_days * DAY_SECONDS) * 1_000
        old = and_(outcome_log.c.offset < (first_kept or 0), outcome_log.c.created_at_ms < since_ms)
        return await self._delete(outcome_log, outcome_log.c.offset, old)

    async def _prune_hashes(self) -> int:
        """Segments that lie wholly beyond what a window holds."""
        size = func.length(dedup_segments.c.hashes)
        key = (dedup_segments.c.shard_id, dedup_segments.c.part, dedup_segments.c.version)
        query = select(*key, size).order_by(dedup_segments.c.version.desc())
        kept: dict[tuple[int, str], int] = {}
        old = []
        async with self._database.read() as connection:
            for shard_id, part, version, nbytes in await connection.execute(query):
                before = kept.get((shard_id, part), 0)
                kept[shard_id, part] = before + nbytes // HASH_BYTES
                if before >= self._most[part]:
                    old.append((shard_id, part, version))
        for shard_id, part, version in old:
            async with self._database.write() as connection:
                await connection.execute(
                    delete(dedup_segments).where(
                        dedup_segments.c.shard_id == shard_id,
                        dedup_segments.c.part == part,
                        dedup_segments.c.version == version,
                    )
                )
        return len(old)

    async def _delete(self, table: Table, key: ColumnElement[int], old: ColumnElement[bool]) -> int:
        """Delete in slices, so that checkpoints need not wait long."""
        total = 0
        while True:
            some = select(key).where(old).limit(SLICE_ROWS)
            async with self._database.write() as connection:
                deleted = await connection.execute(delete(table).where(key.in_(some)))
            total += deleted.rowcount
            if deleted.rowcount < SLICE_ROWS:
                return total
