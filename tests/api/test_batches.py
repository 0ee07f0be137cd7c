"""Many requests in one: each item is answered alone, in the order in which they stand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from olearn_core.errors import SourceError
from tests.api.conftest import Api, Serving
from tests.support.services import received

JSON = {"content-type": "application/json"}
GOOD = {"agent_name": "ada", "task_type": "code", "status": "success"}
BATCHES = [
    ("/outcomes/batch", 1_000, GOOD),
    ("/decisions/batch", 100, {"eligible_agents": ["ada"]}),
    ("/predict/agent-selection/batch", 100, {}),
    ("/predict/cost_prediction/batch", 100, {"agents": ["ada"]}),
]


async def results(api: Api, path: str, items: list[Any]) -> list[dict[str, Any]]:
    answer = await api.post(path, json=items)
    assert answer.status_code == 207, answer.text
    body = answer.json()
    failed = sum("problem" in result for result in body["results"])
    assert (body["succeeded"], body["failed"]) == (len(items) - failed, failed)
    return list(body["results"])


async def test_a_bad_outcome_spoils_no_other(api: Api) -> None:
    bad = {"agent_name": "", "latency_ms": -1}
    items = [GOOD | {"event_id": "one"}, bad, 3, GOOD | {"event_id": "two"}]
    one, wrong, number, two = await results(api, "/outcomes/batch", items)
    assert one == {"status": 202, "answer": {"status": "accepted", "event_id": "one"}}
    assert two["answer"]["event_id"] == "two"
    assert (wrong["status"], number["status"]) == (422, 422)
    pointers = {error["pointer"] for error in wrong["problem"]["errors"]}
    assert pointers == {"#/agent_name", "#/latency_ms", "#/status"}
    await received(api.service, 2)
    assert (await api.get("/metrics")).json()["samples_processed"] == 2


async def test_a_thousand_outcomes_are_taken_and_count_once_however_often_they_come(
    api: Api,
) -> None:
    items = [GOOD | {"event_id": f"e{number}"} for number in range(1_000)]
    for _ in range(2):
        assert {r["status"] for r in await results(api, "/outcomes/batch", items)} == {202}
    await received(api.service, 2_000)
    body = (await api.get("/metrics")).json()
    assert (body["samples_processed"], body["duplicates"]) == (1_000, 1_000)


async def test_cloud_events_come_in_batches_as_well(api: Api) -> None:
    event = {"specversion": "1.0", "id": "ce-1", "type": "outcome", "source": "s", "data": GOOD}
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = await api.post("/outcomes/batch", content=json.dumps([event]), headers=headers)
    assert answer.json()["results"][0]["answer"]["event_id"] == "ce-1"


async def test_a_decision_for_each_task(api: Api) -> None:
    await api.learn(GOOD)
    asked = [{"task_type": "code"}, {"topk": 1}, {"eligible_agents": ["new"]}]
    known, wrong, new = await results(api, "/decisions/batch", asked)
    assert (known["status"], known["answer"]["agent_name"]) == (200, "ada")
    assert new["answer"]["agent_name"] == "new"
    assert known["answer"]["decision_id"] != new["answer"]["decision_id"]
    assert [error["pointer"] for error in wrong["problem"]["errors"]] == ["#/topk"]
    alone = await api.post("/decisions", json=asked[0])
    assert alone.json().keys() == known["answer"].keys()


async def test_rankings_and_estimates_for_each_task(api: Api) -> None:
    await api.learn(GOOD)
    asked = [{"task_type": "code", "top_k": 1}, {"top_k": 99}]
    ranking, wrong = await results(api, "/predict/agent-selection/batch", asked)
    assert ranking["answer"]["recommendations"][0]["agent_name"] == "ada"
    assert wrong["status"] == 422
    path = "/predict/success_prediction"
    (estimate,) = await results(api, f"{path}/batch", [{"task_type": "code"}])
    assert estimate["answer"] == (await api.post(path, json={"task_type": "code"})).json()
    (missing,) = await results(api, "/predict/nothing/batch", [{}])
    assert missing["problem"]["type"] == "/docs/problems#not-found"


@pytest.mark.parametrize(("path", "most", "item"), BATCHES)
async def test_what_is_no_batch_is_refused_whole(
    api: Api, path: str, most: int, item: dict[str, Any]
) -> None:
    for body, status in (
        (b"", 400),
        (b"[1", 400),
        (b"{}", 422),
        (b"[]", 422),
        (json.dumps([item] * (most + 1)).encode(), 422),
    ):
        answer = await api.post(path, content=body, headers=JSON)
        assert answer.status_code == status, (body[:20], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_where_the_log_takes_nothing_the_batch_can_be_sent_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> int:
        raise SourceError("the log is away")

    monkeypatch.setattr(api.service.publisher, "publish", away)
    answer = await api.post("/outcomes/batch", json=[GOOD, GOOD])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    (first, second) = await results(api, "/outcomes/batch", [GOOD, {}])
    assert (first["status"], second["status"]) == (503, 422)


async def test_a_batch_is_as_large_as_any_body_may_be(serving: Serving) -> None:
    async with serving(api={"max_body_bytes": 1_024}) as api:
        answer = await api.post("/outcomes/batch", json=[GOOD] * 100)
        assert answer.status_code == 413
