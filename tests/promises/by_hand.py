"""A shard on a real database that reads, learns, saves and crashes at a test's word."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from olearn_core.config import DatabaseSettings
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.statistics import Statistics
from olearn_core.storage.database import Database
from olearn_core.storage.outcome_log import LoggedRecord
from tests.support.services import open_database
from tests.support.workers import NOW, PARTITION, Rig, WrittenLog, bundled_columns

BUNDLED = bundled_columns()
COLUMNS = [column.name for column in BUNDLED]


class ByHand:
    """
    One partition's shard without its worker: what a worker does, step by step.

    :ivar now: the clock that batches are received by
    """

    def __init__(self, database: Database, log: WrittenLog, **learning: Any) -> None:
        self.log = log
        self.now = NOW
        # Bases are due at a kilobyte: checkpoints write deltas and bases in turn.
        self.rig = Rig(database, log, columns=BUNDLED, base_interval_bytes=1_024, **learning)
        self.shard: Shard

    async def start(self) -> None:
        """Claim the partition and load it; what an earlier owner had not saved is gone."""
        self.shard = self.rig._shard(await self.rig.loader.load(PARTITION))
        self.log.resume(PARTITION, self.shard.next_offset)

    async def learn(self, most: int) -> None:
        """Learn the next records, all in one slice."""
        fetched = await self.log.fetch(most, 0.0)
        if records := fetched.get(PARTITION):
            self.shard.learn(records, self.now)

    async def save(self) -> None:
        saved = await self.rig.checkpointer.save([self.shard])
        assert not [*saved.fenced, *saved.refused]

    async def learn_all(self) -> None:
        """Learn and save everything that is left."""
        await self.learn(len(self.log.partitions[PARTITION]))
        await self.save()

    def count(self, name: str) -> int:
        """Return how often something has happened since the beginning."""
        return self.shard.counters().get(name, 0)


def fresh_shard(*, start: int = 0, **learning: Any) -> Shard:
    """Return a shard that no database knows, and that has learned nothing."""
    rig = Rig(None, WrittenLog(), columns=BUNDLED, **learning)  # type: ignore[arg-type]
    state = ShardState(
        id=1,
        partition=PARTITION,
        epoch=1,
        next_offset=start,
        version=0,
        table=Statistics(COLUMNS),
        executions=DedupWindow(rig.settings.dedup_ids),
        ratings=DedupWindow(rig.settings.dedup_ratings),
    )
    return rig._shard(state)


def numbered(values: Sequence[bytes | None], start: int = 0) -> list[LoggedRecord]:
    """Return values as records of a log, from this offset on."""
    at_ms = int(NOW * 1_000)
    return [LoggedRecord(start + i, value, at_ms) for i, value in enumerate(values)]


def learn(shard: Shard, values: Sequence[bytes | None], now: float = NOW) -> Shard:
    """Learn values in one slice, behind what the shard has learned."""
    if values:
        shard.learn(numbered(values, shard.next_offset), now)
    return shard


async def template(folder: Path) -> Path:
    """Return the file of an empty database, to be copied: making one takes long."""
    path = folder / "template.db"
    async with AsyncExitStack() as stack:
        await open_database(f"sqlite+aiosqlite:///{path}", stack)
    return path


@asynccontextmanager
async def database_from(path: Path) -> AsyncIterator[Database]:
    """A database of its own, made from the template."""
    copy = path.with_name("copy.db")
    for old in path.parent.glob("copy.db*"):
        old.unlink()
    shutil.copyfile(path, copy)
    url = f"sqlite+aiosqlite:///{copy}"
    async with AsyncExitStack() as stack:
        settings = DatabaseSettings(url=url, sqlite_synchronous="NORMAL")
        yield await Database.open(settings, stack)
