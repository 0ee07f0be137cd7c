"""The ledger: one row an update, one a version, one a finding."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from olearn_core.storage.database import Database
from olearn_core.storage.saves import DATA_GAP
from olearn_core.storage.shards import PARTITION_ADDED
from olearn_core.storage.tables import learning_events as ledger
from olearn_core.storage.tables import shards
from olearn_core.times import rfc3339

BATCH = "batch"
DECISIONS = "decisions"
MOST_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that happened once, and that an operator should know.

    :param created_at: Unix seconds
    """

    kind: str
    topic: str | None
    partition: int | None
    from_offset: int | None
    to_offset: int | None
    created_at: float

    @property
    def sentence(self) -> str:
        """The finding in words."""
        at, where = rfc3339(self.created_at), f"{self.topic}/{self.partition}"
        if self.kind == DATA_GAP:
            lost = (self.to_offset or 0) - (self.from_offset or 0)
            return (
                f"{where}: {lost} records ({self.from_offset} to {self.to_offset}, exclusive) were"
                f" deleted from the log before they were learned, seen at {at}"
            )
        return (
            f"a partition was added at {at}: keys have moved, and a repeat of an earlier event"
            " may count again"
        )


@dataclass(frozen=True, slots=True)
class Period:
    """
    What was learned in a stretch of time, by commit time.

    :param mean_update_ms: None where nothing was learned
    """

    updates: int
    samples: int
    executions: int
    success_milli: int
    joined: int
    joined_success_milli: int
    duplicates: int
    dead_letters: int
    mean_update_ms: float | None

    @property
    def score(self) -> float | None:
        """Mean success of outcomes of our decisions; of all outcomes where there are none."""
        if self.joined:
            return self.joined_success_milli / 1_000 / self.joined
        return self.success_milli / 1_000 / self.executions if self.executions else None


class Ledger:
    """Reads the ledger; it is written in checkpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def period(self, since: float, until: float) -> Period:
        """Return what was committed in [since, until), Unix seconds."""
        names = [name for name in Period.__slots__ if name not in ("updates", "mean_update_ms")]
        sums = [func.coalesce(func.sum(ledger.c[name]), 0) for name in names]
        query = select(func.count(), *sums, func.avg(ledger.c.duration_ms)).where(
            ledger.c.kind == BATCH, ledger.c.created_at >= since, ledger.c.created_at < until
        )
        async with self._database.read() as connection:
            updates, *values, mean = (await connection.execute(query)).one()
        counts = {name: int(value) for name, value in zip(names, values, strict=True)}
        return Period(
            updates=int(updates), mean_update_ms=None if mean is None else float(mean), **counts
        )

    async def findings(self, since: float) -> list[Finding]:
        """Return the newest losses and added partitions since then, at most 20."""
        query = (
            select(
                ledger.c.kind,
                shards.c.topic,
                shards.c.partition,
                ledger.c.from_offset,
                ledger.c.to_offset,
                ledger.c.created_at,
            )
            .outerjoin(shards, shards.c.id == ledger.c.shard_id)
            .where(ledger.c.kind.in_((DATA_GAP, PARTITION_ADDED)), ledger.c.created_at >= since)
            .order_by(ledger.c.created_at.desc())
            .limit(MOST_FINDINGS)
        )
        async with self._database.read() as connection:
            return [Finding(*row) for row in await connection.execute(query)]

    async def update_ms_quantile(self, quantile: float, since: float) -> float | None:
        """Return a quantile of update times since then, None where there were none."""
        recent = (ledger.c.kind == BATCH) & (ledger.c.created_at >= since)
        async with self._database.read() as connection:
            count = (await connection.execute(select(func.count()).where(recent))).scalar_one()
            query = select(ledger.c.duration_ms).where(recent).order_by(ledger.c.duration_ms)
            row = await connection.execute(query.offset(int(quantile * count)).limit(1))
            value = row.scalar()
        return None if value is None else float(value)
