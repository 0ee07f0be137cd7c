"""Adjustments: signed tables that belong to one model's view of one tenant."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.statistics import Statistics, from_bytes, to_bytes
from olearn_core.storage.database import Database
from olearn_core.storage.tables import adjustments

AdjustmentKey = tuple[str, str]


class AdjustmentStore:
    """Adjustments by model and tenant; all of a key's add up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, model: str, tenant: str, table: Statistics, reason: str) -> None:
        """Insert one adjustment; no worker is touched."""
        row = {"model_type": model, "tenant": tenant, "sums": to_bytes(table)}
        async with self._database.write() as connection:
            await connection.execute(
                insert(adjustments).values(**row, reason=reason, created_at=time.time())
            )

    async def newest(self) -> int:
        """Return the id of the newest adjustment, 0 for none."""
        async with self._database.read() as connection:
            newest = await connection.execute(select(func.max(adjustments.c.id)))
            return int(newest.scalar() or 0)

    async def load(self, columns: Sequence[str]) -> dict[AdjustmentKey, Statistics]:
        """Return the sum of each key's adjustments."""
        async with self._database.read() as connection:
            return await read_adjustments(connection, columns)


async def read_adjustments(
    connection: AsyncConnection, columns: Sequence[str]
) -> dict[AdjustmentKey, Statistics]:
    """Return the sum of each key's adjustments, as this connection's snapshot has them."""
    query = select(adjustments.c.model_type, adjustments.c.tenant, adjustments.c.sums)
    total: dict[AdjustmentKey, Statistics] = {}
    for model, tenant, blob in await connection.execute(query.order_by(adjustments.c.id)):
        table = total.setdefault((model, tenant), Statistics(columns))
        table.merge(from_bytes(bytes(blob)))
    return total
