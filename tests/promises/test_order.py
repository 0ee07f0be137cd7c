"""Order does not matter: any permutation, any split into shards, any batches: the same bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.learning.shards.shard import Shard
from olearn_core.sources.source import Partition
from olearn_core.statistics import Statistics, content_hash, from_bytes, read_header, to_bytes
from olearn_core.statistics.buckets import DAY_SECONDS
from olearn_core.statistics.codec import canonical
from olearn_core.storage.database import Database
from tests.golden.make import keeper
from tests.promises.by_hand import COLUMNS, fresh_shard, learn
from tests.promises.proof import examples
from tests.support import oracle
from tests.support.events import stream
from tests.support.services import cells_of, open_database
from tests.support.workers import NOW, WrittenLog, learning

pytestmark = pytest.mark.promise("P6")

seeds = st.integers(0, 10**9)
chances = st.randoms(use_true_random=False)


def in_slices(shard: Shard, records: Sequence[bytes], chance: random.Random) -> Shard:
    """Learn records in slices of any sizes, as if saved now and then."""
    start = 0
    while start < len(records):
        size = chance.randrange(1, 30)
        learn(shard, records[start : start + size])
        start += size
        if chance.random() < 0.3:
            shard.tick = None  # as a checkpoint leaves it
    return shard


def split(records: Iterable[bytes], parts: int) -> list[list[bytes]]:
    """Return records by partition; repeats share one, as their key makes them."""
    found: list[list[bytes]] = [[] for _ in range(parts)]
    for record in records:
        found[hashlib.sha256(record).digest()[0] % parts].append(record)
    return found


def total(tables: Iterable[Statistics]) -> Statistics:
    sums = Statistics(COLUMNS)
    for table in tables:
        sums.merge(table)
    return sums


@examples(100, 5_000)
@given(seeds, st.sampled_from([1.0, 5.0, 120.0]), chances)
def test_any_order_in_any_slices_is_the_same_table(
    seed: int, days: float, chance: random.Random
) -> None:
    records = stream(seed, 60, NOW, days=days)
    one = in_slices(fresh_shard(), records, chance)
    other = in_slices(fresh_shard(), chance.sample(records, len(records)), chance)
    assert cells_of(one.table) == oracle.expected(records, NOW)
    assert to_bytes(canonical(one.table)) == to_bytes(canonical(other.table))
    assert content_hash(one.table) == content_hash(other.table)


@examples(80, 5_000)
@given(seeds, st.integers(1, 6), chances)
def test_any_split_into_shards_adds_up_to_the_same_table(
    seed: int, parts: int, chance: random.Random
) -> None:
    """Merged in any order, and in any grouping."""
    records = stream(seed, 80, NOW, days=100)
    whole = in_slices(fresh_shard(), records, chance).table
    tables = [in_slices(fresh_shard(), part, chance).table for part in split(records, parts)]
    chance.shuffle(tables)
    cut = chance.randrange(parts + 1)
    grouped = total(tables[:cut]) + total(tables[cut:])
    for merged in (total(tables), total(reversed(tables)), grouped):
        assert merged == whole
        assert to_bytes(canonical(merged)) == to_bytes(canonical(whole))


@examples(80, 5_000)
@given(seeds, st.lists(st.floats(0, 60), min_size=1, max_size=5), chances)
def test_when_a_record_is_received_does_not_matter_in_the_end(
    seed: int, days_later: list[float], chance: random.Random
) -> None:
    """Buckets are seen from other times, compacted at other times: the end is the same."""
    records, last = stream(seed, 60, NOW, days=100), NOW + max(days_later) * DAY_SECONDS
    at_once = learn(fresh_shard(), records, last)
    shard = fresh_shard()
    cuts = sorted(chance.randrange(len(records)) for _ in days_later)
    for start, end, days in zip(
        [0, *cuts], [*cuts, len(records)], [*sorted(days_later), max(days_later)], strict=True
    ):
        learn(shard, records[start:end], NOW + days * DAY_SECONDS)
        shard.tick = None
    final = shard.table.compact(last)
    assert to_bytes(canonical(final)) == to_bytes(canonical(at_once.table.compact(last)))


# ---- saved versions


def content(artifact: bytes) -> tuple[dict[str, Any], bytes]:
    """Return all that a version's artifact says, but for the moment it was made at."""
    return read_header(artifact) | {"reference_at": 0}, from_bytes(artifact).values.tobytes()


async def versions_of(
    database: Database, folder: Path, parts: Sequence[Sequence[bytes]], batch_size: int
) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Learn each part as a partition of its own; return the content of the saved versions."""
    log = WrittenLog()
    for number, records in enumerate(parts):
        log.write(*records, partition=Partition("outcomes", number))
    async with learning(database, log, batch_size=batch_size, slice_size=batch_size) as rig:
        await rig.caught_up()
    versions = keeper(database, folder)
    saved = [v for v in await versions.save() if v.model_type != "agent_selection"]
    return {v.model_type: content(await versions.store.artifact(v.id)) for v in saved}


async def test_versions_of_any_order_and_split_are_byte_for_byte_the_same(
    tmp_path: Path, sqlite_url: str, database: Database
) -> None:
    """One partition in large batches, or four of them shuffled in small ones."""
    records = stream(6, 600, NOW, days=100)
    shuffled = random.Random(6).sample(records, len(records))
    async with AsyncExitStack() as stack:
        other = await open_database(sqlite_url.replace("olearn.db", "other.db"), stack)
        one = await versions_of(database, tmp_path / "one", [records], 200)
        four = await versions_of(other, tmp_path / "four", split(shuffled, 4), 7)
    assert len(one) == 4
    assert one == four
