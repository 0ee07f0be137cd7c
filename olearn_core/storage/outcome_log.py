"""The embedded log of outcomes: what Kafka is where there is no Kafka."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select, text

from olearn_core.storage.database import Database
from olearn_core.storage.tables import outcome_log

APPEND_LOCK = 7_305_804_402


@dataclass(slots=True)
class LoggedRecord:
    """One record of the embedded log."""

    offset: int
    value: bytes | None
    timestamp: int
    headers: Sequence[tuple[str, bytes]] = ()


class OutcomeLog:
    """Append and read; offsets ascend and are never used twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, values: Sequence[bytes]) -> list[int]:
        """Store values in one transaction; return their offsets."""
        now_ms = time.time_ns() // 1_000_000
        rows = [{"value": value, "created_at_ms": now_ms} for value in values]
        statement = insert(outcome_log).returning(
            outcome_log.c.offset, sort_by_parameter_order=True
        )
        async with self._database.write() as connection:
            if not self._database.is_sqlite:
                # Offsets must become visible in their order, or a reader would pass one by.
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"))
            stored = await connection.execute(statement, rows)
            return [int(offset) for offset in stored.scalars()]

    async def read(self, start: int, most: int) -> list[LoggedRecord]:
        """Return up to `most` records from this offset on."""
        query = (
            select(outcome_log.c.offset, outcome_log.c.value, outcome_log.c.created_at_ms)
            .where(outcome_log.c.offset >= start)
            .order_by(outcome_log.c.offset)
            .limit(most)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [LoggedRecord(offset, bytes(value), at) for offset, value, at in rows]

    async def bounds(self) -> tuple[int, int]:
        """Return the first offset and the one after the last; (1, 1) where it is empty."""
        query = select(func.min(outcome_log.c.offset), func.max(outcome_log.c.offset))
        async with self._database.read() as connection:
            first, last = (await connection.execute(query)).one()
        return (1, 1) if first is None else (int(first), int(last) + 1)
