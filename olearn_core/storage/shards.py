"""Shards in the database: one header row each, and the blobs behind it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.errors import FencedError, StorageError
from olearn_core.events import OF_DECISIONS
from olearn_core.storage.database import Database
from olearn_core.storage.saves import ShardSave, ShardSkip, write_saves, write_skip
from olearn_core.storage.tables import (
    dedup_segments,
    shard_bases,
    shard_deltas,
    shards,
)
from olearn_core.storage.tables import learning_events as ledger

PARTITION_ADDED = "partition_added"
FIRST_ASSIGNMENT_SECONDS = 300  # until then partitions are new because the topic is


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """
    A shard's header row.

    :param next_offset: None until somebody has begun to read
    :param base_version: version whose sums lie in the bases, later ones in deltas
    :param reset_version: version at which the bases were written anew, all of them
    :param cluster_id: of the log that was read, None where the log has none
    :param fingerprint: of the record before `next_offset`
    """

    id: int
    source: str
    topic: str
    partition: int
    epoch: int
    next_offset: int | None
    owner: str | None
    owner_group: str | None
    version: int
    base_version: int
    reset_version: int
    counters: Mapping[str, int]
    cluster_id: str | None
    fingerprint: str | None
    updated_at: float

    @property
    def counts_decisions(self) -> bool:
        """Whether its partition is one of the log of decisions, not of outcomes."""
        return self.source.endswith(OF_DECISIONS)


@dataclass(frozen=True, slots=True)
class StoredSums:
    """
    Blobs of a shard from some version on.

    :param bases: absolute sums, to be put in any order
    :param deltas: absolute sums, to be put after the bases in this order
    """

    bases: Sequence[bytes]
    deltas: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class StoredHashes:
    """
    Dedup hashes of a shard, oldest first.

    :param segments: of what the bases cover, with the Unix seconds at which each was written
    :param deltas: of what came after them
    """

    segments: Sequence[tuple[bytes, float]]
    deltas: Sequence[bytes]


class ShardStore:
    """Claims, loads and saves shards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
        source: str,
        topic: str,
        partition: int,
        owner: str,
        group: str,
        cluster_id: str | None = None,
    ) -> ShardHeader:
        """
        Take a shard over: its epoch rises, so that no earlier owner can save.

        :param cluster_id: of the log that the partition is read from, where it has one
        :raises StorageError: where another consumer group owns it, or it was learned
            from another cluster
        """
        mine = and_(
            shards.c.source == source, shards.c.topic == topic, shards.c.partition == partition
        )
        await self._make_sure(source, topic, partition)
        async with self._database.write() as connection:
            row = await connection.execute(
                update(shards)
                .where(mine)
                .values(epoch=shards.c.epoch + 1, owner=owner, updated_at=time.time())
                .returning(*shards.c)
            )
            header = _header(row.one())
            _refuse_strangers(header, group, cluster_id)
            known = {"owner_group": group, "cluster_id": header.cluster_id or cluster_id}
            await connection.execute(update(shards).where(shards.c.id == header.id).values(known))
        return header

    async def _make_sure(self, source: str, topic: str, partition: int) -> None:
        new = {"source": source, "topic": topic, "partition": partition, "epoch": 0}
        new |= {"version": 0, "base_version": 0, "reset_version": 0, "counters": {}}
        same = and_(*(shards.c[k] == new[k] for k in ("source", "topic", "partition")))
        async with self._database.read() as connection:
            if (await connection.execute(select(shards.c.id).where(same))).first():
                return
        try:
            async with self._database.write() as connection:
                await _note_if_added(connection, source, topic, partition)
                await connection.execute(insert(shards).values(**new, updated_at=time.time()))
        except IntegrityError:
            return  # somebody else made it meanwhile

    async def begin(self, header: ShardHeader, offset: int) -> None:
        """
        Write down where a shard that nobody has read begins.

        :raises FencedError: where somebody else owns it by now
        """
        async with self._database.write() as connection:
            begun = await connection.execute(
                update(shards)
                .where(shards.c.id == header.id, shards.c.epoch == header.epoch)
                .values(next_offset=offset)
            )
            if not begun.rowcount:
                raise FencedError

    async def headers(self) -> list[ShardHeader]:
        """Return all shards."""
        async with self._database.read() as connection:
            return await read_headers(connection)

    async def sums(self, shard_id: int, after_version: int) -> tuple[ShardHeader, StoredSums]:
        """Return what changed after a version, with the header of the same snapshot."""
        async with self._database.read() as connection:
            row = await connection.execute(select(shards).where(shards.c.id == shard_id))
            return _header(row.one()), await read_sums(connection, shard_id, after_version)

    async def hashes(self, shard_id: int, part: str) -> StoredHashes:
        """Return the dedup hashes of a part ("executions", "ratings")."""
        column = shard_deltas.c[part]
        in_bases = select(dedup_segments.c.hashes, dedup_segments.c.created_at).where(
            dedup_segments.c.shard_id == shard_id, dedup_segments.c.part == part
        )
        in_deltas = select(column).where(shard_deltas.c.shard_id == shard_id)
        async with self._database.read() as connection:
            old = await connection.execute(in_bases.order_by(dedup_segments.c.version))
            new = await connection.execute(in_deltas.order_by(shard_deltas.c.version))
            return StoredHashes(
                [(bytes(blob), at) for blob, at in old], [bytes(blob) for blob in new.scalars()]
            )

    async def save(self, saves: Sequence[ShardSave]) -> set[int]:
        """
        Save shards in one transaction; return the ids of those that are no longer ours.

        Headers are updated first, in the order given; a shard whose header does
        not stand at our epoch and offset is left out, the others go on.
        """
        async with self._database.write() as connection:
            kept = await write_saves(connection, saves)
        return {save.id for save in saves} - {save.id for save in kept}

    async def skip(self, skip: ShardSkip) -> bool:
        """
        Go on behind records that the log has lost; tell whether the shard was still ours.

        The ledger keeps which they were.
        """
        async with self._database.write() as connection:
            return await write_skip(connection, skip)


