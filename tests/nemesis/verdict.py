"""What the database says after a run, against what the log must have taught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardHeader, ShardStore
from olearn_core.storage.tables import dead_letters, learning_events
from tests.nemesis.oracle import Oracle, Sums
from tests.support.services import cells_of
from tests.support.workers import stored

RANGES = ("batch", "data_gap")
MOST_SHOWN = 5


async def violations(database: Database, oracle: Oracle, ends: Mapping[int, int]) -> list[str]:
    """Return in what the database differs from a log read once and in order; best is nothing."""
    headers = await ShardStore(database).headers()
    return [
        *_ends_differ(headers, ends),
        *_sums_differ(await sums(database), oracle.cells),
        *_counts_differ(headers, oracle),
        *_letters_differ(await _letters(database), oracle),
        *_chains_broken(await ledger(database), headers, oracle),
    ]


async def sums(database: Database) -> Sums:
    """Return all shards' sums by cell; the hour is left out: one may end in mid-run."""
    totals: dict[tuple[Any, ...], Counter[str]] = {}
    for cell, values in cells_of(await stored(database)).items():
        totals.setdefault(cell[:4], Counter()).update(values)
    kept = {cell: {c: n for c, n in values.items() if n} for cell, values in totals.items()}
    return {cell: values for cell, values in kept.items() if values}


async def ledger(database: Database) -> list[Mapping[str, Any]]:
    """Return the ranges of offsets that were applied, shard by shard in the log's order."""
    rows = learning_events.c
    query = (
        select(rows.shard_id, rows.epoch, rows.from_offset, rows.to_offset, rows.created_at)
        .add_columns(rows.duplicates, rows.dead_letters)
        .where(rows.kind.in_(RANGES))
        .order_by(rows.shard_id, rows.from_offset, rows.to_offset)
    )
    async with database.read() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


async def _letters(database: Database) -> list[tuple[int, int]]:
    query = select(dead_letters.c.partition, dead_letters.c.offset)
    async with database.read() as connection:
        return [(partition, offset) for partition, offset in await connection.execute(query)]


def _ends_differ(headers: Sequence[ShardHeader], ends: Mapping[int, int]) -> list[str]:
    learned = {header.partition: header.next_offset for header in headers}
    return [] if learned == ends else [f"the log ends at {ends}, learned is up to {learned}"]


def _sums_differ(learned: Sums, expected: Sums) -> list[str]:
    wrong = [cell for cell in learned.keys() | expected.keys() if _differ(cell, learned, expected)]
    shown = [f"{c}: {learned.get(c)}, not {expected.get(c)}" for c in sorted(wrong)[:MOST_SHOWN]]
    return [f"{len(wrong)} cells differ: {shown}"] if wrong else []


def _differ(cell: Any, learned: Sums, expected: Sums) -> bool:
    return learned.get(cell) != expected.get(cell)


def _counts_differ(headers: Sequence[ShardHeader], oracle: Oracle) -> list[str]:
    counted = Counter[str]()
    for header in headers:
        counted.update(header.counters)
    expected = {
        "received": oracle.records,
        "samples": len(oracle.ids),
        "duplicates": oracle.duplicates,
        "dead_letters": len(oracle.poison),
    }
    return [
        f"{n}: {counted[n]}, not {count}" for n, count in expected.items() if counted[n] != count
    ]


def _letters_differ(letters: Sequence[tuple[int, int]], oracle: Oracle) -> list[str]:
    if sorted(letters) == sorted(oracle.poison):
        return []
    return [f"{len(letters)} dead letters, not the {len(oracle.poison)} that are poison"]


def _chains_broken(
    rows: Sequence[Mapping[str, Any]], headers: Sequence[ShardHeader], oracle: Oracle
) -> list[str]:
    """Every offset was applied by one update, and no owner after its successor."""
    found = []
    for header in headers:
        mine = [row for row in rows if row["shard_id"] == header.id]
        found += [f"partition {header.partition}: {wrong}" for wrong in _breaks(mine, header)]
    for count, expected in (
        ("duplicates", oracle.duplicates),
        ("dead_letters", len(oracle.poison)),
    ):
        total = sum(row[count] for row in rows)
        if total != expected:
            found.append(f"the ledger has {total} {count}, not {expected}")
    return found


def _breaks(rows: Sequence[Mapping[str, Any]], header: ShardHeader) -> list[str]:
    edges = [(0, None), *((r["from_offset"], r["to_offset"]) for r in rows)]
    found = []
    for before, after in pairwise(rows):
        gap = after["from_offset"] - before["to_offset"]
        if gap:
            found.append(f"{'a gap' if gap > 0 else 'an overlap'} of {abs(gap)}: {before}, {after}")
        if after["epoch"] < before["epoch"]:
            found.append(f"epoch {before['epoch']} comes before {after['epoch']}")
    if rows and (rows[0]["from_offset"], rows[-1]["to_offset"]) != (0, header.next_offset):
        found.append(f"the ledger goes {edges[1]}..{edges[-1]}, not up to {header.next_offset}")
    return found
