"""What a worker lives through in a failpoint test: every kind of record, load and checkpoint."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select

from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.tables import dead_letters
from tests.support import oracle
from tests.support.events import POISON, outcome, rfc3339, stream
from tests.support.services import cells_of
from tests.support.workers import (
    NOW,
    WrittenLog,
    assert_ledger_chains,
    bundled_columns,
    ledger_rows,
    stored,
)

PARTITIONS = (Partition("outcomes", 0), Partition("outcomes", 1))
LATER = NOW + 60 * 3_600
PART_SIZE = 24
DELTAS = {"base_interval_seconds": 1_000.0}
BASES = {"base_interval_seconds": 1e-9}

# Found once: looking for plugins takes longer than a checkpoint.
COLUMNS = bundled_columns()

Records = dict[Partition, list[bytes]]


class Session(NamedTuple):
    """
    The life of one worker.

    :param parts: what is written one after the other, each learned in a checkpoint of its own
    :param learning: its settings
    :param nows: the clock at each part
    """

    parts: Sequence[Records]
    learning: dict[str, Any]
    nows: Sequence[float]


class Story:
    """
    Two workers one after the other, and what a third one finds in the log.

    The first checkpoints are deltas, the next ones bases; at the last of them
    hours have become days, so that all bases are written anew.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        written = stream(seed, 5 * PART_SIZE, NOW)
        parts = [
            divided(self._spiced(rng, written, number * PART_SIZE, f"{seed}-{number}"))
            for number in range(5)
        ]
        self.sessions = (
            Session(parts[:2], DELTAS, (NOW, NOW)),
            Session(parts[2:4], BASES, (NOW, LATER)),
        )
        self.epilogue = parts[4]

    @staticmethod
    def _spiced(rng: random.Random, written: list[bytes], start: int, name: str) -> list[bytes]:
        """Return a part that has something bad, something twice, a rating alone."""
        part = written[start : start + PART_SIZE]
        earlier = rng.sample(written[: start + PART_SIZE], 4)
        at = rfc3339(NOW - 3_600)
        rated = outcome(event_id=f"rated {name}", status=..., quality_score=0.5, timestamp=at)
        return [*part, *earlier, *rng.sample(POISON, 2), rated]

    @property
    def records(self) -> Records:
        """Everything but the epilogue, as it lies in the log."""
        parts = [part for session in self.sessions for part in session.parts]
        return {p: [r for part in parts for r in part[p]] for p in PARTITIONS}

    @property
    def all_records(self) -> Records:
        """What is learned in the end."""
        return {p: [*records, *self.epilogue[p]] for p, records in self.records.items()}


def divided(records: Sequence[bytes]) -> Records:
    """Give equal records the same partition, as their keys do."""
    parts: Records = {partition: [] for partition in PARTITIONS}
    for record in records:
        parts[PARTITIONS[hashlib.sha256(record).digest()[0] % 2]].append(record)
    return parts


def empty_log() -> WrittenLog:
    """Return a log with the story's partitions."""
    log = WrittenLog()
    log.partitions = {partition: [] for partition in PARTITIONS}
    return log


def write(log: WrittenLog, part: Records) -> None:
    """Append a part to a log."""
    for partition, records in part.items():
        log.write(*records, partition=partition)


async def assert_exact(database: Database, records: Records) -> None:
    """Each record has had its effect once: on sums, ledger, counters and dead letters."""
    everything = [record for part in records.values() for record in part]
    assert cells_of(await stored(database)) == oracle.expected(everything, LATER), "other sums"
    await assert_ledger_chains(database)
    headers = {header.partition: header for header in await ShardStore(database).headers()}
    rows = await ledger_rows(database)
    for partition, part in records.items():
        header = headers[partition.number]
        mine = [row for row in rows if row["shard_id"] == header.id]
        ends = (mine[0]["from_offset"], header.next_offset)
        assert ends == (0, len(part)), f"learned {ends} of {len(part)}"
        wanted = {"received": len(part), "duplicates": repeats(part), "dead_letters": poison(part)}
        counted = {name: header.counters.get(name, 0) for name in wanted}
        assert counted == wanted, f"counted {counted}, not {wanted}"
        assert sum(row["duplicates"] for row in mine) == wanted["duplicates"], "ledger's repeats"
        found = await letters(database, partition)
        assert found == refused(part), f"dead letters {found}, not {refused(part)}"


def repeats(records: Sequence[bytes]) -> int:
    """Return how many of a partition's records were there before."""
    return len(_identities(records)) - taught(records)


def taught(records: Sequence[bytes]) -> int:
    """Return how many records teach something."""
    return len(set(_identities(records)))


def _identities(records: Sequence[bytes]) -> list[tuple[str | None, str, bool]]:
    events = [json.loads(record) for record in records if oracle.readable(record)]
    return [
        (event.get("tenant_id"), event["event_id"], oracle.status_of(event) is None)
        for event in events
        if event.get("status") not in ("pending", "cancelled")
    ]


def refused(records: Sequence[bytes]) -> list[int]:
    """Return the offsets of what cannot be learned."""
    return [offset for offset, r in enumerate(records) if oracle.readable(r) is None]


def poison(records: Sequence[bytes]) -> int:
    """Return how many cannot be learned."""
    return len(refused(records))


async def letters(database: Database, partition: Partition) -> list[int]:
    """Return the offsets of a partition's dead letters."""
    mine = dead_letters.c.partition == partition.number
    query = select(dead_letters.c.offset).where(mine).order_by(dead_letters.c.offset)
    async with database.read() as connection:
        return list((await connection.execute(query)).scalars())