def _refuse_strangers(header: ShardHeader, group: str, cluster_id: str | None) -> None:
    name = f"{header.topic}/{header.partition}"
    if header.owner_group not in (None, group):
        raise StorageError(
            f"{name} is learned by consumer group {header.owner_group!r}, not {group!r}: add"
            " workers to the same group, or use another database"
        )
    if cluster_id and header.cluster_id not in (None, cluster_id):
        raise StorageError(
            f"{name} was learned from cluster {header.cluster_id!r}, and this is {cluster_id!r}:"
            f" where the topic was moved or made anew, say where to go on with"
            f" `olearn partitions reset {name} --to earliest`"
        )


async def _note_if_added(
    connection: AsyncConnection, source: str, topic: str, partition: int
) -> None:
    """
    Say in the ledger that a topic got a partition after it had been learned from.

    Keys move then: a repeat of an event from before may lie in another partition.
    """
    now = time.time()
    before = (
        select(shards.c.id)
        .join(ledger, ledger.c.shard_id == shards.c.id)
        .where(shards.c.source == source, shards.c.topic == topic)
        .where(ledger.c.created_at < now - FIRST_ASSIGNMENT_SECONDS)
    )
    if (await connection.execute(before.limit(1))).first():
        details = {"about": f"{topic}/{partition}"}
        row = {"kind": PARTITION_ADDED, "details": details, "created_at": now}
        await connection.execute(insert(ledger).values(row))


async def read_headers(connection: AsyncConnection) -> list[ShardHeader]:
    """Return all shards as this connection's snapshot has them."""
    query = select(shards).order_by(shards.c.source, shards.c.topic, shards.c.partition)
    return [_header(row) for row in await connection.execute(query)]


async def read_sums(
    connection: AsyncConnection, shard_id: int, after_version: int = -1
) -> StoredSums:
    """Return a shard's blobs newer than a version, as this snapshot has them."""
    bases = await connection.execute(
        select(shard_bases.c.sums).where(
            shard_bases.c.shard_id == shard_id, shard_bases.c.version > after_version
        )
    )
    deltas = await connection.execute(
        select(shard_deltas.c.sums)
        .where(shard_deltas.c.shard_id == shard_id, shard_deltas.c.version > after_version)
        .order_by(shard_deltas.c.version)
    )
    return StoredSums(
        [bytes(blob) for blob in bases.scalars()], [bytes(blob) for blob in deltas.scalars()]
    )


def _header(row: Row[Any]) -> ShardHeader:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public, if underscored, name
    return ShardHeader(**{name: fields[name] for name in ShardHeader.__slots__})
