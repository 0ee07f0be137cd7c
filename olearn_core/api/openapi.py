"""
The OpenAPI 3.1 document, made from the operations that route and check.

Parameters, bodies and answers are the models that read and write them, so the
document cannot differ from what the service does.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from olearn_core.api.batch import Batch
from olearn_core.api.examples import answer_example
from olearn_core.api.openapi_schemas import answer_model, reference, schemas_of
from olearn_core.api.operation import EVENT_STREAM, JSON, Operation
from olearn_core.api.outcome_schema import EXAMPLE
from olearn_core.api.parameters import Place, properties_of
from olearn_core.api.problem_types import PROBLEM_TYPES
from olearn_core.api.problems import MEDIA_TYPE, problem

DESCRIPTION = (
    "Learns from every execution of an agent which agent to send the next task to: ask for a"
    " decision, report its outcome. Errors are problem documents (RFC 9457), explained at"
    " [/docs/problems](/docs/problems)."
)
TAGS: Mapping[str, str] = {
    "decisions": "Which agent should do the next task, and why.",
    "predict": "What agents would bring.",
    "outcomes": "What agents did.",
    "agents": "What is known of agents.",
    "models": "Models, their versions and rollbacks.",
    "dead-letters": "Outcomes that could not be learned.",
    "service": "How the service is.",
}
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"
SECURITY = "credential"
SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key of olearn, or a JWT of the configured identity provider. It decides"
    " the tenant; an operator's key works on `default`, or on the one that the header"
    " `Olearn-Tenant` names (percent-encoded).",
}
WITH_CREDENTIAL = (401, 403, 429)
WITH_BODY = (400, 413, 415, 422)
FORBIDDEN = 403
MISDIRECTED = 421
# As headers of HTTP itself these are told in words.
CONDITIONS: Mapping[str, str] = {
    "GET": "The answer's `ETag` is the resource's state, to be sent as `If-Match` with a change.",
    "POST": "With the resource's `ETag` as `If-Match`, nothing is done (412) where it has changed.",
}
FOR_OPERATORS = "For operators."
HEADERS: Mapping[int, str] = {
    401: "WWW-Authenticate",
    405: "Allow",
    429: "Retry-After",
    503: "Retry-After",
}


def document(operations: Sequence[Operation], *, version: str, secured: bool) -> dict[str, Any]:
    """
    Return the document.

    :param secured: whether requests need a credential
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        if operation.media_type == EVENT_STREAM:
            continue  # it never ends, so that who reads whole answers would wait for ever
        described = _operation(operation, secured=secured)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "olearn",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas_of(operations),
            "responses": dict(_problem_responses()),
        },
    }
    if secured:
        found["components"]["securitySchemes"] = {SECURITY: SECURITY_SCHEME}
    return found


def _operation(operation: Operation, *, secured: bool) -> dict[str, Any]:
    summary, description = _said(operation)
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": summary,
        "description": description,
        "tags": [tag_of(operation)],
        "x-scope": operation.scope,
        "x-operator": operation.operator,
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation, secured=secured),
    }
    if operation.takes is not None:
        described["requestBody"] = _body(operation.takes)
    if secured:
        scope = operation.scope
        described["security"] = [{SECURITY: [scope]}] if scope else []
    return described


def _said(operation: Operation) -> tuple[str, str]:
    """Return what the handler's docstring says, and what that of the answer adds."""
    matched = CONDITIONS.get(operation.method, "") if operation.etag else ""
    summary, _, more = inspect.cleandoc(operation.handler.__doc__ or operation.id).partition("\n")
    model = answer_model(operation.gives)
    answer = "" if model is str else inspect.cleandoc(model.__doc__ or "")
    said = (more.strip(), answer, matched, FOR_OPERATORS if operation.operator else "")
    return summary.rstrip("."), "\n\n".join(filter(None, said))


def tag_of(operation: Operation) -> str:
    """Return the group that an operation belongs to: the first word of its path."""
    word = operation.path.removeprefix("/api/learning/").partition("/")[0]
    return word if word in TAGS else {"pareto": "agents"}.get(word, "service")


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    places: tuple[tuple[Place, type[BaseModel] | None], ...] = (
        ("path", operation.names),
        ("query", operation.query),
        ("header", operation.headers),
    )
    for place, model in places:
        for name, schema in properties_of(model).items() if model else ():
            yield _parameter(place, name, schema)


