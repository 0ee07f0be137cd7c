"""Every node follows a rollback within a poll, whoever did it, and goes on learning."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from olearn_core.service import Service
from tests.support import oracle
from tests.support.events import stream
from tests.support.keepers import POLICY, PREDICTORS, columns_of, expected, plus
from tests.support.services import Running, eventually, publish, received, running, settings_for

MODEL = "success_prediction"

BySum = dict[tuple[str, str], dict[str, float]]


@pytest.fixture
async def nodes(tmp_path: Path, database_url: str) -> list[Running]:
    """Two nodes: the first owns the log, the second only reads."""
    async with AsyncExitStack() as stack:
        settings = settings_for(tmp_path, database_url)
        first = await stack.enter_async_context(running(settings))
        second = await stack.enter_async_context(running(settings))
        assert first.service.worker.shards
        assert not second.service.worker.shards
        yield [first, second]


def seen(service: Service, model: str) -> BySum:
    """Return what a node decides by, in integer steps, what is zero left out."""
    (predictor,) = (p for p in service.models.predictors if p.name == model)
    sums = service.view.sums("default", model, predictor.options.weighting, predictor.count.name)
    found = {}
    for i, task in enumerate(sums.tasks):
        for j, agent in enumerate(sums.agents):
            values = {c: sums.values[i, j, sums.columns[c]] for c in columns_of(model)}
            found[task, agent] = {name: value for name, value in values.items() if value}
    return {cell: values for cell, values in found.items() if values}


def summed(cells: oracle.Cells) -> BySum:
    """Return cells as `seen` does: one tenant's, over all time and contexts."""
    total: BySum = {}
    for (tenant, task, agent, context, *_), values in cells.items():
        if tenant == "default" and not context:
            own = total.setdefault((task, agent), {})
            for name, value in values.items():
                own[name] = own.get(name, 0) + value
    filled = {cell: {n: v for n, v in own.items() if v} for cell, own in total.items()}
    return {cell: own for cell, own in filled.items() if own}


async def all_see(nodes: list[Running], model: str, cells: oracle.Cells) -> None:
    for node in nodes:
        await eventually(lambda node=node: seen(node.service, model) == summed(cells), seconds=2.0)


async def test_both_nodes_follow_and_learn_on(nodes: list[Running]) -> None:
    first, second = (node.service for node in nodes)
    now = time.time()
    records = stream(31, 300, now)
    await publish(second.publisher, records[:100])
    await received(first, 100)
    (version,) = {v.version_number for v in await first.versions.save()}
    await publish(second.publisher, records[100:200])
    await received(first, 200)

    done = await second.rollbacks.to_version(POLICY, version, None, "too slow lately")
    for model in PREDICTORS:
        await all_see(nodes, model, expected(records[:100], model, now))

    await publish(first.publisher, records[200:])
    await received(first, 300)
    since = (1, expected(records, MODEL, now)), (-1, expected(records[:200], MODEL, now))
    await all_see(nodes, MODEL, plus((1, expected(records[:100], MODEL, now)), *since))

    await first.rollbacks.undo(POLICY, done.rollback_id, None, "it was the network")
    for model in PREDICTORS:
        await all_see(nodes, model, expected(records, model, now))


async def test_a_node_that_starts_later_knows_of_it(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(tmp_path, database_url)
    now = time.time()
    records = stream(32, 200, now)
    async with running(settings) as run:
        await publish(run.service.publisher, records[:100])
        await received(run.service, 100)
        await run.service.versions.save()
        await publish(run.service.publisher, records[100:])
        await received(run.service, 200)
        await run.service.rollbacks.to_version(MODEL, 1, None, "")
        await run.crash()
    async with running(settings) as run:
        await all_see([run], MODEL, expected(records[:100], MODEL, now))
        await all_see([run], "cost_prediction", expected(records, "cost_prediction", now))
        other = await run.service.rollbacks.undo(MODEL, 1, None, "")
        assert other.rollback_id == 2
        await all_see([run], MODEL, expected(records, MODEL, now))


async def test_the_version_saved_at_shutdown_is_of_the_rolled_back_model(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    now = time.time()
    records = stream(33, 100, now)
    async with running(settings) as run:
        service = run.service
        await service.versions.save()
        await publish(service.publisher, records)
        await received(service, 100)
        await service.rollbacks.to_version(MODEL, 1, None, "")
        await run.stop()
        active = await service.versions.store.active(MODEL)
        assert active.training_samples == 0
        assert set(active.covered_offsets.values()) == {101}
