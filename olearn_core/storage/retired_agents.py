"""Agents that operators have taken out of the choice, shared by all nodes through the database."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from olearn_core.storage.database import Database
from olearn_core.storage.tables import retired_agents


@dataclass(frozen=True, slots=True)
class Retirement:
    """
    Since when and why an agent is retired.

    :param retired_at: Unix seconds
    """

    retired_at: float
    reason: str


class RetiredAgents:
    """
    Who is retired, by tenant, as of the last `refresh`.

    Asked with every decision, so it is kept in memory.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[str, Mapping[str, Retirement]] = {}
        self._names: Mapping[str, frozenset[str]] = {}

    async def refresh(self) -> None:
        """Read who was retired and reinstated anywhere."""
        found: dict[str, dict[str, Retirement]] = {}
        columns = retired_agents.c
        query = select(columns.tenant, columns.agent, columns.retired_at, columns.reason)
        async with self._database.read() as connection:
            for tenant, agent, retired_at, reason in await connection.execute(query):
                found.setdefault(tenant, {})[agent] = Retirement(retired_at, reason)
        self._known = found
        self._names = {tenant: frozenset(agents) for tenant, agents in found.items()}

    def names(self, tenant: str) -> Collection[str]:
        """Return the names of a tenant's retired agents: a frozenset."""
        return self._names.get(tenant, frozenset())

    def get(self, tenant: str, agent: str) -> Retirement | None:
        """Return an agent's retirement, None where it works."""
        return self._known.get(tenant, {}).get(agent)

    async def retire(self, tenant: str, agent: str, reason: str) -> None:
        """Take an agent out of the choice; one that is retired stays as it is."""
        row = {"tenant": tenant, "agent": agent, "reason": reason, "retired_at": time.time()}
        with suppress(IntegrityError):  # somebody has done it already
            async with self._database.write() as connection:
                await connection.execute(insert(retired_agents).values(row))
        await self.refresh()

    async def reinstate(self, tenant: str, agent: str) -> None:
        """Let an agent be chosen again; one that is not retired stays as it is."""
        mine = (retired_agents.c.tenant == tenant) & (retired_agents.c.agent == agent)
        async with self._database.write() as connection:
            await connection.execute(delete(retired_agents).where(mine))
        await self.refresh()
