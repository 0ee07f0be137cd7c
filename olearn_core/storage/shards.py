"""Shards in the database: one header row each, and the blobs behind it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.errors import FencedError, StorageError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import (
    dead_letters,
    dedup_segments,
    learning_events,
    shard_bases,
    shard_deltas,
    shards,
)

BucketKey = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """
    A shard's header row.

    :param next_offset: None until somebody has begun to read
    :param base_version: version whose sums lie in the bases, later ones in deltas
    :param reset_version: version at which the bases were written anew, all of them
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
    updated_at: float


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

    :param segments: of what the bases cover
    :param deltas: of what came after them
    """

    segments: Sequence[bytes]
    deltas: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ShardSave:
    """
    One shard's part of a checkpoint.

    :param base_offset: the stored offset that this continues
    :param version: the new version
    :param previous_duration_ms: what the last update took in all, known only now
    :param delta: sums and hashes since the last checkpoint, None where bases are written
    :param bases: absolute sums by tenant, tier and number, where it is time to write them
    :param hashes: dedup hashes since the last bases, by part, where bases are written
    :param reset: whether `bases` is all there is
    """

    id: int
    epoch: int
    base_offset: int
    next_offset: int
    version: int
    counters: Mapping[str, int]
    ledger: Mapping[str, Any]
    dead_letters: Sequence[Mapping[str, Any]]
    delta: tuple[bytes, bytes, bytes] | None
    previous_duration_ms: float | None = None
    bases: Mapping[BucketKey, bytes] = field(default_factory=dict)
    hashes: Mapping[str, bytes] = field(default_factory=dict)
    reset: bool = False


class ShardStore:
    """Claims, loads and saves shards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, source: str, topic: str, partition: int, owner: str, group: str
    ) -> ShardHeader:
        """
        Take a shard over: its epoch rises, so that no earlier owner can save.

        :raises StorageError: where another consumer group owns it
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
            if header.owner_group not in (None, group):
                raise StorageError(
                    f"{topic}/{partition} is learned by consumer group {header.owner_group!r},"
                    f" not {group!r}: add workers to the same group, or use another database"
                )
            await connection.execute(
                update(shards).where(shards.c.id == header.id).values(owner_group=group)
            )
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
        in_bases = select(dedup_segments.c.hashes).where(
            dedup_segments.c.shard_id == shard_id, dedup_segments.c.part == part
        )
        in_deltas = select(column).where(shard_deltas.c.shard_id == shard_id)
        async with self._database.read() as connection:
            old = await connection.execute(in_bases.order_by(dedup_segments.c.version))
            new = await connection.execute(in_deltas.order_by(shard_deltas.c.version))
            return StoredHashes(
                [bytes(blob) for blob in old.scalars()], [bytes(blob) for blob in new.scalars()]
            )

    async def save(self, saves: Sequence[ShardSave]) -> set[int]:
        """
        Save shards in one transaction; return the ids of those that are no longer ours.

        Headers are updated first, in the order given; a shard whose header does
        not stand at our epoch and offset is left out, the others go on.
        """
        async with self._database.write() as connection:
            kept = [save for save in saves if await _update_header(connection, save)]
            for save in kept:
                await _write_sums(connection, save)
                await _write_duration(connection, save)
            await _insert(connection, learning_events, [dict(s.ledger) for s in kept])
            await _insert(connection, dead_letters, [dict(d) for s in kept for d in s.dead_letters])
        return {save.id for save in saves} - {save.id for save in kept}


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


async def _update_header(connection: AsyncConnection, save: ShardSave) -> bool:
    values: dict[str, Any] = {
        "next_offset": save.next_offset,
        "version": save.version,
        "counters": dict(save.counters),
        "updated_at": time.time(),
    }
    if save.delta is None:
        values["base_version"] = save.version
    if save.reset:
        values["reset_version"] = save.version
    updated = await connection.execute(
        update(shards)
        .where(
            shards.c.id == save.id,
            shards.c.epoch == save.epoch,
            shards.c.next_offset == save.base_offset,
        )
        .values(**values)
    )
    return bool(updated.rowcount)


async def _write_sums(connection: AsyncConnection, save: ShardSave) -> None:
    key = {"shard_id": save.id, "version": save.version}
    if save.delta is not None:
        names = ("sums", "executions", "ratings")
        row = key | dict(zip(names, save.delta, strict=True))
        await _insert(connection, shard_deltas, [row])
        return
    await _write_bases(connection, save)
    await connection.execute(delete(shard_deltas).where(shard_deltas.c.shard_id == save.id))
    now = time.time()
    segments = [
        key | {"part": part, "hashes": blob, "created_at": now}
        for part, blob in save.hashes.items()
        if blob
    ]
    await _insert(connection, dedup_segments, segments)


async def _write_duration(connection: AsyncConnection, save: ShardSave) -> None:
    if save.previous_duration_ms is None:
        return
    await connection.execute(
        update(learning_events)
        .where(learning_events.c.shard_id == save.id, learning_events.c.version == save.version - 1)
        .values(duration_ms=save.previous_duration_ms)
    )


async def _write_bases(connection: AsyncConnection, save: ShardSave) -> None:
    ours = shard_bases.c.shard_id == save.id
    if save.reset:
        await connection.execute(delete(shard_bases).where(ours))
    for tenant, tier, number in () if save.reset else save.bases:
        await connection.execute(
            delete(shard_bases).where(
                ours,
                shard_bases.c.tenant == tenant,
                shard_bases.c.tier == tier,
                shard_bases.c.number == number,
            )
        )
    names = ("tenant", "tier", "number")
    rows = [
        {"shard_id": save.id, "version": save.version, "sums": blob}
        | dict(zip(names, bucket, strict=True))
        for bucket, blob in save.bases.items()
    ]
    await _insert(connection, shard_bases, rows)


async def _insert(connection: AsyncConnection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(table), rows)


def _header(row: Row[Any]) -> ShardHeader:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public, if underscored, name
    return ShardHeader(**{name: fields[name] for name in ShardHeader.__slots__})
