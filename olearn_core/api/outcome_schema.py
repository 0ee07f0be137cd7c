"""
The JSON Schema of an outcome, made from the structure that reads it.

What the structure cannot say is added here: which fields must be there, that
names have no control characters, and what a CloudEvent wraps around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from olearn_core.events import Envelope, Outcome
from olearn_core.schemas.bodies import NAME_PATTERN
from olearn_core.sources.intake import NAMES

VERDICTS = {"status": "string", "success": "boolean", "quality_score": "number"}
RAW: Mapping[str, Any] = {
    "context": {"type": ["object", "null"]},
    "context_snapshot": {"type": ["object", "null"]},
    "source": {},
}
MEANINGS: Mapping[str, str] = {
    "agent_name": "Who did the task.",
    "tenant_id": "Over HTTP the credential's; another one is refused.",
    "task_type": "What kind of task it was; `default` where it is not given.",
    "action_type": "Another name of `task_type`.",
    "event_id": "Makes a repeat recognisable: the same id counts once.",
    "decision_id": "Of the decision that this is the outcome of.",
    "status": "What came of it; a timeout is a failure whose latency is unknown.",
    "success": "In place of `status`: true or false.",
    "timestamp": "When it ended, as RFC 3339; now where it is not given.",
    "latency_ms": "How long it took, in milliseconds.",
    "duration_ms": "Another name of `latency_ms`.",
    "quality_score": "How good it was, 0 to 1; alone, without a status, it is a rating.",
    "cost_usd": "What it cost, in US dollars.",
    "cost_estimate": "Another name of `cost_usd`.",
    "context": "What else was known of the task: names with texts, numbers or booleans.",
    "context_snapshot": "Another name of `context`.",
    "source": "Who reports; over HTTP the key's id counts.",
}
ENVELOPE = ("specversion", "data")
EXAMPLE = {
    "event_id": "run-4711",
    "agent_name": "atlas",
    "task_type": "summarise",
    "status": "success",
    "latency_ms": 700,
    "cost_usd": 0.012,
    "quality_score": 0.9,
    "context": {"complexity": "high"},
}


def outcome_schemas(prefix: str) -> dict[str, Any]:
    """
    Return the schemas of an outcome, bare and in a structured CloudEvent.

    :param prefix: what stands before a schema's name in a reference
    """
    return {"Outcome": _outcome(), "OutcomeCloudEvent": _cloud_event(prefix)}


def _outcome() -> dict[str, Any]:
    properties = _properties(Outcome) | dict(RAW)
    properties["agent_name"] = {"type": "string", "minLength": 1, "maxLength": 128}
    for name in NAMES:
        _string_of(properties[name])["pattern"] = NAME_PATTERN
    for name, meaning in MEANINGS.items():
        properties[name] = {"description": meaning} | properties[name]
    return {
        "title": "Outcome",
        "description": "What an agent did on a task: it is learned within a second. Other fields"
        " are carried or ignored. `tenant_id` does not count: the credential says whose it is.",
        "type": "object",
        "properties": properties,
        "required": ["agent_name"],
        "anyOf": [_given(name, kind) for name, kind in VERDICTS.items()],
        "examples": [EXAMPLE],
    }


def _cloud_event(prefix: str) -> dict[str, Any]:
    return {
        "title": "OutcomeCloudEvent",
        "description": "A structured CloudEvent that carries an outcome.",
        "type": "object",
        "properties": {
            **_properties(Envelope),
            "specversion": {"description": "That it is there makes it a CloudEvent."},
            "type": {"description": "Is not looked at."},
            "source": {"description": "Who sends it, where it is a text."},
            "data": {"$ref": f"{prefix}Outcome"},
            "agent_name": {"type": "null"},
        },
        "required": ["specversion", "data"],
    }


def _properties(kind: type[msgspec.Struct]) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind)
    return {f.name: msgspec.json.schema(f.type) for f in fields if f.type is not msgspec.Raw}


def _string_of(schema: dict[str, Any]) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [schema, *schema.get("anyOf", ())]
    return next(form for form in forms if form.get("type") == "string")


def _given(name: str, kind: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": kind}}}
