"""Every route of the API, with the bodies that clients rely on."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import Api, Serving
from tests.support.services import eventually, received

METRICS = {
    "total_updates",
    "successful_updates",
    "failed_updates",
    "avg_update_time_ms",
    "samples_processed",
    "current_model_score",
    "improvement_rate",
    "agent_count",
    "task_patterns",
}
MODELS = (
    "agent_selection",
    "success_prediction",
    "quality_prediction",
    "latency_prediction",
    "cost_prediction",
)
FLEET = [
    {"agent_name": "ada", "task_type": "code", "status": "success", "latency_ms": 100.0},
    {"agent_name": "ada", "task_type": "code", "status": "failure", "latency_ms": 300.0},
    {"agent_name": "ada", "task_type": "text", "status": "partial", "quality_score": 0.5},
    {"agent_name": "bob", "task_type": "code", "success": True, "cost_usd": 0.25},
]


async def test_before_any_outcome_there_is_no_invented_number(api: Api) -> None:
    body = (await api.get("/metrics")).json()
    assert body.keys() >= METRICS
    for name in ("avg_update_time_ms", "current_model_score", "improvement_rate"):
        assert body[name] is None
    for name in ("total_updates", "samples_processed", "agent_count", "task_patterns"):
        assert body[name] == 0
    assert (await api.get("/agents/performance")).json() == []


async def test_metrics_say_how_learning_goes(api: Api) -> None:
    await api.learn(*FLEET)
    body = (await api.get("/metrics")).json()
    assert body["samples_processed"] == 4
    assert body["total_updates"] == body["successful_updates"] >= 1
    assert body["failed_updates"] == 0
    assert body["avg_update_time_ms"] > 0
    assert body["current_model_score"] == pytest.approx(2.5 / 4)
    assert body["improvement_rate"] is None
    assert (body["agent_count"], body["task_patterns"]) == (2, 3)
    assert body["lag"] == 0


async def test_the_score_is_that_of_joined_outcomes_where_there_are_any(api: Api) -> None:
    await api.learn(*FLEET)
    decided = (await api.post("/decisions", json={"eligible_agents": ["ada"]})).json()
    outcome = {"agent_name": "ada", "status": "failure", "decision_id": decided["decision_id"]}
    await api.learn(outcome)
    assert (await api.get("/metrics")).json()["current_model_score"] == 0.0


async def test_performance_of_agents(api: Api) -> None:
    await api.learn(*FLEET)
    ada, bob = (await api.get("/agents/performance")).json()
    assert (ada["agent_name"], ada["total_executions"]) == ("ada", 3)
    assert ada["success_rate"] == pytest.approx(0.5)
    assert ada["avg_latency_ms"] == pytest.approx(200.0)
    assert ada["avg_quality"] == pytest.approx(0.5)
    assert bob["avg_cost_usd"] == pytest.approx(0.25)
    assert bob["avg_latency_ms"] is None
    assert 0 < bob["confidence"] < ada["confidence"] < 1
    assert ada["sums"]["latency"] == 4_000


async def test_performance_by_task_type_gives_raw_columns(api: Api) -> None:
    await api.learn(*FLEET)
    rows = (await api.get("/agents/performance?by=task_type")).json()
    assert {(r["agent_name"], r["task_type"], r["sums"]["executions"]) for r in rows} == {
        ("ada", "code", 2),
        ("ada", "text", 1),
        ("bob", "code", 1),
    }
    assert (await api.get("/agents/performance?by=nonsense")).status_code == 422


@pytest.mark.parametrize(
    ("model", "kind", "agents", "patterns"),
    [
        ("agent_selection", "policy", 2, 3),
        ("success_prediction", "predictor", 2, 3),
        ("quality_prediction", "predictor", 1, 1),
        ("latency_prediction", "predictor", 1, 1),
        ("cost_prediction", "predictor", 1, 1),
    ],
)
async def test_models_describe_themselves(
    api: Api, model: str, kind: str, agents: int, patterns: int
) -> None:
    await api.learn(*FLEET)
    await eventually(lambda: any(header.version for header in api.service.view.headers))
    body = (await api.get(f"/models/{model}")).json()
    assert (body["model_type"], body["kind"]) == (model, kind)
    assert body["update_count"] >= 1
    assert datetime.fromisoformat(body["last_update"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert body["performance_summary"] == {"total_agents": agents, "task_patterns": patterns}
    assert body["active_version"] is None


async def test_prediction_of_the_older_clients(api: Api) -> None:
    await api.learn(*FLEET)
    answer = await api.post("/predict/agent-selection", json={"task_type": "code", "top_k": 1})
    body = answer.json()
    (best,) = body["recommendations"]
    assert best["rank"] == 1
    assert best["agent_name"] in ("ada", "bob")
    assert best["probability"] == body["propensity"]
    assert 0 <= best["score"] <= 1
    assert body["decision_id"]
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    assert isinstance(body["model_score"], float)


async def test_older_clients_may_send_nulls_and_keys_of_their_own(api: Api) -> None:
    await api.learn(*FLEET)
    asked = {"task_type": None, "context": None, "user": "me"}
    assert (await api.post("/predict/agent-selection", json=asked)).status_code == 200


async def test_an_empty_body_asks_with_the_defaults(api: Api) -> None:
    await api.learn(*FLEET)
    body = (await api.post("/predict/agent-selection")).json()
    assert [r["rank"] for r in body["recommendations"]] == [1, 2]


async def test_a_decision_s_law_sums_to_one(api: Api) -> None:
    await api.learn(*FLEET)
    asked = {"task_type": "code", "eligible_agents": ["ada", "bob", "new"]}
    body = (await api.post("/decisions", json=asked)).json()
    assert body["agent_name"] == body["recommendations"][0]["agent_name"]
    assert math.fsum(r["probability"] for r in body["recommendations"]) == pytest.approx(1)
    assert {r["agent_name"] for r in body["recommendations"]} == {"ada", "bob", "new"}
    assert body["as_of"] is not None


async def test_without_a_candidate_there_is_no_decision(api: Api) -> None:
    assert (await api.post("/decisions", json={})).status_code == 404
    assert (await api.post("/predict/agent-selection", json={})).status_code == 404
    await api.learn(*FLEET)
    excluded = {"excluded_agents": ["ada", "bob"]}
    assert (await api.post("/decisions", json=excluded)).status_code == 404


async def test_what_would_each_agent_bring(api: Api) -> None:
    await api.learn(*FLEET)
    body = (await api.post("/predict/latency_prediction", json={"task_type": "code"})).json()
    assert body["unit"] == "ms"
    for row in body["estimates"]:
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["sd"] >= 0
    named = {"agents": ["new", "ada", "new"]}
    body = (await api.post("/predict/success_prediction", json=named)).json()
    assert [row["agent_name"] for row in body["estimates"]] == ["new", "ada"], "each once"


async def test_estimates_before_any_outcome_are_priors(api: Api) -> None:
    body = (await api.post("/predict/success_prediction", json={"agents": ["x"]})).json()
    (row,) = body["estimates"]
    assert 0 <= row["low"] < row["mean"] < row["high"] <= 1
    assert row["effective_n"] == 0
    assert (await api.post("/predict/cost_prediction", json={})).json()["estimates"] == []


async def test_models_are_saved_on_demand(api: Api) -> None:
    await api.learn(*FLEET)
    body = (await api.post("/models/save")).json()
    assert body["status"] == "saved"
    assert body["versions"] == dict.fromkeys(MODELS, 1)
    (version,) = (await api.get("/models/cost_prediction/versions")).json()["versions"]
    assert version["status"] == "active"
    assert version["training_samples"] == 1
    assert version["covered_offsets"]
    assert (await api.get("/models/cost_prediction")).json()["active_version"] == 1


async def test_status_says_what_the_service_does(api: Api) -> None:
    body = (await api.get("/status")).json()
    assert body["status"] == "healthy"
    assert body["running"] is True
    assert body["source"] == "embedded"
    assert body["kafka_topic"] is None
    assert body["batch_size"] == 10
    assert {"agent_selection", "success_prediction"} <= set(body["models_loaded"])
    assert body["partitions"] == ["outcomes/0"]
    assert body["warnings"] == []
    assert body["failed_plugins"] == {}


async def test_it_is_alive_at_once_and_ready_when_it_has_loaded(serving: Serving) -> None:
    async with serving(until_ready=False) as api:
        assert (await api.get("/livez")).status_code == 200
        await eventually(lambda: api.service.is_ready)
        ready = await api.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        api.service.worker.loaded.clear()
        waiting = await api.get("/readyz")
        assert waiting.status_code == 503
        assert waiting.headers["retry-after"] == "1"
        assert (await api.get("/status")).json()["status"] == "starting"


class TestOutcomes:
    async def test_an_outcome_is_accepted_with_its_id(self, api: Api) -> None:
        answer = await api.post("/outcomes", json={**FLEET[0], "event_id": "mine"})
        assert answer.status_code == 202
        assert answer.json() == {"status": "accepted", "event_id": "mine"}

    async def test_one_without_an_id_gets_one(self, api: Api) -> None:
        ids = {(await api.post("/outcomes", json=FLEET[0])).json()["event_id"] for _ in range(3)}
        assert len(ids) == 3
        await received(api.service, 3)
        assert api.service.view.counters()["samples"] == 3

    async def test_a_repeat_is_accepted_and_counts_once(self, api: Api) -> None:
        await api.learn(*[{**FLEET[0], "event_id": "same"}] * 3)
        assert api.service.view.counters()["duplicates"] == 2

    async def test_the_tenant_is_not_the_body_s_to_say(self, api: Api) -> None:
        refused = await api.post("/outcomes", json={**FLEET[0], "tenant_id": "acme"})
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["pointer"] == "#/tenant_id"
        await api.learn({**FLEET[0], "tenant_id": "default"})
        assert api.service.view.tenants == {"default"}

    async def test_structured_cloud_events(self, api: Api) -> None:
        event = {
            "specversion": "1.0",
            "id": "ce-1",
            "type": "agent.outcome",
            "source": "/agents/ada",
            "time": "2026-01-01T00:00:00Z",
            "data": FLEET[0],
        }
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        for _ in range(2):
            answer = await api.post("/outcomes", json=event, headers=headers)
            assert answer.json()["event_id"] == "ce-1"
        await received(api.service, 2)
        assert api.service.view.counters()["duplicates"] == 1

    async def test_binary_cloud_events(self, api: Api) -> None:
        headers = {"ce-id": "ce-2", "ce-specversion": "1.0"}
        for _ in range(2):
            answer = await api.post("/outcomes", json=FLEET[0], headers=headers)
            assert answer.json()["event_id"] == "ce-2"
        await received(api.service, 2)
        assert api.service.view.counters()["duplicates"] == 1

    async def test_fields_that_nobody_knows_are_carried(self, api: Api) -> None:
        await api.learn({**FLEET[0], "surprise": {"deep": [1, 2]}, "output": "text"})
        assert api.service.view.counters()["samples"] == 1

    async def test_a_decision_s_outcome_is_joined(self, api: Api) -> None:
        await api.learn(*FLEET)
        decided = (await api.post("/decisions", json={"task_type": "code"})).json()
        outcome = {
            "agent_name": decided["agent_name"],
            "task_type": "code",
            "status": "success",
            "decision_id": decided["decision_id"],
        }
        await api.learn(outcome, outcome)
        counters = api.service.view.counters()
        assert (counters["joined"], counters["duplicates"]) == (1, 1)

    async def test_where_tokens_are_required_others_become_dead_letters(
        self, serving: Serving
    ) -> None:
        async with serving(decisions={"require_decision_token": True}) as api:
            await api.learn(FLEET[0])
            body = (await api.get("/metrics")).json()
            assert (body["dead_letters"], body["samples_processed"]) == (1, 0)
