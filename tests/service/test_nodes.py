"""Several nodes on one database, and what they do while it is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from olearn_core.errors import SourceError, StorageError
from olearn_core.service import Service
from olearn_core.statistics import Bucket, Cell, Statistics
from olearn_core.storage.adjustments import AdjustmentStore
from tests.servers.postgres import Postgres
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import (
    cells_of,
    eventually,
    publish,
    received,
    running,
    settings_for,
    table_of,
)
from tests.support.workers import assert_ledger_chains, stored


async def test_what_is_published_is_learned_once(tmp_path: Path, database_url: str) -> None:
    now = time.time()
    records = stream(1, 500, now)
    async with running(settings_for(tmp_path, database_url)) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        assert cells_of(table_of(run.service)) == oracle.expected(records, now)


async def test_nodes_decide_by_the_same_model_and_take_over_the_log(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olearn_core.sources.embedded.LEASE_SECONDS", 3.0)
    now = time.time()
    records = stream(2, 300, now)
    settings = settings_for(tmp_path, database_url)
    async with running(settings) as first, AsyncExitStack() as later:
        second = await later.enter_async_context(running(settings))
        assert not second.service.worker.shards, "one of them owns the log"
        await publish(second.service.publisher, records[:150])
        await received(first.service, 150)
        await eventually(lambda: exact(second.service) == exact(first.service), seconds=1.0)
        await eventually(lambda: second.service.view.version == first.service.view.version)
        heir = later.pop_all()
    async with heir:
        await publish(second.service.publisher, records[150:])
        await received(second.service, 300)
        assert cells_of(table_of(second.service)) == oracle.expected(records, now)
        await assert_ledger_chains(second.service.database)


def exact(service: Service) -> dict[tuple[str, str], list[int]]:
    tasks, agents, sums = service.view.exact("default")
    return {
        (task, agent): sums[i, j].tolist()
        for i, task in enumerate(tasks)
        for j, agent in enumerate(agents)
    }


async def test_an_adjustment_shows_in_its_model_s_view_only(
    tmp_path: Path, database_url: str
) -> None:
    async with running(settings_for(tmp_path, database_url)) as run:
        service = run.service
        await publish(service.publisher, [outcome()])
        await received(service, 1)
        cell = Cell("default", "code", "ada", "", Bucket(1, 20_000))
        table = Statistics.of(["executions", "success"], [cell], _values([[10, 10_000]]))
        await AdjustmentStore(service.database).add("success_prediction", "default", table, "test")
        mine, other = (
            next(p for p in service.models.predictors if p.name == name)
            for name in ("success_prediction", "quality_prediction")
        )

        def executions(predictor) -> float:
            weighting, count = predictor.options.weighting, predictor.count.name
            sums = service.view.sums("default", predictor.name, weighting, count)
            return float(sums.column("executions").sum())

        await eventually(lambda: executions(mine) == 11)
        assert executions(other) == 1


def _values(rows: list[list[int]]):
    return np.array(rows, dtype=np.int64)


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that the test may stop."""
    with Postgres(tmp_path) as server:
        yield server


@pytest.mark.postgres
async def test_an_outage_of_the_database_loses_nothing(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    now = time.time()
    records = stream(3, 300, now)
    url = own_postgres.create_database()
    async with running(settings_for(tmp_path, url)) as run:
        service = run.service
        await publish(service.publisher, records[:150])
        await received(service, 150)
        await asyncio.to_thread(own_postgres.kill)
        with pytest.raises(SourceError):
            async with asyncio.timeout(5):
                await service.publisher.publish("k", b"refused")
        assert service.decider is not None
        await asyncio.sleep(1.0)
        assert not run.task.done(), "the service waits"
        await asyncio.to_thread(own_postgres.start)
        await eventually(lambda: service.is_ready and service.worker.shards, "it is back")
        await publish(service.publisher, records[150:])
        await received(service, 300)
        assert cells_of(table_of(service)) == oracle.expected(records, now)
        await eventually(lambda: not service.problems)
        await assert_ledger_chains(service.database)
        assert cells_of(await stored(service.database)) == oracle.expected(records, now)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+asyncpg://me:s3cret@127.0.0.1:1/x", "cannot open the database"),
        ("sqlite+aiosqlite:////proc/nowhere/x.db", "cannot open the database"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_named(
    tmp_path: Path, url: str, said: str
) -> None:
    with pytest.raises(StorageError, match=said) as raised:
        async with running(settings_for(tmp_path, url)):
            pass
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "nonsense:port", ""])
async def test_a_broker_that_cannot_be_reached_is_named(
    tmp_path: Path, sqlite_url: str, servers: str
) -> None:
    kafka = {"enabled": True, "bootstrap_servers": servers}
    with pytest.raises(SourceError):
        async with running(settings_for(tmp_path, sqlite_url, kafka=kafka)):
            pass
