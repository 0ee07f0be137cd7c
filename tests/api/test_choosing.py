"""How agents are chosen, over HTTP: wishes, modes, explanations, the Pareto set, the budget."""

from __future__ import annotations

import math

import pytest

from olearn_core.tokens import SigningKey, sign, verify
from tests.api.conftest import Api, Serving

FLEET = [
    {"agent_name": agent, "task_type": "code", "success": i % 10 < of_ten, **of_agent}
    for i in range(20)
    for agent, of_ten, of_agent in (
        ("ada", 9, {"latency_ms": 900.0, "cost_usd": 0.02}),
        ("bob", 8, {"latency_ms": 300.0, "cost_usd": 0.001}),
        ("cyd", 3, {"latency_ms": 950.0, "cost_usd": 0.03}),
    )
]


async def test_a_request_says_what_counts(api: Api) -> None:
    await api.learn(*FLEET)
    body = {
        "task_type": "code",
        "preset": "thrifty",
        "limits": {"latency_ms": {"most": 600, "probability": 0.8}},
    }
    decided = (await api.post("/decisions", json=body)).json()
    assert (decided["agent_name"], decided["limits_met"], decided["mode"]) == (
        "bob",
        True,
        "online",
    )
    assert decided["propensity"] == 1.0
    assert decided["would_choose"] is None
    assert decided["explanation"] is None


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"preset": "cheap"}, "#/preset"),
        ({"preset": "thrifty", "weights": {"cost": 1}}, "#"),
        ({"cheapest_within": -1}, "#/cheapest_within"),
        ({"limits": {"latency": {"most": 1}}}, "#/limits/latency"),
        ({"limits": {"latency_ms": {"most": 0}}}, "#/limits/latency_ms/most"),
        (
            {"limits": {"success": {"least": 0.5, "probability": 1.0}}},
            "#/limits/success/probability",
        ),
        ({"chosen_propensity": 0.5}, "#"),
        ({"explain": "yes"}, "#/explain"),
    ],
)
async def test_a_wish_that_cannot_be_granted_is_named(
    api: Api, wrong: dict[str, object], pointer: str
) -> None:
    answer = await api.post("/decisions", json={"eligible_agents": ["ada"], **wrong})
    assert answer.status_code == 422, answer.text
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


async def test_a_wish_that_the_tenant_s_mode_does_not_allow_is_a_conflict(api: Api) -> None:
    answer = await api.post("/decisions", json={"eligible_agents": ["ada"], "chosen_agent": "ada"})
    assert answer.status_code == 409, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/chosen_agent"]


async def test_a_decision_explains_itself(api: Api) -> None:
    await api.learn(*FLEET)
    body = {"task_type": "code", "explain": True, "limits": {"latency_ms": {"most": 60_000}}}
    decided = (await api.post("/decisions", json=body)).json()
    why = decided["explanation"]
    assert why["agent_name"] == decided["agent_name"]
    assert why["probability"] == pytest.approx(decided["propensity"])
    assert math.fsum(why["shares"].values()) == pytest.approx(why["probability"])
    assert set(why["shares"]) == {"best", "newcomers", "floor"}
    scores = {r["agent_name"]: r["score"] for r in decided["recommendations"]}
    assert why["expected_utility"] == pytest.approx(scores[why["agent_name"]])
    above_all = why["expected_utility"] - math.fsum(scores.values()) / 3
    assert why["against_average"]["difference"] == pytest.approx(above_all)
    runner_up = why["against_runner_up"]
    gap = scores[why["agent_name"]] - scores[runner_up["agent_name"]]
    total = math.fsum(c["utility"] for c in runner_up["contributions"])
    assert total == pytest.approx(gap)
    likeliest = max(decided["recommendations"], key=lambda r: r["probability"])
    assert why["is_exploration"] == (likeliest["agent_name"] != why["agent_name"])
    success = next(c for c in why["components"] if c["component"] == "success")
    assert success["low"] < success["mean"] < success["high"]
    assert 0 < success["prior_share"] < 1
    assert success["effective_n"] > 20
    (limit,) = why["limits"]
    assert (limit["name"], limit["required"]) == ("latency_ms", 0.9)
    assert limit["probability"] > 0.99


