"""The ledger: one row an update, one a version, one a finding."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from olearn_core.storage.database import Database
from olearn_core.storage.tables import learning_events as ledger

BATCH = "batch"


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

    async def update_ms_quantile(self, quantile: float, since: float) -> float | None:
        """Return a quantile of update times since then, None where there were none."""
        recent = (ledger.c.kind == BATCH) & (ledger.c.created_at >= since)
        async with self._database.read() as connection:
            count = (await connection.execute(select(func.count()).where(recent))).scalar_one()
            query = select(ledger.c.duration_ms).where(recent).order_by(ledger.c.duration_ms)
            row = await connection.execute(query.offset(int(quantile * count)).limit(1))
            value = row.scalar()
        return None if value is None else float(value)
