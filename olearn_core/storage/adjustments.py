"""Adjustments: signed tables that belong to one model's view of one tenant."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.statistics import Statistics, from_bytes, read_header, to_bytes
from olearn_core.storage.database import Database
from olearn_core.storage.tables import adjustments, learning_events

AdjustmentKey = tuple[str, str]

ROLLBACK = "rollback"
ONE_AT_A_TIME = text("LOCK TABLE adjustments IN SHARE ROW EXCLUSIVE MODE")


@dataclass(frozen=True, slots=True)
class NewAdjustment:
    """
    An adjustment about to be inserted.

    :param undoes: the rollback whose adjustment it takes back, None for none
    """

    model_type: str
    tenant: str
    table: Statistics
    reason: str
    rollback_id: int | None = None
    undoes: int | None = None

    def row(self) -> dict[str, Any]:
        """Return it as a row; what it undoes stands in the header of its sums."""
        header = {} if self.undoes is None else {"undoes": self.undoes}
        return {
            "model_type": self.model_type,
            "tenant": self.tenant,
            "sums": to_bytes(self.table, **header),
            "reason": self.reason,
            "rollback_id": self.rollback_id,
            "created_at": time.time(),
        }


@dataclass(frozen=True, slots=True)
class StoredAdjustment:
    """
    One adjustment, with its sums as bytes.

    :param rollback_id: None where it came some other way
    """

    id: int
    model_type: str
    tenant: str
    rollback_id: int | None
    sums: bytes

    @property
    def table(self) -> Statistics:
        """
        What it adds.

        :raises CorruptArtifactError: where a byte has changed
        """
        return from_bytes(self.sums)

    @property
    def undoes(self) -> int | None:
        """The rollback whose adjustment it takes back."""
        undoes: int | None = read_header(self.sums).get("undoes")
        return undoes


class AdjustmentStore:
    """Adjustments by model and tenant; all of a key's add up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, model: str, tenant: str, table: Statistics, reason: str) -> None:
        """Insert one adjustment; no worker is touched."""
        new = NewAdjustment(model, tenant, table, reason)
        async with self._database.write() as connection:
            await self._lock(connection)
            await connection.execute(insert(adjustments).values(**new.row()))

    async def roll_back(
        self, new: Sequence[NewAdjustment], computed_from: int, details: Mapping[str, Any]
    ) -> bool:
        """
        Insert a rollback's adjustments and its row in the ledger, in one transaction.

        :param computed_from: the newest adjustment that they take into account
        :returns: False, with nothing written, where another one has come since
        """
        rows = [adjustment.row() for adjustment in new]
        row = {"kind": ROLLBACK, "details": dict(details), "created_at": time.time()}
        async with self._database.write() as connection:
            await self._lock(connection)
            if await read_newest(connection) != computed_from:
                return False
            await connection.execute(insert(adjustments), rows)
            await connection.execute(insert(learning_events).values(**row))
        return True

    async def _lock(self, connection: AsyncConnection) -> None:
        """
        Let others wait until this transaction ends, as SQLite does anyway.

        So ids become visible in their order, and who polls the newest misses none.
        """
        if not self._database.is_sqlite:
            await connection.execute(ONE_AT_A_TIME)

    async def newest(self) -> int:
        """Return the id of the newest adjustment, 0 for none."""
        async with self._database.read() as connection:
            return await read_newest(connection)

    async def load(self, columns: Sequence[str]) -> dict[AdjustmentKey, Statistics]:
        """Return the sum of each key's adjustments."""
        async with self._database.read() as connection:
            return summed(await read_adjustments(connection), columns)


async def read_newest(connection: AsyncConnection) -> int:
    """Return the id of the newest adjustment, 0 for none."""
    newest = await connection.execute(select(func.max(adjustments.c.id)))
    return int(newest.scalar() or 0)


async def read_adjustments(connection: AsyncConnection) -> list[StoredAdjustment]:
    """Return all adjustments, oldest first, as this connection's snapshot has them."""
    query = select(*(adjustments.c[name] for name in StoredAdjustment.__slots__))
    rows = await connection.execute(query.order_by(adjustments.c.id))
    return [StoredAdjustment(*row) for row in rows]


def summed(
    stored: Iterable[StoredAdjustment], columns: Sequence[str]
) -> dict[AdjustmentKey, Statistics]:
    """Return the sum of each key's adjustments."""
    total: dict[AdjustmentKey, Statistics] = {}
    for adjustment in stored:
        key = (adjustment.model_type, adjustment.tenant)
        total.setdefault(key, Statistics(columns)).merge(adjustment.table)
    return total