def _parameter(place: Place, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter that is not given is left out: there is no null among its values."""
    kept = {key: value for key, value in schema.items() if key != "anyOf"}
    for form in schema.get("anyOf", ()):
        kept |= form if form.get("type") != "null" else {}
    if kept.get("default", 0) is None:
        del kept["default"]
    described = {"name": name, "in": place, "required": place == "path", "schema": kept}
    if text := kept.pop("description", ""):
        described["description"] = text
    return described


def _body(takes: type[BaseModel | bytes] | Batch) -> dict[str, Any]:
    if isinstance(takes, Batch):
        return {"required": True, "content": _batch_content(takes)}
    if issubclass(takes, BaseModel):
        content = {JSON: {"schema": reference(takes), "example": _example(takes)}}
        return {"required": bool(takes.model_json_schema().get("oneOf")), "content": content}
    outcome, wrapped = reference("Outcome"), reference("OutcomeCloudEvent")
    either = {"schema": {"anyOf": [outcome, wrapped]}, "example": EXAMPLE}
    return {"required": True, "content": {JSON: either, CLOUD_EVENT: {"schema": wrapped}}}


def _batch_content(batch: Batch) -> dict[str, Any]:
    """Items that are wrong are answered one by one, so anything may stand among them."""
    is_outcome = not issubclass(batch.item, BaseModel)
    known = reference("Outcome" if is_outcome else batch.item)
    example = EXAMPLE if is_outcome else _example(batch.item)
    schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": batch.most,
        "items": {"anyOf": [known, {"description": "Is answered with a problem of its own."}]},
    }
    content: dict[str, Any] = {JSON: {"schema": schema, "example": [example, example]}}
    return content | ({CLOUD_EVENTS: {"schema": schema}} if is_outcome else {})


def _example(model: type[Any]) -> Any:
    return model.model_json_schema()["examples"][0]


def _responses(operation: Operation, *, secured: bool) -> dict[str, Any]:
    schema = reference(operation.gives)
    content = {"schema": schema} | answer_example(operation.id)
    answer = {"description": _said(operation)[0], "content": {operation.media_type: content}}
    responses: dict[str, Any] = {str(operation.status): answer}
    if operation.etag and operation.method == "GET":
        answer["headers"] = {"ETag": {"schema": {"type": "string"}}}
    for status in sorted(set(_problems(operation, secured=secured))):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    for status in operation.also:
        responses[str(status)] = _also(status, answer)
    return responses


def _also(status: int, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Describe another status with the members of the answer of success."""
    kept = {kind: {"schema": body["schema"]} for kind, body in answer["content"].items()}
    return {"description": answer["description"], "content": kept} | _headers(status)


def _problems(operation: Operation, *, secured: bool) -> Iterator[int]:
    yield 500
    yield from operation.problems
    if operation.scope is not None:
        yield 503
        yield from WITH_CREDENTIAL if secured else ()
    if not secured and operation.method != "GET":
        yield FORBIDDEN
    if operation.takes is not None:
        yield from WITH_BODY
    if operation.names is not None or operation.is_of_known_tenants:
        yield 404
    if operation.query is not None or operation.headers is not None:
        yield 422
    if operation.method != "GET":
        yield MISDIRECTED


def _problem_responses() -> Iterator[tuple[str, dict[str, Any]]]:
    for status, kind in PROBLEM_TYPES.items():
        example = problem(status, kind.means).model_dump(exclude_none=True)
        content = {MEDIA_TYPE: {"schema": reference("Problem"), "example": example}}
        described = f"{kind.means} {kind.remedy}"
        response = {"description": described, "content": content} | _headers(status)
        yield f"Problem{status}", response


def _headers(status: int) -> dict[str, Any]:
    """Return the member `headers` of an answer with a status; nothing where it has none."""
    name = HEADERS.get(status)
    return {"headers": {name: {"required": True, "schema": {"type": "string"}}}} if name else {}
