"""Agents over HTTP: their record, what is believed of them, and retiring them."""

from __future__ import annotations

import math
import time
from base64 import urlsafe_b64encode as b64encode
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from olearn_core.api.app import create_app
from olearn_core.statistics.buckets import HOUR_SECONDS
from olearn_plugins.latency import LatencyPredictor
from tests.api.conftest import Api
from tests.support.credentials import admit
from tests.support.events import rfc3339
from tests.support.services import eventually, publish, received, running, settings_for

FLEET = [
    {"agent_name": "ada", "task_type": "code", "status": "success", "latency_ms": 100.0},
    {"agent_name": "ada", "task_type": "code", "status": "failure", "latency_ms": 400.0},
    {"agent_name": "ada", "task_type": "text", "status": "timeout", "quality_score": 0.5},
    {"agent_name": "bob", "task_type": "code", "success": True, "cost_usd": 0.25},
    {"agent_name": "cleo", "task_type": "text", "success": True, "latency_ms": 50.0},
]


def hours_ago(hours: float) -> str:
    return rfc3339(time.time() - hours * HOUR_SECONDS)


async def names(api: Api, query: str = "") -> list[str]:
    body = (await api.get(f"/agents{query}")).json()
    return [agent["agent_name"] for agent in body["agents"]]


async def test_before_any_outcome_there_is_no_agent(api: Api) -> None:
    body = (await api.get("/agents")).json()
    assert (body["agents"], body["total"], body["next_cursor"]) == ([], 0, None)
    answer = await api.get("/agents/ada")
    assert answer.status_code == 404
    assert "no outcome of it was learned" in answer.json()["detail"]


async def test_the_list_tells_each_agents_record(api: Api) -> None:
    await api.learn(*FLEET)
    body = (await api.get("/agents?sort=name")).json()
    ada, bob, _ = body["agents"]
    assert body["total"] == 3
    assert (ada["executions"], ada["timeouts"], ada["retired"]) == (3, 1, False)
    assert ada["success"]["mean"] == pytest.approx(1 / 3)
    assert 0 < ada["success"]["low"] < 1 / 3 < ada["success"]["high"] < 1
    assert ada["share_lately"] == pytest.approx(0.6)
    assert ada["trend"]["executions"][-1] == 3
    assert ada["trend"]["success"][-1] == pytest.approx(1 / 3)
    assert ada["trend"]["success"][0] is None
    assert ada["quality"]["n"] == 1
    assert ada["cost"] is None
    assert bob["cost"] == {"mean_usd": 0.25, "total_usd": 0.25, "n": 1}
    assert bob["latency"] is None
    assert datetime.fromisoformat(bob["last_seen"]) > datetime.now(UTC) - timedelta(hours=2)


async def test_latency_percentiles_are_those_of_the_lognormal_law(api: Api) -> None:
    await api.learn(*FLEET)
    latency = (await api.get("/agents/ada")).json()["latency"]
    mu, sigma = (math.log(100) + math.log(400)) / 2, (math.log(400) - math.log(100)) / 2
    assert latency["mean_ms"] == pytest.approx(250.0)
    assert latency["p50_ms"] == pytest.approx(math.exp(mu), rel=0.01)
    assert latency["p95_ms"] == pytest.approx(math.exp(mu + 1.645 * sigma), rel=0.01)
    assert latency["low_ms"] < latency["p50_ms"] < latency["p95_ms"] < latency["high_ms"]


ORDERS = [
    ("?sort=executions", ["ada", "cleo", "bob"]),
    ("?sort=executions&order=asc", ["bob", "cleo", "ada"]),
    ("?sort=name", ["ada", "bob", "cleo"]),
    ("?sort=name&order=desc", ["cleo", "bob", "ada"]),
    ("?sort=latency", ["cleo", "ada", "bob"]),
    ("?sort=latency&order=desc", ["ada", "cleo", "bob"]),
    ("?sort=cost", ["bob", "ada", "cleo"]),
    ("?sort=success", ["cleo", "bob", "ada"]),
]


