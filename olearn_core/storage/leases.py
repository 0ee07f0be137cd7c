"""Leases: what one process does for all."""

from __future__ import annotations

import time

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from olearn_core.storage.database import Database
from olearn_core.storage.tables import leases


class Leases:
    """
    Leases by name, held for some seconds unless renewed.

    :param holder: this process, unlike any other
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self.holder = holder

    async def hold(self, name: str, seconds: float) -> bool:
        """Acquire or renew a lease; tell whether it is ours now."""
        now = await self._now()
        mine = {"holder": self.holder, "expires_at": now + seconds}
        free = or_(leases.c.holder == self.holder, leases.c.expires_at < now)
        async with self._database.write() as connection:
            renewed = await connection.execute(
                update(leases).where(leases.c.name == name, free).values(mine)
            )
            if renewed.rowcount:
                return True
            taken = await connection.execute(select(leases.c.name).where(leases.c.name == name))
            if taken.first():
                return False
        return await self._insert(name, mine)

    async def _insert(self, name: str, mine: dict[str, object]) -> bool:
        try:
            async with self._database.write() as connection:
                await connection.execute(leases.insert().values(name=name, **mine))
        except IntegrityError:
            return False
        return True

    async def release(self, name: str) -> None:
        """Give a lease back, where it is ours."""
        async with self._database.write() as connection:
            await connection.execute(
                delete(leases).where(leases.c.name == name, leases.c.holder == self.holder)
            )

    async def _now(self) -> float:
        """Return the database's clock, which all holders share."""
        if self._database.is_sqlite:
            return time.time()
        async with self._database.read() as connection:
            clock = await connection.execute(
                text("SELECT extract(epoch FROM clock_timestamp())::float8")
            )
            return float(clock.scalar_one())
