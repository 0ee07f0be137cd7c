"""Tenants of whom nothing was learned: those that have a key, or sent what could not be learned."""

from __future__ import annotations

from sqlalchemy import exists, or_, select

from olearn_core.storage.database import Database
from olearn_core.storage.tables import api_keys, dead_letters


class TenantStore:
    """What the database knows of tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def has(self, tenant: str) -> bool:
        """Tell whether a key or a dead letter is a tenant's."""
        named = [exists().where(table.c.tenant == tenant) for table in (api_keys, dead_letters)]
        async with self._database.read() as connection:
            return bool((await connection.execute(select(or_(*named)))).scalar())
