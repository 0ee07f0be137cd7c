"""The OpenAPI document says what the service does, and shows it by examples that work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

import olearn_core.api
from olearn_core.api.openapi import document
from olearn_core.api.operation import EVENT_STREAM
from olearn_core.api.operations import OPERATIONS
from olearn_core.api.problem_types import PROBLEM_TYPES
from tests.api.conftest import Api
from tests.api.example_calls import answers, told
from tests.support.services import running, settings_for

DOCUMENT = document(OPERATIONS, version="1", secured=True)
EVERY = [
    pytest.param(path, method, described, id=described["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
]


def resolved(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def answer_of(described: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the media type of the answer of success, and what it holds."""
    status = next(status for status in described["responses"] if status < "300")
    ((kind, content),) = described["responses"][status]["content"].items()
    return kind, content


def test_it_is_openapi_3_1() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_it_has_every_operation_and_no_other() -> None:
    declared = {(o.path, o.method.lower()) for o in OPERATIONS if o.media_type != EVENT_STREAM}
    assert declared == {(p, m) for p, methods in DOCUMENT["paths"].items() for m in methods}
    assert len({described["operationId"] for *_, described in map(values, EVERY)}) == len(declared)


def values(parameters: Any) -> tuple[str, str, dict[str, Any]]:
    found: tuple[str, str, dict[str, Any]] = parameters.values
    return found


@pytest.mark.parametrize(("path", "method", "described"), EVERY)
def test_every_operation_is_told_in_words(path: str, method: str, described: Any) -> None:
    assert described["summary"]
    assert described["description"]
    assert set(described["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    declared = next(o for o in OPERATIONS if (o.path, o.method.lower()) == (path, method))
    assert described["x-scope"] == declared.scope
    assert described["x-operator"] == declared.operator
    assert described["description"].endswith("For operators.") == declared.operator
    asked = [{"credential": [declared.scope]}] if declared.scope else []
    assert described["security"] == asked


@pytest.mark.parametrize(("path", "method", "described"), EVERY)
def test_every_parameter_of_a_path_is_declared(path: str, method: str, described: Any) -> None:
    in_path = {p["name"] for p in described["parameters"] if p["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    for parameter in described["parameters"]:
        assert parameter["description"].endswith(".")


@pytest.mark.parametrize(("path", "method", "described"), EVERY)
def test_every_operation_has_examples_that_keep_its_schemas(
    path: str, method: str, described: Any
) -> None:
    _, content = answer_of(described)
    resolved(content["schema"]).validate(content["example"])
    for kind, body in described.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            resolved(body["schema"]).validate(body["example"])


@pytest.mark.parametrize(("path", "method", "described"), EVERY)
def test_every_operation_says_which_problems_it_has(path: str, method: str, described: Any) -> None:
    statuses = set(described["responses"])
    assert "500" in statuses
    if described["security"]:
        assert statuses >= {"401", "403", "429", "503"}
    if "requestBody" in described:
        assert statuses >= {"400", "413", "415", "422"}
    for status in statuses:
        if status >= "400":
            assert int(status) in PROBLEM_TYPES


@pytest.mark.parametrize(
    "name", ["Outcome", "DecisionRequest", "PredictRequest", "EstimateRequest"]
)
def test_every_field_that_fleets_send_is_told_in_words(name: str) -> None:
    fields = DOCUMENT["components"]["schemas"][name]["properties"]
    assert [field for field, schema in fields.items() if not schema.get("description")] == []


async def test_the_examples_succeed_on_a_running_service(tmp_path: Path, sqlite_url: str) -> None:
    async with running(settings_for(tmp_path, sqlite_url)) as run:
        called = []
        async for call, answer in answers(run.service):
            assert answer.status_code == call.expected, f"{call}: {answer.text}"
            described = next(d for _, _, d in map(values, EVERY) if is_of(d, call.operation_id))
            resolved(answer_of(described)[1]["schema"]).validate(told(answer))
            called.append(call.operation_id)
    assert len(called) == len(EVERY)


def is_of(described: dict[str, Any], operation_id: str) -> bool:
    return bool(described["operationId"] == operation_id)


async def test_it_is_served_and_need_not_be_sent_twice(api: Api) -> None:
    first = await api.get("/openapi.json")
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/json"
    known = {"if-none-match": first.headers["etag"]}
    again = await api.get("/openapi.json", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    other = await api.get("/openapi.json", headers={"if-none-match": '"another"'})
    assert other.json() == first.json()


@pytest.mark.parametrize("status", PROBLEM_TYPES)
async def test_every_type_of_problem_is_explained_where_it_leads(api: Api, status: int) -> None:
    kind = PROBLEM_TYPES[status]
    page = await api.get("/docs/problems")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert kind.uri.startswith("/docs/problems#")
    assert f'<h2 id="{kind.slug}">{status} {kind.title}</h2>' in page.text


def test_only_what_is_declared_is_read() -> None:
    """A handler that reads parameters by itself would hide them from the document."""
    for source in sources():
        assert "query_params" not in source
        assert "path_params" not in source


def sources() -> Iterator[str]:
    for path in Path(olearn_core.api.__file__).parent.glob("*.py"):
        if path.name not in ("parameters.py", "paths.py", "health.py"):
            yield path.read_text()
