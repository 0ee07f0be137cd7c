"""A decision can be looked up by its id, by whom it belongs to, while the log has it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import delete

from olearn_core.errors import StorageError
from olearn_core.storage.decision_log import DecisionLog
from olearn_core.storage.tables import decision_log
from olearn_core.tokens import Decided, SigningKey, eligible_hash, sign, verify
from tests.api.conftest import Api, Serving
from tests.support.services import eventually

ASKED = {
    "task_type": "code",
    "context": {"domain": "law", "deep": {"er": 1}},
    "eligible_agents": ["ada", "bob"],
    "weights": {"success": 3.0, "cost": 1.0},
}


async def decided(api: Api) -> dict[str, object]:
    answer = await api.post("/decisions", json=ASKED)
    return dict(answer.json())


async def test_a_decision_is_found_at_once_and_later(api: Api) -> None:
    decision = await decided(api)
    path = f"/decisions/{decision['decision_id']}"
    at_once = (await api.get(path)).json()
    await eventually(lambda: api.service.decision_writer.waiting(at_once["nonce"]) is None)
    assert (await api.get(path)).json() == at_once
    assert (at_once["task_type"], at_once["context"]) == ("code", {"domain": "law"})
    assert at_once["agent_name"] == decision["agent_name"]
    assert at_once["propensity"] == decision["propensity"]
    assert at_once["view_version"] == decision["view_version"]
    assert (at_once["policy"], at_once["mode"]) == ("agent_selection", "online")
    assert at_once["utility"]["weights"] == ASKED["weights"]
    assert at_once["utility"]["latency_scale_ms"] > 0


async def test_the_law_is_the_one_that_was_drawn_from(api: Api) -> None:
    decision = await decided(api)
    found = (await api.get(f"/decisions/{decision['decision_id']}")).json()
    law = {row["agent_name"]: row["probability"] for row in found["eligible_agents"]}
    shown = {row["agent_name"]: row["probability"] for row in decision["recommendations"]}  # type: ignore[attr-defined]
    assert law == shown
    assert law[found["agent_name"]] == found["propensity"]


async def test_of_a_decision_that_was_deleted_its_id_tells_what_it_proves(api: Api) -> None:
    decision = await decided(api)
    path = f"/decisions/{decision['decision_id']}"
    whole = (await api.get(path)).json()
    await api.service.decision_writer.flush()
    async with api.service.database.write() as connection:
        await connection.execute(delete(decision_log))
    proven = (await api.get(path)).json()
    assert (whole["stands_on"], proven["stands_on"]) == ("log", "decision_id")
    same = ("nonce", "task_type", "agent_name", "propensity", "view_version")
    assert {name: proven[name] for name in same} == {name: whole[name] for name in same}
    assert proven["issued_at"][:19] == whole["issued_at"][:19]
    beyond = ("context", "eligible_agents", "utility", "policy", "mode")
    assert {proven[name] for name in beyond} == {None}


async def test_an_explanation_asks_again_what_was_asked_as_long_as_the_log_has_it(
    api: Api,
) -> None:
    for agent, number in (("ada", 1), ("bob", 2), ("eve", 4)):
        told = {"latency_ms": 90 * number, "cost_usd": 0.1 * number, "quality_score": 0.2 * number}
        await api.learn({"agent_name": agent, "status": "success", "task_type": "code", **told})
    decision = await decided(api)
    path = f"/decisions/{decision['decision_id']}/explanation"
    await api.service.decision_writer.flush()
    logged = (await api.get(path)).json()
    assert (logged["stands_on"], logged["same_candidates"]) == ("log", True)
    assert "cost" in weighed_in(logged) <= {"success", "cost"}
    async with api.service.database.write() as connection:
        await connection.execute(delete(decision_log))
    proven = (await api.get(path)).json()
    assert (proven["stands_on"], proven["same_candidates"]) == ("decision_id", False)
    assert "latency" in weighed_in(proven)


def weighed_in(explanation: dict[str, Any]) -> set[str]:
    parts = explanation["against_average"]["contributions"]
    return {part["component"] for part in parts}


async def test_a_choice_whose_chance_nobody_knows_is_logged_with_none(serving: Serving) -> None:
    async with serving(decisions={"mode": "logging_only"}) as api:
        answer = await api.post("/decisions", json=ASKED | {"chosen_agent": "ada"})
        decision = answer.json()
        assert decision["propensity"] is decision["recommendations"][0]["probability"] is None
        found = (await api.get(f"/decisions/{decision['decision_id']}")).json()
        assert (found["mode"], found["propensity"]) == ("logging_only", None)
        assert {row["probability"] for row in found["eligible_agents"]} == {None}


@pytest.mark.parametrize("tenant", ["acme", "default"])
async def test_another_tenant_s_decision_is_not_found_nor_one_of_another_s_key(
    api: Api, tenant: str
) -> None:
    decision = await decided(api)
    ours = verify(api.service.keys.all(), str(decision["decision_id"]))
    key = api.service.keys.newest() if tenant == "acme" else SigningKey(1, b"not ours")
    foreign = sign(key, ours._replace(tenant=tenant))
    answer = await api.get(f"/decisions/{foreign}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_no_token_is_not_found(api: Api) -> None:
    for decision_id in ("nonsense", "x" * 3_000, "%00", "é"):
        assert (await api.get(f"/decisions/{decision_id}")).status_code == 404


async def test_a_decision_of_before_the_log_stands_on_its_id(api: Api) -> None:
    before = Decided(
        bytes(12), 0.5, 1, int(time.time()), eligible_hash(["ada"]), "default", "code", "ada"
    )
    token = sign(api.service.keys.newest(), before)
    assert (await api.get(f"/decisions/{token}")).json()["stands_on"] == "decision_id"


async def test_decisions_of_the_older_call_are_logged_as_well(api: Api) -> None:
    await api.learn({"agent_name": "ada", "status": "success"})
    answer = (await api.post("/predict/agent-selection", json={})).json()
    found = (await api.get(f"/decisions/{answer['decision_id']}")).json()
    assert found["agent_name"] == "ada"


async def test_a_log_that_takes_nothing_is_told_and_decisions_go_on(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(DecisionLog, "append", refuse)
    async with serving() as api:
        decision = await decided(api)
        await api.service.decision_writer.flush()
        status = (await api.get("/status")).json()
        (warning,) = status["warnings"]
        assert warning == "decision log: 1 decisions wait to be written: disk full"
        assert (await api.get(f"/decisions/{decision['decision_id']}")).status_code == 200
        assert (await api.post("/decisions", json=ASKED)).status_code == 200


async def test_decisions_made_until_the_end_are_in_the_log(serving: Serving) -> None:
    async with serving() as api:
        decision = await decided(api)
        nonce = verify(api.service.keys.all(), str(decision["decision_id"])).nonce.hex()
    async with serving() as again:
        kept = await DecisionLog(again.service.database).get(nonce)
        assert kept is not None
        assert kept.nonce == nonce
