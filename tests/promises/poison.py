"""
A hundred and more ways in which a record can be bad, and what each ends as.

`pointer` is where the dead letter points; None where the record is learned on
purpose, and the comment beside it says why.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.support.events import outcome

DEEP = 100_000
MEGABYTE = 1 << 20


class Poison(NamedTuple):
    """A record that something is wrong with."""

    name: str
    value: bytes | None
    pointer: str | None


def good(**fields: Any) -> bytes:
    """Return an outcome that is fine but for these fields."""
    return outcome(**{"event_id": ..., **fields})


def raw(text: str) -> bytes:
    """Return an outcome with this in place of its last field, not checked by anybody."""
    return b'{"agent_name":"ada","status":"success",' + text.encode("utf-8", "surrogatepass") + b"}"


def cloud(**fields: Any) -> bytes:
    """Return a structured CloudEvent around a good outcome, with these fields changed."""
    data = {"agent_name": "ada", "status": "success"}
    event = {"specversion": "1.0", "type": "outcome", "source": "t", "id": "c", "data": data}
    return json.dumps({k: v for k, v in (event | fields).items() if v is not ...}).encode()


NOT_JSON = [
    Poison("no value at all, a tombstone", None, ""),
    Poison("an empty value", b"", ""),
    Poison("white space", b" \n\t ", ""),
    Poison("a lone brace", b"{", ""),
    Poison("an outcome cut in half", good()[: len(good()) // 2], ""),
    Poison("an outcome without its last brace", good()[:-1], ""),
    Poison("two outcomes at once", good() + good(), ""),
    Poison("two outcomes on two lines", good() + b"\n" + good(), ""),
    Poison("an outcome with something behind it", good() + b"x", ""),
    Poison("a comma too many", raw('"latency_ms":1,'), ""),
    Poison("single quotes", b"{'agent_name': 'ada', 'status': 'success'}", ""),
    Poison("a comment", raw('"latency_ms":1 /* ms */'), ""),
    Poison("a key without quotes", raw("latency_ms:1"), ""),
    Poison("not UTF-8", b"\xff\xfe\x00\x01", ""),
    Poison("not UTF-8 inside a name", good(agent_name="X").replace(b'"X"', b'"\xc3\x28"'), ""),
    Poison("UTF-16", good().decode().encode("utf-16"), ""),
    Poison("a byte order mark", b"\xef\xbb\xbf" + good(), ""),
    Poison("a raw surrogate", good(agent_name="X").replace(b'"X"', b'"\xed\xa0\x80"'), ""),
    Poison("an escaped lone surrogate", raw('"task_type":"\\ud800"'), ""),
    Poison("a raw control character", raw('"task_type":"a\x01b"'), ""),
    Poison("a raw NUL", raw('"task_type":"a\x00b"'), ""),
    Poison("NUL bytes only", b"\x00" * 64, ""),
    Poison("a pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00K\x01.", ""),
    Poison("an npz", b"PK\x03\x04" + b"\x00" * 60, ""),
    Poison("Avro with a schema id", b"\x00\x00\x00\x00\x07\x06ada", ""),
    Poison("NaN", raw('"latency_ms":NaN'), ""),
    Poison("Infinity", raw('"latency_ms":Infinity'), ""),
    Poison("-Infinity", raw('"cost_usd":-Infinity'), ""),
    Poison("1e999", raw('"latency_ms":1e999'), "/latency_ms"),
    Poison("a number with a leading zero", raw('"latency_ms":01'), ""),
    Poison("a hexadecimal number", raw('"latency_ms":0x10'), ""),
    Poison("arrays nested deeply", b"[" * DEEP + b"]" * DEEP, ""),
    Poison("arrays nested deeply and left open", b"[" * DEEP, ""),
    Poison("objects nested deeply", b'{"a":' * DEEP + b"1" + b"}" * DEEP, ""),
]

NO_OUTCOME = [
    Poison("null", b"null", ""),
    Poison("a number", b"17", ""),
    Poison("a string", b'"ada"', ""),
    Poison("true", b"true", ""),
    Poison("an empty array", b"[]", ""),
    Poison("an array of outcomes", b"[" + good() + b"]", ""),
    Poison("an empty object", b"{}", "/agent_name"),
    Poison("another system's event", b'{"level":"info","message":"hello"}', "/agent_name"),
    Poison("neither status nor quality", good(status=...), "/status"),
    Poison("a null status and no quality", good(status=None), "/status"),
]

WRONG_VALUES = [
    Poison("no agent", good(agent_name=...), "/agent_name"),
    Poison("a null agent", good(agent_name=None), "/agent_name"),
    Poison("an empty agent", good(agent_name=""), "/agent_name"),
    Poison("an agent that is a number", good(agent_name=7), "/agent_name"),
    Poison("an agent that is an object", good(agent_name={"name": "ada"}), "/agent_name"),
    Poison("an agent of 129 characters", good(agent_name="a" * 129), "/agent_name"),
    Poison("an agent that is 129 when composed", good(agent_name="\u0958" * 128), "/agent_name"),
    Poison("an agent with a new line", good(agent_name="a\nb"), "/agent_name"),
    Poison("an agent with a NUL", good(agent_name="a\x00b"), "/agent_name"),
    Poison("an agent with a C1 control", good(agent_name="a\x85b"), "/agent_name"),
    Poison("an empty task type", good(task_type=""), "/task_type"),
    Poison("a task type of ten thousand characters", good(task_type="t" * 10_000), "/task_type"),
    Poison("a task type that is a list", good(task_type=["code"]), "/task_type"),
    Poison("a task type with an escape", good(task_type="a\x1b[31m"), "/task_type"),
    Poison("an older task type that is a number", good(action_type=1), "/action_type"),
    Poison("an empty tenant", good(tenant_id=""), "/tenant_id"),
    Poison("a tenant that is a number", good(tenant_id=1), "/tenant_id"),
    Poison("a tenant with a control character", good(tenant_id="a\x7fb"), "/tenant_id"),
    Poison("a tenant too long", good(tenant_id="t" * 129), "/tenant_id"),
    Poison("an empty event id", good(event_id=""), "/event_id"),
    Poison("an event id that is a number", good(event_id=5), "/event_id"),
    Poison("an event id of 257 characters", good(event_id="e" * 257), "/event_id"),
    Poison("an empty decision id", good(decision_id=""), "/decision_id"),
    Poison("a decision id that is an object", good(decision_id={}), "/decision_id"),
    Poison("a decision id too long", good(decision_id="d" * 2_401), "/decision_id"),
    Poison("an unknown status", good(status="done"), "/status"),
    Poison("a status in capitals", good(status="SUCCESS"), "/status"),
    Poison("a status with a NUL", good(status="a\x00b"), "/status"),
    Poison("a status of a lone surrogate", raw('"status":"\\udc00"'), ""),
    Poison("a status of a thousand characters", good(status="\u7814" * 1_000), "/status"),
    Poison("a status that is a number", good(status=1), "/status"),
    Poison("a status that is true", good(status=True), "/status"),
    Poison("a success that is a word", good(status=..., success="yes"), "/success"),
    Poison("a success that is a number", good(status=..., success=1), "/success"),
    Poison("a timestamp that is no time", good(timestamp="yesterday"), "/timestamp"),
    Poison("a timestamp without a zone", good(timestamp="2025-10-09T08:53:20"), "/timestamp"),
    Poison("a timestamp in February's 30th", good(timestamp="2025-02-30T00:00:00Z"), "/timestamp"),
    Poison("a timestamp that is a list", good(timestamp=[1]), "/timestamp"),
    Poison("a timestamp of year 10000", good(timestamp="10000-01-01T00:00:00Z"), "/timestamp"),
    Poison("a negative latency", good(latency_ms=-1), "/latency_ms"),
    Poison("a latency that is a string", good(latency_ms="12"), "/latency_ms"),
    Poison("a latency that is true", good(latency_ms=True), "/latency_ms"),
    Poison("a latency that is a list", good(latency_ms=[12]), "/latency_ms"),
    Poison("an older latency below zero", good(duration_ms=-0.5), "/duration_ms"),
    Poison("a negative cost", good(cost_usd=-0.01), "/cost_usd"),
    Poison("a cost with its currency", good(cost_usd="$1"), "/cost_usd"),
    Poison("an older cost below zero", good(cost_estimate=-1), "/cost_estimate"),
    Poison("a quality above one", good(quality_score=1.01), "/quality_score"),
    Poison("a quality below zero", good(quality_score=-0.01), "/quality_score"),
    Poison("a quality that is a string", good(quality_score="good"), "/quality_score"),
    Poison("a context that is a list", good(context=["a", "b"]), "/context"),
    Poison("a context that is a string", good(context="domain=law"), "/context"),
    Poison("a context that is a number", good(context=12_345), "/context"),
    Poison("a context with a number of 400 digits", good(context={"a": 10**400}), "/context"),
    Poison("an older context that is a list", good(context_snapshot=["abcdef"]), "/context"),
    Poison("more than a megabyte", good(output="x" * (MEGABYTE + 1)), ""),
    Poison("an amount of 400 digits", raw(f'"latency_ms":{10**400}'), "/latency_ms"),
]

CLOUD_EVENTS = [
    Poison("a CloudEvent without data", cloud(data=...), "/agent_name"),
    Poison("a CloudEvent of null", cloud(data=None), "/data"),
    Poison("a CloudEvent whose data is a string", cloud(data="ada"), "/data"),
    Poison("a CloudEvent whose data is base64", cloud(data=..., data_base64="e30="), "/agent_name"),
    Poison("a CloudEvent of no agent", cloud(data={"status": "success"}), "/data/agent_name"),
    Poison("a CloudEvent of no status", cloud(data={"agent_name": "ada"}), "/data/status"),
    Poison(
        "a CloudEvent of a negative latency",
        cloud(data={"agent_name": "ada", "status": "success", "latency_ms": -1}),
        "/data/latency_ms",
    ),
    Poison("a CloudEvent whose id is a number", cloud(id=1), "/id"),
    Poison("a CloudEvent of no time", cloud(time="noon"), "/time"),
    Poison("a CloudEvent inside a CloudEvent", cloud(data=json.loads(cloud())), "/data/agent_name"),
    Poison("data without the name of a CloudEvent", cloud(specversion=...), "/agent_name"),
]

LEARNED = [
    # Producers of other languages send them; the last one counts, as most parsers do it.
    Poison("a key given twice", raw('"latency_ms":1,"latency_ms":2'), None),
    # Clipped to the column's cap: an outlier is an outcome.
    Poison("a latency of 1e308", raw('"latency_ms":1e308'), None),
    Poison("a cost of 1e308", raw('"cost_usd":1e308'), None),
    Poison("minus zero", raw('"latency_ms":-0.0'), None),
    # Clamped to now, or put into the oldest bucket; both are counted.
    Poison("a timestamp in a thousand years", good(timestamp="3025-01-01T00:00:00Z"), None),
    Poison("a timestamp of year one", good(timestamp="0001-01-01T00:00:00+14:00"), None),
    Poison("the last moment of all", good(timestamp="9999-12-31T23:59:59.999999-14:00"), None),
    # Unknown fields are nobody's business, whatever they hold.
    Poison("a million bytes of an unknown field", good(output="x" * (MEGABYTE - 200)), None),
    Poison("an unknown field nested deeply", raw('"x":' + "[" * 400 + "]" * 400), None),
    Poison("an unknown field of 400 digits", raw(f'"x":{10**400}'), None),
    # Only the configured keys of a context are looked at.
    Poison("a context with an empty key", good(context={"": 1, "domain": ""}), None),
    Poison("a context of nested values", good(context={"domain": {"deep": [1]}}), None),
    Poison("a context with control characters", good(context={"domain": "a\nb"}), None),
    # Escapes are JSON; a pair of surrogates is one character.
    Poison("an agent written in escapes", raw('"task_type":"\\u00e9\\ud83d\\ude00"'), None),
    # A token that is not ours is counted; the event itself is fine.
    Poison("a decision id that nobody signed", good(decision_id="x" * 100), None),
    Poison("an amount that is null", good(latency_ms=None, cost_usd=None), None),
    Poison("white space around it", b"\n " + good() + b" \n", None),
]

CORPUS = [*NOT_JSON, *NO_OUTCOME, *WRONG_VALUES, *CLOUD_EVENTS, *LEARNED]
REFUSED = [poison for poison in CORPUS if poison.pointer is not None]
