"""Tokens and sources as clients meet them."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from olearn_core.storage.signing_keys import SigningKeys
from olearn_core.tokens import NONCE_BYTES, REFUSALS, Decided, SigningKey, sign
from tests.api.conftest import Api, Serving
from tests.support.events import rfc3339
from tests.support.services import eventually
from tests.support.workers import ledger_rows

LONG_AGO = Decided(bytes(NONCE_BYTES), 0.5, 1, 1_000_000_000, bytes(8), "default", "code", "ada")


async def decided(api: Api) -> dict[str, Any]:
    answer = await api.post("/decisions", json={"task_type": "code", "eligible_agents": ["ada"]})
    body: dict[str, Any] = answer.json()
    return body


def outcome(event_id: str, decision_id: str) -> dict[str, Any]:
    names = {"agent_name": "ada", "task_type": "code", "event_id": event_id}
    return {**names, "status": "success", "decision_id": decision_id}


async def refusals(api: Api) -> dict[str, int]:
    counts: dict[str, int] = (await api.get("/metrics")).json()["token_refusals"]
    return counts


async def test_every_kind_of_refused_token_is_counted_in_the_metrics(api: Api) -> None:
    assert await refusals(api) == dict.fromkeys(REFUSALS, 0)
    good = (await decided(api))["decision_id"]
    key = api.service.keys.newest()
    foreign = sign(key, LONG_AGO._replace(tenant="acme"))
    await api.learn(
        outcome("1", good),
        outcome("2", good),
        outcome("3", "nonsense"),
        outcome("4", sign(SigningKey(key.number, b"guessed"), LONG_AGO)),
        outcome("5", sign(SigningKey(200, b"x"), LONG_AGO)),
        outcome("6", foreign),
        outcome("7", sign(key, LONG_AGO)),
    )
    assert await refusals(api) == dict.fromkeys(REFUSALS, 1)
    metrics = (await api.get("/metrics")).json()
    assert metrics["dead_letters"] == 1, "the late one"
    assert metrics["samples_processed"] == 5, "the replayed one counts once"
    (letter,) = (await api.get("/dead-letters")).json()["letters"]
    assert letter["pointer"] == "/decision_id"


async def test_a_rating_of_the_day_after_counts_once(api: Api) -> None:
    yesterday = int(time.time()) - 86_400
    token = sign(api.service.keys.newest(), LONG_AGO._replace(issued_at_seconds=yesterday))
    names = {"agent_name": "ada", "task_type": "code", "decision_id": token}
    execution = {"status": "success", "timestamp": rfc3339(yesterday)}
    await api.learn({**names, **execution, "event_id": "1"})
    await api.learn(*({**names, "quality_score": 0.8, "event_id": f"r{i}"} for i in range(3)))
    (ada,) = (await api.get("/agents/performance")).json()
    assert (ada["total_executions"], ada["sums"]["quality_n"]) == (1, 1)
    assert ada["avg_quality"] == 0.8
    predicted = await api.post("/predict/quality_prediction", json={"task_type": "code"})
    assert predicted.json()["estimates"][0]["mean"] > 0.5


async def test_refusals_stand_in_the_ledger(api: Api) -> None:
    await api.learn(outcome("1", "nonsense"))
    details = [row["details"] for row in await ledger_rows(api.service.database)]
    assert sum(row.get("token_malformed", 0) for row in details) == 1


async def test_how_old_a_decision_may_be_is_configured(serving: Serving) -> None:
    async with serving(decisions={"token_days": 100_000.0}) as api:
        await api.learn(outcome("1", sign(api.service.keys.newest(), LONG_AGO)))
        assert (await refusals(api))["late"] == 0


async def test_a_key_that_an_operator_made_is_used_and_its_predecessor_honoured(api: Api) -> None:
    before = (await decided(api))["decision_id"]
    operator = SigningKeys(api.service.database)
    await operator.rotate()
    elsewhere = sign(operator.newest(), LONG_AGO._replace(issued_at_seconds=2_000_000_000))
    await api.learn(outcome("1", before), outcome("2", elsewhere))
    assert sum((await refusals(api)).values()) == 0
    await eventually(lambda: api.service.keys.newest().number == 2)


async def test_the_credential_is_the_source_whatever_a_sender_calls_itself(api: Api) -> None:
    headers = {"ce-source": "runtime-7", "content-type": "application/json"}
    body = msgspec.json.encode({"agent_name": "ada", "status": "success", "source": "else"})
    assert (await api.post("/outcomes", content=body, headers=headers)).status_code == 202
    log = api.service.source._log
    (record,) = await log.read(0, 10)
    assert msgspec.json.decode(record.value)["source"] == "operator0001"
