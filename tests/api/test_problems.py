"""Whatever is wrong with a request is said in a problem document, and nothing is learned."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from olearn_core.storage.tables import outcome_log
from tests.api.conftest import Api, Serving

GOOD = {"agent_name": "ada", "status": "success"}
JSON = {"content-type": "application/json"}


def assert_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"].startswith("/docs/problems#")
    return body


async def logged(api: Api) -> int:
    async with api.service.database.read() as connection:
        count = await connection.execute(select(func.count()).select_from(outcome_log))
        return int(count.scalar_one())


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b"[1]", 422, None),
        (b'{"status": "success"}', 422, "#/agent_name"),
        (b'{"agent_name": "", "status": "success"}', 422, "#/agent_name"),
        (b'{"agent_name": 7, "status": "success"}', 422, "#/agent_name"),
        (b'{"agent_name": "a\\nb", "status": "success"}', 422, "#/agent_name"),
        (b'{"agent_name": "a", "task_type": "\\u0007", "status": "success"}', 422, "#/task_type"),
        (b'{"agent_name": "a", "status": "success", "\xff": 1}', 400, None),
        (b'{"agent_name": "a", "status": "success", "output": "\xff"}', 400, None),
        (
            b'{"agent_name": "a", "action_type": "\\u0007", "status": "success"}',
            422,
            "#/action_type",
        ),
        (b'{"agent_name": "a"}', 422, "#/status"),
        (b'{"agent_name": "a", "status": "great"}', 422, "#/status"),
        (b'{"agent_name": "a", "status": "success", "latency_ms": NaN}', 400, None),
        (b'{"agent_name": "a", "status": "success", "latency_ms": 1e999}', 422, "#/latency_ms"),
        (b'{"agent_name": "a", "status": "success", "latency_ms": "1"}', 422, "#/latency_ms"),
        (b'{"agent_name": "a", "status": "success", "cost_usd": -1}', 422, "#/cost_usd"),
        (b'{"agent_name": "a", "status": "success", "quality_score": 2}', 422, "#/quality_score"),
        (b'{"agent_name": "a", "status": "success", "context": 3}', 422, "#/context"),
        (b'{"agent_name": "a", "status": "success", "timestamp": "now"}', 422, "#/timestamp"),
        (b'{"specversion": "1.0", "data": {"status": "success"}}', 422, "#/data/agent_name"),
    ],
)
async def test_outcomes_that_cannot_be_learned_are_refused(
    api: Api, body: bytes, status: int, pointer: str | None
) -> None:
    problem = assert_problem(await api.post("/outcomes", content=body, headers=JSON), status)
    assert [error["pointer"] for error in problem["errors"]] == ([pointer] if pointer else [])
    assert await logged(api) == 0


async def test_what_is_accepted_is_never_a_dead_letter(api: Api) -> None:
    """An id, a size or a name that the learner would refuse is refused at the door."""
    long_id = await api.post("/outcomes", json=GOOD, headers={"ce-id": "x" * 300})
    assert_problem(long_id, 422)
    brim = b'{"agent_name": "a", "status": "success", "output": "' + b"x" * 1_048_500 + b'"}'
    assert len(brim) < 1 << 20
    assert (await api.post("/outcomes", content=brim, headers=JSON)).status_code in (413, 422)
    assert await logged(api) == 0


@pytest.mark.parametrize("route", ["/outcomes", "/decisions", "/predict/agent-selection"])
async def test_two_megabytes_are_too_much(api: Api, route: str) -> None:
    body = b'{"context": {"x": "' + b"y" * (2 << 20) + b'"}}'
    assert_problem(await api.post(route, content=body, headers=JSON), 413)

    async def chunks() -> Any:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    assert_problem(await api.post(route, content=chunks(), headers=JSON), 413)
    assert await logged(api) == 0


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
async def test_another_content_type_is_refused(api: Api, content_type: str) -> None:
    for route in ("/outcomes", "/decisions"):
        answer = await api.post(route, content=b"{}", headers={"content-type": content_type})
        assert_problem(answer, 415)


@pytest.mark.parametrize(
    ("route", "body", "pointer"),
    [
        ("/predict/agent-selection", {"top_k": 0}, "#/top_k"),
        ("/predict/agent-selection", {"top_k": 11}, "#/top_k"),
        ("/predict/agent-selection", {"top_k": "3"}, "#/top_k"),
        ("/predict/agent-selection", {"top_k": 2.5}, "#/top_k"),
        ("/predict/agent-selection", {"task_type": ""}, "#/task_type"),
        ("/predict/agent-selection", {"task_type": "a\nb"}, "#/task_type"),
        ("/predict/agent-selection", {"context": []}, "#/context"),
        ("/decisions", {"topk": 3}, "#/topk"),
        ("/decisions", {"eligible_agents": []}, "#/eligible_agents"),
        ("/decisions", {"eligible_agents": [""]}, "#/eligible_agents/0"),
        ("/decisions", {"eligible_agents": ["ok", "a\u0000"]}, "#/eligible_agents/1"),
        ("/decisions", {"eligible_agents": ["a"] * 501}, "#/eligible_agents"),
        ("/decisions", {"weights": {"beauty": 1}}, "#/weights/beauty"),
        ("/decisions", {"weights": {"success": -1}}, "#/weights/success"),
        ("/decisions", {"weights": {"success": 0}}, "#/weights"),
        ("/decisions", {"a/b~c": 1}, "#/a~1b~0c"),
        ("/predict/cost_prediction", {"agents": []}, "#/agents"),
        ("/predict/cost_prediction", {"unknown": 1}, "#/unknown"),
    ],
)
async def test_wrong_fields_are_pointed_at(
    api: Api, route: str, body: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(await api.post(route, json=body), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body", [b"{", b'{"top_k": NaN}', b"\xff", b'{"task_type": "\\ud800"}', b"[" * 5_000]
)
async def test_bodies_that_are_not_json_are_refused(api: Api, body: bytes) -> None:
    answer = await api.post("/predict/agent-selection", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code)


async def test_of_very_many_wrong_fields_some_are_named(api: Api) -> None:
    body = {f"x{number}": 1 for number in range(5_000)}
    problem = assert_problem(await api.post("/decisions", json=body), 422)
    assert len(problem["errors"]) == 100
    assert problem["detail"].startswith("#/x0: ")
    assert problem["detail"].endswith("; and 4995 more")
    assert len(problem["detail"]) < 500


async def test_more_wrong_fields_than_anybody_reads_are_only_counted(api: Api) -> None:
    body = {f"x{number}": 1 for number in range(10_001)}
    problem = assert_problem(await api.post("/decisions", json=body), 422)
    assert problem["detail"].startswith("10001 fields are wrong")
    assert "errors" not in problem or problem["errors"] == []


DEEP = (900, 980, 1_000, 5_000, 50_000)


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("name", ["data", "tenant_id", "source", "context", "x"])
async def test_an_outcome_may_be_nested_however_deep(api: Api, deep: int, name: str) -> None:
    nested = b'{"data": ' * deep + b"1" + b"}" * deep
    for good in (b'"agent_name": "a", "status": "success", ', b'"agent_name": 7, ', b""):
        body = b'{%s"%s": %s}' % (good, name.encode(), nested)
        answer = await api.post("/outcomes", content=body, headers=JSON)
        assert answer.status_code in (202, 400, 422)


async def test_a_megabyte_of_nested_data_holds_up_nobody(api: Api) -> None:
    deep = 100
    filling = b'"x": "%s", "data": ' % (b"y" * 9_000)
    nested = b"{" + filling + (b"{" + filling) * deep + b"1" + b"}" * (deep + 1)
    body = b'{"agent_name": "a", "status": "success", "data": %s}' % nested
    assert (await api.post("/outcomes", content=body, headers=JSON)).status_code == 202


async def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    problem = assert_problem(await api.post("/decisions", json={"x": 1, "task_type": 2}), 422)
    assert {error["pointer"] for error in problem["errors"]} == {"#/x", "#/task_type"}


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/models/nonsense"),
        ("GET", "/models/nonsense/versions"),
        ("POST", "/predict/nonsense"),
        ("POST", "/predict/agent_selection"),
        ("GET", "/nowhere"),
    ],
)
async def test_what_is_not_there_is_not_found(api: Api, method: str, route: str) -> None:
    assert_problem(await (api.get(route) if method == "GET" else api.post(route)), 404)


@pytest.mark.parametrize(
    ("method", "route", "allow"),
    [
        ("POST", "/status", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("GET", "/outcomes", {"POST"}),
        ("GET", "/decisions", {"POST"}),
        ("GET", "/predict/agent-selection", {"POST"}),
        ("PUT", "/models/save", {"POST"}),
    ],
)
async def test_another_method_is_refused_naming_the_right_one(
    api: Api, method: str, route: str, allow: set[str]
) -> None:
    answer = await api.client.request(method, f"/api/learning{route}")
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allow


async def test_while_the_database_is_away_answers_say_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, Exception("secret password"))

    monkeypatch.setattr(api.service.ledger._database, "read", away)
    answer = await api.get("/metrics")
    problem = assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in problem["detail"]


async def test_a_bug_says_nothing_of_our_insides(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(api.service.decider, "decide", broken)
    problem = assert_problem(await api.post("/decisions", json={}), 500)
    assert "secret" not in problem["detail"]


async def test_the_limit_of_a_body_is_configured(serving: Serving) -> None:
    async with serving(api={"max_body_bytes": 1_024}) as api:
        big = {**GOOD, "output": "x" * 1_024}
        assert_problem(await api.post("/outcomes", json=big), 413)


async def test_all_that_is_wrong_with_an_outcome_is_named_at_once(api: Api) -> None:
    wrong = {"agent_name": "a\n", "latency_ms": -1, "context": 3, "cost_usd": "1"}
    problem = assert_problem(await api.post("/outcomes", json=wrong), 422)
    pointers = {error["pointer"] for error in problem["errors"]}
    assert pointers == {"#/agent_name", "#/latency_ms", "#/context", "#/cost_usd", "#/status"}
    wrapped = {"specversion": "1.0", "id": "", "data": {"status": "great", "quality_score": 2}}
    problem = assert_problem(await api.post("/outcomes", json=wrapped), 422)
    pointers = {error["pointer"] for error in problem["errors"]}
    assert pointers == {"#/id", "#/data/status", "#/data/quality_score", "#/data/agent_name"}


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("by=nobody", {"by"}),
        ("by=agent&by=task_type", {"by"}),
        ("by=nobody&page=2", {"by", "page"}),
    ],
)
async def test_wrong_parameters_are_named(api: Api, query: str, parameters: set[str]) -> None:
    problem = assert_problem(await api.get(f"/agents/performance?{query}"), 422)
    assert {error["parameter"] for error in problem["errors"]} == parameters


async def test_a_header_that_is_no_text_is_named(api: Api) -> None:
    problem = assert_problem(await api.post("/outcomes", json=GOOD, headers={"ce-id": ""}), 422)
    assert [error["parameter"] for error in problem["errors"]] == ["ce-id"]


async def test_numbers_that_nobody_reads_may_be_of_any_size(api: Api) -> None:
    body = b'{"agent_name": "a", "status": "success", "output": 1e999}'
    assert (await api.post("/outcomes", content=body, headers=JSON)).status_code == 202


async def test_a_method_that_files_do_not_have_is_refused(api: Api) -> None:
    answer = await api.client.post("/docs/files/start.js")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"