async def test_pages_are_sorted_and_agents_without_a_value_come_last(api: Api) -> None:
    await api.learn(*FLEET)
    for query, expected in ORDERS:
        assert await names(api, query) == expected
        assert await names_by_page(api, query) == expected


async def names_by_page(api: Api, query: str) -> list[str]:
    cursor, found = "", []
    while True:
        page = (await api.get(f"/agents{query}&limit=1{cursor}")).json()
        assert page["total"] == 3
        found += [agent["agent_name"] for agent in page["agents"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    await api.learn(*FLEET)
    of_names = (await api.get("/agents?sort=name&limit=1")).json()["next_cursor"]
    forged = b64encode(b'["executions",true,"a text","ada"]').decode()
    for cursor in ("x", "AAAA", "eyJhIjoxfQ==", of_names, forged):
        answer = await api.get(f"/agents?cursor={cursor}")
        assert answer.status_code == 404, cursor
        assert "cursor" in answer.json()["detail"]


async def test_one_agent_with_what_is_believed_on_each_task(api: Api) -> None:
    await api.learn(*FLEET)
    body = (await api.get("/agents/ada?task_type=code")).json()
    code, text = body["task_types"]
    assert (code["task_type"], code["executions"], code["success_rate"]) == ("code", 2, 0.5)
    assert (text["executions"], text["avg_quality"]) == (1, 0.5)
    assert body["beliefs"] == code["beliefs"]
    success = next(b for b in code["beliefs"] if b["model_type"] == "success_prediction")
    assert (success["component"], success["unit"]) == ("success", "share")
    assert 0 < success["low"] < success["mean"] < success["high"] < 1
    asked = {"task_type": "code", "agents": ["ada"]}
    (estimate,) = (await api.post("/predict/success_prediction", json=asked)).json()["estimates"]
    assert estimate["mean"] == pytest.approx(success["mean"], abs=1e-6)
    assert estimate["effective_n"] == pytest.approx(success["effective_n"], abs=1e-6)


async def test_a_predictor_that_raises_spoils_only_its_own_belief(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    await api.learn(*FLEET)
    monkeypatch.setattr(LatencyPredictor, "estimate", broken)
    answer = await api.get("/agents/ada?task_type=code")
    assert answer.status_code == 200
    believed = {belief["model_type"] for belief in answer.json()["beliefs"]}
    assert believed == {"success_prediction", "quality_prediction", "cost_prediction"}


async def test_history_is_told_by_hour_and_by_day(api: Api) -> None:
    old = {"agent_name": "ada", "status": "failure", "timestamp": hours_ago(24 * 5)}
    recent = {"agent_name": "ada", "status": "success", "timestamp": hours_ago(3)}
    await api.learn(old, old, recent)
    history = (await api.get("/agents/ada")).json()["history"]
    (hour,) = history["hours"]
    assert (hour["executions"], hour["success_rate"]) == (1, 1.0)
    assert datetime.fromisoformat(hour["start"]).minute == 0
    first, last = history["days"]
    assert (first["executions"], first["success_rate"]) == (2, 0.0)
    assert (last["executions"], last["success_rate"]) == (1, 1.0)
    assert datetime.fromisoformat(first["start"]).hour == 0


async def test_recent_outcomes_come_newest_first(api: Api) -> None:
    await api.learn({"agent_name": "ada", "task_type": "code", "status": "failure"})
    decided = (await api.post("/decisions", json={"eligible_agents": ["ada"]})).json()
    await api.learn(
        {
            "agent_name": "ada",
            "status": "success",
            "latency_ms": 7.0,
            "decision_id": decided["decision_id"],
        }
    )
    newest, oldest = (await api.get("/agents/ada")).json()["recent"]
    assert (newest["status"], newest["latency_ms"], newest["decided"]) == ("success", 7.0, True)
    assert (oldest["status"], oldest["task_type"], oldest["decided"]) == ("failure", "code", False)


async def test_at_most_fifty_recent_outcomes_are_remembered(api: Api) -> None:
    await api.learn(
        *[{"agent_name": "ada", "success": True, "event_id": str(i)} for i in range(60)]
    )
    assert len((await api.get("/agents/ada")).json()["recent"]) == 50


async def test_any_name_can_be_asked_for(api: Api) -> None:
    names = ["meta/llama", "100%", "a%2Fb", "%/%2F", "ä ö", "a/retire", "x?y#z"]
    await api.learn(*[{"agent_name": name, "success": True} for name in names])
    for name in names:
        path = f"/agents/{quote(name, safe='')}"
        assert (await api.get(path)).json()["agent_name"] == name
        assert (await api.post(f"{path}/retire")).json()["agent_name"] == name


async def test_a_retired_agent_is_chosen_no_more_until_it_is_reinstated(api: Api) -> None:
    await api.learn(*FLEET)
    answer = await api.post("/agents/ada/retire", json={"reason": "too slow"})
    assert answer.status_code == 200
    assert (answer.json()["retired"], answer.json()["reason"]) == (True, "too slow")
    assert set(await candidates(api)) == {"bob", "cleo"}
    assert await names(api, "?retired=true") == ["ada"]
    assert set(await names(api, "?retired=false")) == {"bob", "cleo"}
    body = (await api.get("/agents/ada")).json()
    assert (body["retired"], body["retired_reason"]) == (True, "too slow")
    assert body["retired_at"] is not None
    assert (await api.post("/agents/ada/reinstate")).json()["retired"] is False
    assert set(await candidates(api)) == {"ada", "bob", "cleo"}


async def candidates(api: Api, **asked: object) -> list[str]:
    body = (await api.post("/decisions", json=asked)).json()
    return [row["agent_name"] for row in body["recommendations"]]


async def test_retiring_twice_keeps_the_first_reason(api: Api) -> None:
    await api.learn(*FLEET)
    await api.post("/agents/ada/retire", json={"reason": "first"})
    answer = await api.post("/agents/ada/retire", json={"reason": "second"})
    assert answer.json()["reason"] == "first"


async def test_naming_a_retired_agent_leaves_it_out_and_naming_it_alone_is_refused(
    api: Api,
) -> None:
    await api.learn(*FLEET)
    await api.post("/agents/ada/retire")
    assert await candidates(api, eligible_agents=["ada", "bob"]) == ["bob"]
    answer = await api.post("/decisions", json={"eligible_agents": ["ada"]})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "#/eligible_agents"


async def test_a_decision_for_an_agent_that_is_retired_since_can_be_explained(api: Api) -> None:
    await api.learn(*FLEET)
    decided = (await api.post("/decisions", json={"eligible_agents": ["ada"]})).json()
    await api.post("/agents/ada/retire")
    answer = await api.get(f"/decisions/{decided['decision_id']}/explanation")
    assert answer.status_code == 200


async def test_retiring_an_agent_that_nobody_knows_is_refused(api: Api) -> None:
    for verb in ("retire", "reinstate"):
        assert (await api.post(f"/agents/nobody/{verb}")).status_code == 404


async def test_every_node_knows_of_a_retirement_within_a_second(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_for(tmp_path, database_url)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(settings))
        second = await stack.enter_async_context(running(settings))
        await publish(first.service.publisher, [b'{"agent_name": "ada", "success": true}'])
        await received(first.service, 1)
        transport = httpx2.ASGITransport(create_app(first.service))
        headers = await admit(first.service)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            path = "http://localhost/api/learning/agents/ada"
            headers = {"Content-Type": "application/json"}
            assert (await client.post(f"{path}/retire", headers=headers)).status_code == 200
            await eventually(lambda: "ada" in second.service.retired.names("default"), seconds=1.0)
            assert "ada" not in second.service.decider.recent("default")
            assert (await client.post(f"{path}/reinstate", headers=headers)).status_code == 200
            await eventually(
                lambda: "ada" not in second.service.retired.names("default"), seconds=1.0
            )
