"""Versions and rollbacks of the bundled models, on a database of the test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from olearn_core.learning.shards.loading import apply
from olearn_core.learning.versions.rollback import Rollbacks
from olearn_core.learning.versions.versions import VersionKeeper
from olearn_core.plugins import Models, Plugins
from olearn_core.statistics import Bucket, Cell, Statistics
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.export import Exporter
from olearn_core.storage.leases import Leases
from olearn_core.storage.shards import ShardStore
from tests.support import oracle
from tests.support.services import cells_of
from tests.support.workers import NOW

POLICY = "agent_selection"
PREDICTORS = ("success_prediction", "quality_prediction", "latency_prediction", "cost_prediction")


@cache
def models() -> Models:
    return Plugins.found().models(POLICY, {})


def columns_of(model: str) -> list[str]:
    (predictor,) = (p for p in models().predictors if p.name == model)
    return [column.name for column in predictor.columns]


def keeper_on(database: Database, folder: Path, holder: str = "one") -> VersionKeeper:
    """Return what saves versions; files go into the folder."""
    made = models()
    return VersionKeeper(
        database,
        Leases(database, holder),
        made.predictors,
        made.policy,
        made.column_names,
        Exporter(folder),
    )


def rollbacks_on(database: Database, keeper: VersionKeeper) -> Rollbacks:
    return Rollbacks(database, keeper, models().predictors, models().column_names)


async def held(database: Database, model: str) -> Statistics:
    """Return what nodes decide by, as far as it is committed: the shards and adjustments."""
    return (await all_held(database))[model]


async def held_cells(database: Database, model: str) -> oracle.Cells:
    return cells_of(await held(database, model))


async def all_held(database: Database) -> dict[str, Statistics]:
    """Return what is held by each predictor."""
    store, names = ShardStore(database), models().column_names
    shards = [await store.sums(header.id, -1) for header in await store.headers()]
    tables = [apply(Statistics(names), sums) for _, sums in shards]
    adjusted = await AdjustmentStore(database).load(names)
    found = {}
    for model in PREDICTORS:
        total = Statistics(names)
        for table in (*tables, *(t for (name, _), t in adjusted.items() if name == model)):
            total.merge(table)
        found[model] = total.select(columns_of(model)).compact(time.time())
    return found


def expected(records: Sequence[bytes], model: str, now: float = NOW) -> oracle.Cells:
    """Return what a model has to hold of these records."""
    wanted = columns_of(model)
    cells = oracle.expected(records, now).items()
    return _filled({cell: {c: v for c, v in s.items() if c in wanted} for cell, s in cells})


def plus(*terms: tuple[int, oracle.Cells]) -> oracle.Cells:
    """Add up cells, each term as often as its factor says."""
    total: oracle.Cells = {}
    for factor, cells in terms:
        for cell, values in cells.items():
            own = total.setdefault(cell, {})
            for column, value in values.items():
                own[column] = own.get(column, 0) + factor * value
    return _filled(total)


def _filled(cells: oracle.Cells) -> oracle.Cells:
    kept = {cell: {c: v for c, v in values.items() if v} for cell, values in cells.items()}
    return {cell: values for cell, values in kept.items() if values}


def of_tenant(cells: oracle.Cells, tenant: str) -> oracle.Cells:
    return {cell: values for cell, values in cells.items() if cell[0] == tenant}


def one_row(columns: Sequence[str]) -> Statistics:
    """Return a table of ones in a single cell."""
    cell = Cell("default", "code", "ada", "", Bucket(0, int(NOW // 3_600)))
    return Statistics.of(columns, [cell], np.ones((1, len(columns)), dtype=np.int64))
