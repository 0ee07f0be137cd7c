"""The writing half of a checkpoint: every statement that moves a shard on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.storage.tables import (
    dead_letters,
    dedup_segments,
    learning_events,
    shard_bases,
    shard_deltas,
    shards,
)

DATA_GAP = "data_gap"

BucketKey = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class ShardSave:
    """
    One shard's part of a checkpoint.

    :param base_offset: the stored offset that this continues
    :param version: the new version
    :param fingerprint: of the last record it covers
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
    fingerprint: str | None = None
    previous_duration_ms: float | None = None
    bases: Mapping[BucketKey, bytes] = field(default_factory=dict)
    hashes: Mapping[str, bytes] = field(default_factory=dict)
    reset: bool = False


@dataclass(frozen=True, slots=True)
class ShardSkip:
    """
    Records [base_offset, next_offset) that the log has lost before they were learned.

    :param version: the new version
    """

    id: int
    epoch: int
    base_offset: int
    next_offset: int
    version: int
    counters: Mapping[str, int]


async def write_saves(
    connection: AsyncConnection, saves: Sequence[ShardSave]
) -> Sequence[ShardSave]:
    """Write what is still ours, headers first and in the order given; return that."""
    kept = [save for save in saves if await _update_header(connection, save)]
    for save in kept:
        await _write_sums(connection, save)
        await _write_duration(connection, save)
    await _insert(connection, learning_events, [dict(s.ledger) for s in kept])
    await _insert_dead_letters(connection, [dict(d) for s in kept for d in s.dead_letters])
    return kept


async def write_skip(connection: AsyncConnection, skip: ShardSkip) -> bool:
    """Move a shard behind lost records, and say so in the ledger; False where it is not ours."""
    values = {
        "next_offset": skip.next_offset,
        "version": skip.version,
        "counters": dict(skip.counters),
        "fingerprint": None,
        "updated_at": time.time(),
    }
    if not await _moved(connection, skip, values):
        return False
    row = {
        "kind": DATA_GAP,
        "shard_id": skip.id,
        "epoch": skip.epoch,
        "version": skip.version,
        "from_offset": skip.base_offset,
        "to_offset": skip.next_offset,
        "created_at": time.time(),
    }
    await _insert(connection, learning_events, [row])
    return True


async def _moved(
    connection: AsyncConnection, step: ShardSave | ShardSkip, values: Mapping[str, Any]
) -> bool:
    """Compare and set: only whoever has this epoch moves the shard on, from this offset."""
    updated = await connection.execute(
        update(shards)
        .where(
            shards.c.id == step.id,
            shards.c.epoch == step.epoch,
            shards.c.next_offset == step.base_offset,
        )
        .values(**values)
    )
    return bool(updated.rowcount)


async def _update_header(connection: AsyncConnection, save: ShardSave) -> bool:
    values: dict[str, Any] = {
        "next_offset": save.next_offset,
        "version": save.version,
        "counters": dict(save.counters),
        "fingerprint": save.fingerprint,
        "updated_at": time.time(),
    }
    if save.delta is None:
        values["base_version"] = save.version
    if save.reset:
        values["reset_version"] = save.version
    return await _moved(connection, save, values)


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


async def _insert_dead_letters(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Insert letters; a record that is read again (after a reset) is the same letter."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(dead_letters)
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["source", "topic", "partition", "offset"],
            set_={name: new.excluded[name] for name in rows[0]} | {"retried_at": None},
            where=new.excluded.payload_sha256 != dead_letters.c.payload_sha256,
        ),
        rows,
    )


async def _insert(connection: AsyncConnection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(table), rows)
