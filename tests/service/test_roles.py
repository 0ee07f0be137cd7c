"""Nodes that only learn and nodes that only answer are one service."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from olearn_core.api.app import create_app
from olearn_core.sources.publisher import Publisher
from tests.support import oracle
from tests.support.credentials import admit
from tests.support.events import outcome, stream
from tests.support.services import (
    Running,
    cells_of,
    eventually,
    publish,
    received,
    running,
    settings_for,
    table_of,
)


def _settings(folder: Path, url: str, role: str, **sections: Any):
    return settings_for(folder, url, service={"role": role}, **sections)


async def _client(run: Running) -> TestClient:
    return TestClient(
        create_app(run.service),
        base_url="http://127.0.0.1",
        headers=await admit(run.service),
        raise_server_exceptions=False,
    )


async def test_a_learner_learns_what_an_answering_node_takes_and_it_answers_within_a_second(
    tmp_path: Path, database_url: str
) -> None:
    now = time.time()
    records = stream(1, 300, now)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running(_settings(tmp_path, database_url, "api")))
        learner = await stack.enter_async_context(
            running(_settings(tmp_path, database_url, "learner"))
        )
        await publish(api.service.publisher, records)
        await received(learner.service, len(records))
        assert not api.service.worker.shards
        assert cells_of(table_of(learner.service)) == oracle.expected(records, now)

        def same() -> bool:
            ours, theirs = (node.service.view.exact("default") for node in (api, learner))
            return ours[:2] == theirs[:2] and (ours[2] == theirs[2]).all()

        await eventually(same, "the answering node knows it", 1.0)
        assert api.service.is_ready


async def test_an_answering_node_needs_no_learner_to_be_ready(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with running(_settings(tmp_path, sqlite_url, "api")) as api:
        client = await _client(api)
        assert client.get("/readyz").status_code == 200
        status = client.get("/api/learning/status").json()
        assert (status["role"], status["partitions"], status["status"]) == ("api", [], "healthy")
        body = {"eligible_agents": ["ada", "bob"]}
        assert client.post("/api/learning/decisions", json=body).status_code == 200


async def test_a_learner_tells_how_it_is_and_sends_others_elsewhere(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with running(_settings(tmp_path, sqlite_url, "learner")) as learner:
        client = await _client(learner)
        for path in ("/livez", "/readyz", "/api/learning/status", "/api/learning/metrics"):
            assert client.get(path).status_code == 200
        refused = client.post("/api/learning/decisions", json={})
        assert refused.status_code == 421
        assert refused.json()["detail"].startswith("The node only learns")


@pytest.mark.kafka
async def test_an_answering_node_joins_no_group(
    tmp_path: Path, database_url: str, kafka_broker: Any, kafka_topic: Any
) -> None:
    kafka = {
        "bootstrap_servers": kafka_broker.bootstrap,
        "outcome_topic": await kafka_topic(2),
        "group": tmp_path.name,
    }
    records = [outcome(event_id=str(i)) for i in range(200)]
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            running(_settings(tmp_path, database_url, "api", kafka=kafka))
        )
        learner = await stack.enter_async_context(
            running(_settings(tmp_path, database_url, "learner", kafka=kafka))
        )
        publisher: Publisher = api.service.publisher
        await publish(publisher, records)
        await received(learner.service, len(records))
        assert len(learner.service.worker.shards) == 2, "the learner has all of it"
        assert table_of(learner.service).totals()["executions"] == 200
