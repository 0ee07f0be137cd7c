"""What is torn or changed is refused and said; never is it taken for an empty model."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import Table, select, update

from olearn_core.errors import CorruptArtifactError
from olearn_core.learning.versions.versions import VersionKeeper
from olearn_core.sources.source import Partition
from olearn_core.statistics import from_bytes, to_bytes
from olearn_core.storage.database import Database
from olearn_core.storage.tables import dedup_segments, model_versions, shard_bases, shard_deltas
from tests.golden.make import keeper
from tests.promises.by_hand import fresh_shard, learn
from tests.promises.proof import size
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import cells_of, eventually, open_database
from tests.support.workers import NOW, PARTITION, WrittenLog, learning

pytestmark = pytest.mark.promise("P12")

OTHER = Partition("outcomes", 1)


def blob_of(records: int) -> bytes:
    """Return what a shard of so many outcomes is stored as."""
    return to_bytes(learn(fresh_shard(), stream(12, records, NOW)).table)


def torn(rng: random.Random, blob: bytes) -> bytes:
    """Return the blob cut, flipped in a bit or two, zeroed in part, or of nothing at all."""
    at = rng.randrange(len(blob))
    match rng.randrange(4):
        case 0:
            return blob[:at]
        case 1:
            return blob[:at] + bytes(min(512, len(blob) - at)) + blob[at + 512 :]
        case 2:
            return b""
        case _:
            return flipped(rng, blob, rng.randrange(1, 3))


def flipped(rng: random.Random, blob: bytes, bits: int) -> bytes:
    changed = bytearray(blob)
    for at in rng.sample(range(len(blob) * 8), bits):
        changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


# ---- tables


def test_a_table_cut_at_any_byte_is_refused() -> None:
    blob = blob_of(3)
    for length in range(len(blob)):
        with pytest.raises(CorruptArtifactError):
            from_bytes(blob[:length])


@pytest.mark.timeout(600)
def test_a_table_with_flipped_bits_is_refused_or_says_the_same() -> None:
    """Only the zip's own metadata (dates, rights) may change unseen."""
    blob, rng, refused = blob_of(100), random.Random(12), 0
    expected, tries = from_bytes(blob), size(1_000, 50_000)
    for _ in range(tries):
        try:
            assert from_bytes(flipped(rng, blob, rng.randrange(1, 4))) == expected
        except CorruptArtifactError:
            refused += 1
    assert refused > tries * 0.9


# ---- versions


async def put(database: Database, table: Table, column: str, row: object, blob: bytes) -> None:
    async with database.write() as connection:
        await connection.execute(update(table).where(row).values({column: blob}))


@pytest.fixture
async def versions(database: Database, tmp_path: Path) -> VersionKeeper:
    """Three versions of every model, each of more outcomes than the last."""
    log, kept = WrittenLog(), keeper(database, tmp_path)
    for number in range(3):
        log.write(*stream(number, 60, NOW))
        async with learning(database, log) as rig:
            await rig.caught_up()
        await kept.save()
    return kept


@pytest.mark.timeout(3_600)
async def test_a_torn_version_gives_way_to_the_one_before_it(
    database: Database, versions: VersionKeeper
) -> None:
    """However it is torn; and where that one is torn too, to the one before that."""
    rng, store = random.Random(12), versions.store
    newest, middle, oldest = await store.all("success_prediction")
    good = {v.id: await store.artifact(v.id) for v in (newest, middle, oldest)}
    for number in range(size(24, 500)):
        bad = (newest, middle) if number % 3 == 0 else (newest,)
        for version in bad:
            found = torn(rng, good[version.id])
            await put(
                database, model_versions, "artifact", model_versions.c.id == version.id, found
            )
        findings = await versions.check()
        assert len(findings) >= len(bad)
        active = await store.active("success_prediction")
        expected = oldest if len(bad) == 2 else middle
        assert active.id == expected.id
        assert from_bytes(await store.artifact(active.id)).totals()["executions"] > 0
        await heal(database, good, newest.id)


async def heal(database: Database, good: dict[int, bytes], active: int) -> None:
    async with database.write() as connection:
        for version, artifact in good.items():
            status = "active" if version == active else "deprecated"
            row = update(model_versions).where(model_versions.c.id == version)
            await connection.execute(row.values(artifact=artifact, status=status))


async def test_exported_files_that_are_torn_are_written_anew(
    versions: VersionKeeper, tmp_path: Path
) -> None:
    path, rng = tmp_path / "models" / "success_prediction.npz", random.Random(12)
    good = path.read_bytes()
    for _ in range(size(30, 1_000)):
        path.write_bytes(torn(rng, good))
        assert any(str(path) in finding for finding in await versions.check())
        assert path.read_bytes() == good


# ---- shards


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """A database of the kind that costs least: reading blobs is not its business."""
    async with AsyncExitStack() as stack:
        yield await open_database(sqlite_url, stack)


BLOBS = [
    (shard_bases, "sums"),
    (shard_deltas, "sums"),
    (shard_deltas, "executions"),
    (shard_deltas, "ratings"),
    (dedup_segments, "hashes"),
]


async def learned(database: Database) -> tuple[WrittenLog, Sequence[bytes]]:
    """Learn two partitions, so that each has bases, segments and deltas."""
    log, records = WrittenLog(), stream(13, 150, NOW)
    for part, interval in ((records[:100], 1e-9), (records[100:], 60.0)):
        for partition in (PARTITION, OTHER):
            log.write(*part, partition=partition)
        async with learning(database, log, base_interval_seconds=interval) as rig:
            await rig.caught_up()
    return log, records


TEARS = {
    "cut": lambda blob: blob[:-1],
    "cut in half": lambda blob: blob[: len(blob) // 16 * 8],
    "changed": lambda blob: blob[: len(blob) // 2] + b"~" + blob[len(blob) // 2 + 1 :],
}


@pytest.mark.parametrize("how", TEARS)
@pytest.mark.parametrize(("table", "column"), BLOBS, ids=lambda part: getattr(part, "name", part))
async def test_a_torn_shard_is_not_owned_until_it_is_mended(
    sqlite: Database, table: Table, column: str, how: str
) -> None:
    """It says what is wrong and takes nothing; the others learn on; what was kept is kept."""
    database = sqlite
    log, records = await learned(database)
    ours = table.c.shard_id == 1
    async with database.read() as connection:
        first = await connection.execute(select(table.c[column]).where(ours).limit(1))
        good = bytes(first.scalar_one())
    bad = TEARS[how](good)
    await put(database, table, column, ours & (table.c[column] == good), bad)
    new = outcome(event_id="new", agent_name="ada", task_type="code")
    for partition in (PARTITION, OTHER):
        log.write(new, partition=partition)
    async with learning(database, log) as rig:
        problems = rig.worker.problems
        await eventually(lambda: "cannot be loaded" in problems.get("outcomes/0", ""))
        await eventually(lambda: OTHER in rig.worker.shards)
        await eventually(lambda: rig.worker.shards[OTHER].next_offset == len(records) + 1)
        assert PARTITION not in rig.worker.shards
        await put(database, table, column, ours & (table.c[column] == bad), good)
        await rig.caught_up()
        assert problems == {}
        expected = oracle.expected([*records, new], NOW)
        for shard in rig.worker.shards.values():
            assert cells_of(shard.table) == expected
