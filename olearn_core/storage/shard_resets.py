"""What an operator does to shards: let them begin elsewhere, or give them to another group."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.errors import NotFoundError
from olearn_core.events import OF_DECISIONS
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardHeader, ShardStore
from olearn_core.storage.tables import learning_events, shards

RESET = "reset"
ADOPTED = "adopted"


class ShardResets:
    """Moves shards; every change is one transaction with its row in the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, source: str, topic: str, partition: int) -> ShardHeader:
        """
        Return a shard's header.

        :raises NotFoundError: naming the shards that there are
        """
        headers = await ShardStore(self._database).headers()
        ours = [header for header in headers if header.source == source]
        for header in ours:
            if (header.topic, header.partition) == (topic, partition):
                return header
        known = ", ".join(f"{header.topic}/{header.partition}" for header in ours)
        raise NotFoundError(
            f"nothing was learned from {topic}/{partition} of source {source!r},"
            f" but from {known or 'no partition at all'}"
        )

    async def reset(
        self, source: str, topic: str, partition: int, next_offset: int | None, reason: str
    ) -> None:
        """
        Let a shard begin at another offset.

        Its epoch rises, so that whoever owns it cannot save what it holds and
        claims the shard anew. What is known of the log it was learned from is
        forgotten. The sums stay, and so do the event ids: what comes again is
        a duplicate.

        :param next_offset: None to begin where `[kafka] start` says
        :raises NotFoundError: where nothing was learned from this partition
        """
        shard_id = (await self.find(source, topic, partition)).id
        mine = shards.c.id == shard_id
        async with self._database.write() as connection:
            before = (await connection.execute(select(shards).where(mine).with_for_update())).one()
            after = {"epoch": before.epoch + 1, "version": before.version + 1}
            moved = after | {"next_offset": next_offset, "fingerprint": None, "cluster_id": None}
            await connection.execute(
                update(shards).where(mine).values(**moved, updated_at=time.time())
            )
            offsets = {"from_offset": before.next_offset, "to_offset": next_offset}
            row = {"kind": RESET, "shard_id": shard_id, **after, **offsets}
            await _write_down(connection, row, {"reason": reason})

    async def adopt(self, source: str, group: str) -> list[str]:
        """
        Give all shards of a source, of decisions too, to a group; return those of another one.

        :raises NotFoundError: where nothing was learned from this source
        """
        query = (
            select(shards)
            .where(shards.c.source.in_((source, f"{source}{OF_DECISIONS}")))
            .order_by(shards.c.topic, shards.c.partition)  # as checkpoints lock them
            .with_for_update()
        )
        async with self._database.write() as connection:
            known = (await connection.execute(query)).all()
            if not known:
                raise NotFoundError(f"nothing was learned from source {source!r} yet")
            strangers = [shard for shard in known if shard.owner_group != group]
            for shard in strangers:
                await _give(connection, shard, group)
        return [f"{shard.topic}/{shard.partition}" for shard in strangers]


async def _give(connection: AsyncConnection, shard: Row[Any], group: str) -> None:
    await connection.execute(
        update(shards).where(shards.c.id == shard.id).values(owner_group=group)
    )
    row = {"kind": ADOPTED, "shard_id": shard.id}
    row |= {"epoch": shard.epoch, "version": shard.version}
    await _write_down(connection, row, {"from_group": shard.owner_group, "to_group": group})


async def _write_down(
    connection: AsyncConnection, row: Mapping[str, Any], details: Mapping[str, Any]
) -> None:
    await connection.execute(
        insert(learning_events).values(**row, details=dict(details), created_at=time.time())
    )