async def test_a_past_decision_is_explained_by_its_id(api: Api) -> None:
    await api.learn(*FLEET)
    decided = (await api.post("/decisions", json={"task_type": "code"})).json()
    path = f"/decisions/{decided['decision_id']}/explanation"
    then = (await api.get(path)).json()
    assert then["agent_name"] == decided["agent_name"]
    assert then["propensity"] == decided["propensity"]
    assert then["probability"] == pytest.approx(decided["propensity"])
    assert then["same_candidates"] is True
    assert then["view_version_then"] == decided["view_version"]
    await api.learn(*FLEET, {"agent_name": "dan", "task_type": "code", "success": True})
    now = (await api.get(path)).json()
    assert now["view_has_moved"] is True
    assert now["view_version"] > now["view_version_then"] == then["view_version_then"]
    assert now["same_candidates"] is True, "dan was no candidate then"
    assert now["stands_on"] == "log"


async def test_only_a_decision_of_ones_own_is_explained(api: Api) -> None:
    await api.learn(*FLEET)
    decided = (await api.post("/decisions", json={"task_type": "code"})).json()
    said = verify(api.service.keys.all(), decided["decision_id"])
    theirs = sign(api.service.keys.newest(), said._replace(tenant="acme"))
    forged = sign(SigningKey(said.nonce[0], b"not ours"), said)
    for token in ("nonsense", theirs, forged):
        assert (await api.get(f"/decisions/{token}/explanation")).status_code == 404


async def test_the_pareto_set_names_who_outdoes_whom(api: Api) -> None:
    assert (await api.get("/pareto")).json()["agents"] == []
    await api.learn(*FLEET)
    body = (await api.get("/pareto?task_type=code")).json()
    assert body["units"] == {"success": "share", "latency": "ms", "cost": "USD"}
    assert body["efficient"] == ["ada", "bob"], "one is better, the other quicker and cheaper"
    agents = {agent["agent_name"]: agent for agent in body["agents"]}
    assert agents["cyd"]["dominated_by"] == ["ada", "bob"]
    latency = agents["bob"]["components"]["latency"]
    assert latency["low"] < latency["mean"] < latency["high"]
    assert (await api.get("/pareto?task=code")).status_code == 422


async def test_an_apprentice_says_what_it_would_have_done(serving: Serving) -> None:
    decisions = {"mode": "apprentice", "default_agent": "cyd", "weights": {"success": 1.0}}
    async with serving(decisions=decisions) as api:
        await api.learn(*FLEET)
        for _ in range(2):
            decided = (await api.post("/decisions", json={"task_type": "code"})).json()
            assert (decided["agent_name"], decided["propensity"]) == ("cyd", 1.0)
            assert decided["mode"] == "apprentice"
            assert decided["would_choose"] in ("ada", "bob", "cyd")
        record = (await api.get("/apprentice")).json()
        assert (record["mode"], record["default_agent"]) == ("apprentice", "cyd")
        assert record["decisions"] == 2
        assert record["agreement"] < 0.1
        assert record["gain"] > 0.2
        other = await api.post("/decisions", json={"task_type": "code", "default_agent": "eve"})
        assert other.json()["agent_name"] == "eve"
        why = await api.get(f"/decisions/{other.json()['decision_id']}/explanation")
        assert why.json()["agent_name"] == "eve"
        assert why.json()["propensity"] == 1.0


async def test_the_budget_says_what_was_spent(serving: Serving) -> None:
    async with serving(decisions={"budget_usd_per_hour": 0.1}) as api:
        assert (await api.get("/budget")).json()["price"] == 0.0
        await api.learn(*FLEET)
        body = (await api.get("/budget")).json()
        assert body["budget_usd_per_hour"] == 0.1
        assert body["price"] > 0
        asked = {"task_type": "code", "explain": True}
        why = (await api.post("/decisions", json=asked)).json()["explanation"]
        assert why["cost_price"] > 0
        parts = {(c["component"], c["part"]) for c in why["against_average"]["contributions"]}
        assert ("cost", "price") in parts
        spent = body["spent_this_hour_usd"] + body["spent_last_hour_usd"]
        assert spent == pytest.approx(20 * (0.02 + 0.001 + 0.03))
