"""Rolling a model back over HTTP, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, Serving
from tests.support.services import eventually

ROLLBACK = "/models/success_prediction/rollback"
GOOD = {"agent_name": "ada", "task_type": "code", "status": "success"}
BAD = GOOD | {"status": "failure"}


@pytest.fixture
async def learned(api: Api) -> Api:
    """A service whose version 1 knows a success, and which has learned failures since."""
    await api.learn(GOOD)
    await api.post("/models/save")
    await api.learn(BAD, BAD)
    return api


async def mean(api: Api) -> float:
    body = (await api.post("/predict/success_prediction", json={"task_type": "code"})).json()
    return body["estimates"][0]["mean"]


async def test_back_to_a_version_and_undone(learned: Api) -> None:
    worse = await mean(learned)
    answer = await learned.post(ROLLBACK, json={"to_version": 1, "reason": "a bad day"})
    assert answer.status_code == 200, answer.text
    change = {"model_type": "success_prediction", "tenant": "default"}
    assert answer.json() == {
        "rollback_id": 1,
        "model_types": ["success_prediction"],
        "tenants": ["default"],
        "changes": [change | {"samples_before": 3, "samples_after": 1}],
        "version_before": 2,
        "version_after": 3,
    }

    async def is_better() -> bool:
        return await mean(learned) > 0.5

    await eventually(is_better)
    undone = (await learned.post(ROLLBACK, json={"undo": 1})).json()
    assert undone["rollback_id"] == 2
    assert undone["changes"] == [change | {"samples_before": 1, "samples_after": 3}]

    async def is_as_before() -> bool:
        return await mean(learned) == pytest.approx(worse)

    await eventually(is_as_before)
    versions = (await learned.get("/models/success_prediction/versions")).json()["versions"]
    assert [version["training_samples"] for version in versions] == [3, 1, 3, 1]


async def test_what_was_just_learned_is_in_the_version_before_it(serving: Serving) -> None:
    async with serving(learning={"checkpoint_interval_seconds": 1_000.0}) as api:
        for count, outcome in enumerate((GOOD, BAD), 1):
            await api.post("/outcomes", json=outcome)
            await eventually(lambda n=count: api.service.view.counters().get("received") == n)
            if count == 1:
                await api.post("/models/save")
        answer = (await api.post(ROLLBACK, json={"to_version": 1})).json()
        (change,) = answer["changes"]
        assert (change["samples_before"], change["samples_after"]) == (2, 1)
        versions = (await api.get("/models/success_prediction/versions")).json()["versions"]
        assert [version["training_samples"] for version in versions] == [1, 2, 1]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "give either to_version or undo"),
        ({"to_version": 1, "undo": 1}, 422, "give either to_version or undo"),
        ({"to_version": 0}, 422, "#/to_version"),
        ({"to_version": "1"}, 422, "#/to_version"),
        ({"to_version": 10**30}, 422, "#/to_version"),
        ({"to_version": 1, "tenant": ""}, 422, "#/tenant"),
        ({"to_version": 1, "reason": "\0"}, 422, "#/reason"),
        ({"to_version": 1, "reason": "x" * 1_001}, 422, "#/reason"),
        ({"to_version": 1, "surprise": 1}, 422, "#/surprise"),
        ({"to_version": 99}, 404, "there is no version 99"),
        ({"to_version": 1, "tenant": "acme"}, 404, "tenant 'acme'"),
        ({"undo": 7}, 404, "there is no rollback 7"),
    ],
)
async def test_what_cannot_be_done_is_said(
    learned: Api, body: dict[str, Any], status: int, said: str
) -> None:
    answer = await learned.post(ROLLBACK, json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert (await learned.get("/models/success_prediction")).json()["active_version"] == 1


async def test_a_conflict_is_said_with_what_to_do(learned: Api) -> None:
    await learned.post(ROLLBACK, json={"to_version": 1})
    again = await learned.post(ROLLBACK, json={"to_version": 1})
    assert (again.status_code, again.json()["title"]) == (409, "Conflict")
    assert "nothing to change" in again.json()["detail"]
    await learned.post(ROLLBACK, json={"undo": 1})
    twice = await learned.post(ROLLBACK, json={"undo": 1})
    assert twice.status_code == 409
    assert "undo 2 to apply it again" in twice.json()["detail"]


async def test_a_model_that_is_not_there(api: Api) -> None:
    answer = await api.post("/models/no-such/rollback", json={"to_version": 1})
    assert answer.status_code == 404
    assert "success_prediction" in answer.json()["detail"]


async def test_a_model_that_has_changed_since_it_was_looked_at_is_left_alone(learned: Api) -> None:
    seen = (await learned.get("/models/success_prediction")).headers["etag"]
    known = {"if-none-match": seen}
    assert (await learned.get("/models/success_prediction", headers=known)).status_code == 200
    assert "etag" not in (await learned.get("/models")).headers
    back = {"to_version": 1}
    stale = await learned.post(ROLLBACK, json=back, headers={"if-match": '"7"'})
    assert (stale.status_code, stale.json()["title"]) == (412, "Precondition Failed")
    assert (await learned.get("/models/success_prediction")).headers["etag"] == seen
    done = await learned.post(ROLLBACK, json=back, headers={"if-match": seen})
    assert done.status_code == 200, done.text
    undo = {"undo": 1}
    assert (await learned.post(ROLLBACK, json=undo, headers={"if-match": seen})).status_code == 412
    assert (await learned.post(ROLLBACK, json=undo, headers={"if-match": "*"})).status_code == 200
