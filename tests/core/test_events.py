"""Decoding reads every outcome of the contract and never trusts a byte."""

from __future__ import annotations

import json
import math
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olearn_core.errors import EventError, OlearnError
from olearn_core.events import (
    MAX_EVENT_BYTES,
    NAME_LENGTH,
    Outcome,
    Status,
    checked_name,
    decode_outcome,
    encode_outcome,
    header,
    read_context,
    unknown_fields,
    utc_now,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)
STATUSES = get_args(Status)

FULL = {
    "event_id": "01J-7",
    "tenant_id": "acme",
    "agent_name": "researcher",
    "task_type": "summarise",
    "status": "success",
    "timestamp": "2026-03-01T12:00:00Z",
    "latency_ms": 812.5,
    "quality_score": 0.91,
    "cost_usd": 0.0031,
    "decision_id": "AQEC",
    "context": {"complexity": 0.4, "domain": "law", "urgent": True},
}
FULL_BYTES = json.dumps(FULL, separators=(",", ":")).encode()

CARRIED = {
    "run_id": "r-1",
    "agent_type": "llm",
    "severity": "info",
    "start_time": "2026-03-01T12:00:00",
    "end_time": 1_772_366_400,
    "llm_latency_ms": -1,
    "tokens_used": {"in": 3, "out": 9},
    "output": "text",
    "error_message": None,
    "error_type": "ValueError",
    "stack_trace": "…",
    "input_data": {"prompt": ["a", "b"]},
    "memory_used_mb": "12",
    "cpu_time_ms": 5,
    "confidence_score": 7,
    "parent_event_id": "p",
    "correlation_id": "c",
    "workflow_id": 9,
    "tags": ["x", 1],
    "metadata": {"deep": {"er": [1]}},
    "retry_count": "2",
}


def event(**fields: Any) -> bytes:
    """Return an agent's success with these fields added; None stands for JSON's null."""
    return json.dumps({"agent_name": "a", "status": "success", **fields}).encode()


def raw(member: bytes) -> bytes:
    """Return an agent's success with one member more, byte by byte."""
    return b'{"agent_name":"a","status":"success",' + member + b"}"


def refusal(value: bytes | None) -> EventError:
    """Return the error with which the bytes are refused."""
    with pytest.raises(EventError) as caught:
        decode_outcome(value)
    return caught.value


def cloud_event(data: Any, **attributes: Any) -> bytes:
    """Return a structured CloudEvent."""
    envelope = {"specversion": "1.0", "type": "outcome", "source": "/agents", "id": "ce-1"}
    return json.dumps({**envelope, **attributes, "data": data}, separators=(",", ":")).encode()


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]", core: bytes = b"") -> bytes:
    """Return JSON that is this deep."""
    return opening * depth + core + closing * depth


def assert_usable(outcome: Outcome) -> None:
    """Assert what every later stage relies on."""
    assert outcome.agent_name is not None
    assert 1 <= len(outcome.agent_name) <= NAME_LENGTH
    assert outcome.status in STATUSES or (
        outcome.status is None and outcome.quality_score is not None
    )
    for text in (outcome.agent_name, outcome.tenant, outcome.task):
        text.encode()
        try:
            assert len(checked_name(text, "/name").encode()) >= 1
        except EventError:
            pass
    for identifier in (outcome.event_id, outcome.decision_id):
        assert identifier is None or identifier.encode()
    for number in (outcome.latency_ms, outcome.cost_usd, outcome.quality_score):
        assert number is None or (math.isfinite(number) and number >= 0)
    if outcome.timestamp is not None:
        assert math.isfinite(outcome.timestamp.timestamp())
    try:
        context, _ = read_context(outcome.raw_context)
    except EventError:
        return
    for key, value in context.items():
        f"{key}={value}".encode()
        assert isinstance(value, str) or math.isfinite(float(value))


def assert_outcome_or_refusal(value: bytes) -> None:
    """Assert that nothing else than an outcome or an `EventError` comes of the bytes."""
    try:
        outcome = decode_outcome(value)
    except EventError as error:
        assert error.reason
        str(error).encode()
        assert error.pointer == "" or error.pointer.startswith("/")
    else:
        assert_usable(outcome)
        assert unknown_fields(value) == sorted(unknown_fields(value))


# ---- what is read


def test_every_field_of_the_contract_is_read() -> None:
    outcome = decode_outcome(FULL_BYTES)
    assert outcome.event_id == "01J-7"
    assert outcome.tenant == "acme"
    assert outcome.agent_name == "researcher"
    assert outcome.task == "summarise"
    assert outcome.status == "success"
    assert outcome.timestamp == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert outcome.latency_ms == 812.5
    assert outcome.quality_score == 0.91
    assert outcome.cost_usd == 0.0031
    assert outcome.decision_id == "AQEC"
    assert read_context(outcome.raw_context) == (FULL["context"], 0)


def test_an_agent_and_a_status_are_enough() -> None:
    outcome = decode_outcome(b'{"agent_name":"a","status":"failure"}')
    assert outcome.tenant == "default"
    assert outcome.task == "default"
    assert outcome.raw_context == b""
    optional = (outcome.event_id, outcome.decision_id, outcome.timestamp, outcome.latency_ms)
    assert optional == (None, None, None, None)
    assert (outcome.quality_score, outcome.cost_usd) == (None, None)


def test_who_misspells_a_status_is_told_those_that_are_known() -> None:
    reason = refusal(b'{"agent_name":"a","status":"succes"}').reason
    assert reason.startswith("Invalid enum value 'succes': known are success, failure, ")


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_is_read(status: str) -> None:
    assert decode_outcome(event(status=status)).status == status


@pytest.mark.parametrize(("success", "status"), [(True, "success"), (False, "failure")])
def test_success_stands_in_for_the_status(success: bool, status: str) -> None:
    assert decode_outcome(event(status=None, success=success)).status == status
    assert decode_outcome(event(success=None)).status == "success"


def test_a_rating_needs_no_status() -> None:
    outcome = decode_outcome(b'{"agent_name":"a","quality_score":0}')
    assert outcome.status is None
    assert outcome.quality_score == 0.0


@pytest.mark.parametrize(
    ("alias", "name", "attribute", "aliased", "named"),
    [
        ("action_type", "task_type", "task", "write", "read"),
        ("duration_ms", "latency_ms", "latency_ms", 7, 9),
        ("cost_estimate", "cost_usd", "cost_usd", 0.5, 0),
        ("success", "status", "status", False, "partial"),
        ("context_snapshot", "context", "raw_context", {"a": 1}, {"b": 2}),
    ],
)
def test_an_alias_is_read_and_the_name_wins(
    alias: str, name: str, attribute: str, aliased: Any, named: Any
) -> None:
    """Also an empty name wins; one that is null is not given."""

    def read(**fields: Any) -> Any:
        value = getattr(
            decode_outcome(event(**{"status": None, "quality_score": 1, **fields})), attribute
        )
        return json.loads(value) if isinstance(value, bytes) else value

    expected = "failure" if alias == "success" else aliased
    assert read(**{alias: aliased}) == expected
    assert read(**{alias: aliased, name: None}) == expected
    assert read(**{alias: aliased, name: named}) == named
    assert read(**{name: named, alias: aliased}) == named


def test_an_empty_context_wins_over_its_alias() -> None:
    assert decode_outcome(event(context={}, context_snapshot={"a": 1})).raw_context == b"{}"


@pytest.mark.parametrize(
    "fields",
    [
        "task_type action_type event_id decision_id status success timestamp latency_ms",
        "duration_ms quality_score cost_usd cost_estimate context context_snapshot",
    ],
)
def test_null_is_the_same_as_not_given(fields: str) -> None:
    nulls = dict.fromkeys(fields.split())
    rating = {"status": None, "quality_score": None, "success": True}
    assert_usable(decode_outcome(event(**{**nulls, **rating})))


def test_all_carried_fields_are_accepted_whatever_they_hold() -> None:
    outcome = decode_outcome(event(**CARRIED))
    assert outcome == decode_outcome(event())
    assert unknown_fields(event(**CARRIED)) == []


def test_unknown_fields_are_ignored_and_named() -> None:
    value = event(agent="b", zebra=[1, {"x": None}], Status="failure")
    assert decode_outcome(value) == decode_outcome(event())
    assert unknown_fields(value) == ["Status", "agent", "zebra"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"{",
        b'"x"',
        raw(b'"x":"\xff"')[:-1],
        b'{"\xff":1}',
        b'{"x":' + nested(5_000) + b"}",
        b'{"\\ud800":1}',
    ],
)
def test_naming_unknown_fields_never_fails(value: bytes) -> None:
    assert unknown_fields(value) in ([], ["x"])


def test_a_value_that_nobody_could_read_does_not_hide_an_unknown_field() -> None:
    assert unknown_fields(raw(b'"big":' + b"9" * 5_000)) == ["big"]
    assert unknown_fields(raw(b'"bytes":"\xff"')) == ["bytes"]


@PROPERTY
@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 28)),
    st.integers(-23 * 60, 23 * 60),
)
def test_a_timestamp_means_the_same_instant_in_every_zone(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    outcome = decode_outcome(event(timestamp=zoned.isoformat()))
    assert outcome.timestamp == zoned


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00"]
)
def test_the_first_and_last_timestamps_have_a_unix_time(moment: str) -> None:
    outcome = decode_outcome(event(timestamp=moment))
    assert outcome.timestamp is not None
    assert math.isfinite(outcome.timestamp.timestamp())


def test_what_is_encoded_is_read_back() -> None:
    assert decode_outcome(encode_outcome(FULL)) == decode_outcome(FULL_BYTES)
    now = utc_now()
    outcome = decode_outcome(encode_outcome({**FULL, "timestamp": now}))
    assert outcome.timestamp == now
    assert now.utcoffset() == timedelta(0)


# ---- CloudEvents


def test_a_structured_cloud_event_is_its_data() -> None:
    outcome = decode_outcome(cloud_event(FULL, time="2020-01-01T00:00:00Z"))
    assert outcome.source_name == "/agents"
    outcome.source = msgspec.Raw()
    assert outcome == decode_outcome(FULL_BYTES)


@pytest.mark.parametrize("source", ["/fleet/7", "", "é"])
def test_who_sent_it_is_a_text(source: str) -> None:
    event = {"agent_name": "a", "success": True, "source": source}
    assert decode_outcome(encode_outcome(event)).source_name == source


@pytest.mark.parametrize("source", [None, 1, ["a"], {"a": "b"}])
def test_what_else_stands_there_is_nobody(source: Any) -> None:
    event = {"agent_name": "a", "success": True, "source": source}
    assert decode_outcome(encode_outcome(event)).source_name == ""


def test_a_cloud_event_lends_its_id_and_time_where_the_data_has_none() -> None:
    outcome = decode_outcome(
        cloud_event({"agent_name": "a", "success": True}, time="2026-01-01T00:00:00Z")
    )
    assert outcome.event_id == "ce-1"
    assert outcome.timestamp == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_cloud_event_needs_neither_id_nor_time() -> None:
    outcome = decode_outcome(cloud_event({"agent_name": "a", "success": True}, id=None))
    assert (outcome.event_id, outcome.timestamp) == (None, None)


def test_the_aliases_hold_inside_a_cloud_event() -> None:
    data = {"agent_name": "a", "success": False, "duration_ms": 5, "cost_estimate": 2}
    outcome = decode_outcome(cloud_event(data))
    assert (outcome.status, outcome.latency_ms, outcome.cost_usd) == ("failure", 5, 2)


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (cloud_event({"status": "success"}), "/data/agent_name"),
        (cloud_event({"agent_name": "a"}), "/data/status"),
        (
            cloud_event({"agent_name": "a", "status": "success", "latency_ms": -1}),
            "/data/latency_ms",
        ),
        (cloud_event([]), "/data"),
        (cloud_event("text"), "/data"),
        (cloud_event({"agent_name": "a", "success": True}, id=5), "/id"),
        (cloud_event({"agent_name": "a", "success": True}, id=""), "/id"),
        (cloud_event({"agent_name": "a", "success": True}, time="2026-01-01T00:00:00"), "/time"),
        (cloud_event({"agent_name": "a", "success": True}, time=5), "/time"),
        (cloud_event({"specversion": "1.0", "data": {"agent_name": "a"}}), "/data/agent_name"),
    ],
)
def test_what_is_wrong_in_a_cloud_event_is_pointed_to(value: bytes, pointer: str) -> None:
    assert refusal(value).pointer == pointer


def test_the_envelope_of_a_bare_event_is_not_read() -> None:
    """Producers have fields `id`, `type`, `time`, `source` and `data` of their own."""
    foreign = {"id": 7, "type": ["x"], "time": "yesterday", "source": None, "subject": {}}
    outcome = decode_outcome(event(**foreign, data={"agent_name": "b"}))
    assert outcome.agent_name == "a"
    assert (outcome.event_id, outcome.timestamp) == (None, None)
    assert unknown_fields(event(**foreign)) == []
    assert decode_outcome(event(**foreign, specversion="1.0")).event_id is None


# ---- what is refused

TIME = b'"timestamp":"%s"'
POISON: list[tuple[bytes, str, str]] = [
    # bytes, pointer, what the reason holds
    (b"", "", "empty"),
    (b" ", "", "not valid JSON"),
    (b"null", "", "object"),
    (b"true", "", "object"),
    (b"0", "", "object"),
    (b'"{}"', "", "object"),
    (b"[]", "", "object"),
    (b'[{"agent_name":"a","status":"success"}]', "", "object"),
    (b"{", "", "truncated"),
    (b"{}", "/agent_name", "required"),
    (b"{}{}", "", "trailing"),
    (b"{'agent_name':'a'}", "", "byte 1"),
    (b'{"agent_name":"a",}', "", "byte 18"),
    (b'{"agent_name" "a"}', "", "byte 14"),
    (b'{agent_name:"a"}', "", "byte 1"),
    (b'{"agent_name":"a" /* x */}', "", "byte 18"),
    (b'{"agent_name":"\xc3\x28","status":"success"}', "", "byte 15"),
    (b'{"agent_name":"a\xe2\x82"}', "", "not valid UTF-8 (byte 16)"),
    (b'{"agent_name":"\xc3', "", "truncated"),
    (b'{"agent_name":"\xed\xa0\x80","status":"success"}', "", "not valid UTF-8 (byte 15)"),
    (b'{"agent_name":"\\ud800","status":"success"}', "", "surrogate"),
    (b'{"agent_name":"\\udc00","status":"success"}', "", "surrogate"),
    (b'{"agent_name":"\\ud800\\ud800","status":"success"}', "", "surrogate"),
    (b'{"agent_name":"\\u00","status":"success"}', "", "not valid JSON"),
    (b'{"agent_name":"a\nb","status":"success"}', "", "not valid JSON"),
    (b"\xef\xbb\xbf" + FULL_BYTES, "", "byte 0"),
    (FULL_BYTES.decode().encode("utf-16"), "", "byte 0"),
    (FULL_BYTES + b"\x00", "", "trailing"),
    (b"\x00\x00\x00\x00\x07" + FULL_BYTES, "", "byte 0"),
    (b'{"status":"success"}', "/agent_name", "required"),
    (b'{"agent_name":null,"status":"success"}', "/agent_name", "required"),
    (b'{"agent_name":"","status":"success"}', "/agent_name", "length >= 1"),
    (b'{"agent_name":"' + b"a" * 129 + b'","status":"success"}', "/agent_name", "length <= 128"),
    (b'{"agent_name":7,"status":"success"}', "/agent_name", "int"),
    (b'{"agent_name":["a"],"status":"success"}', "/agent_name", "array"),
    (b'{"agent_name":"a"}', "/status", "required"),
    (
        b'{"agent_name":"a","status":null,"success":null,"quality_score":null}',
        "/status",
        "required",
    ),
    (b'{"agent_name":"a","latency_ms":5,"cost_usd":1}', "/status", "required"),
    (event(status="Success"), "/status", "Success"),
    (event(status=""), "/status", "enum"),
    (event(status=True), "/status", "bool"),
    (event(status="x - at `$.y"), "/status", "x - at `$.y"),
    (event(success=1), "/success", "int"),
    (event(success="true"), "/success", "str"),
    (event(task_type=""), "/task_type", "length >= 1"),
    (event(task_type="é" * 129), "/task_type", "length <= 128"),
    (event(action_type=5), "/action_type", "int"),
    (event(tenant_id=""), "/tenant_id", "length >= 1"),
    (event(tenant_id="t" * 129), "/tenant_id", "length <= 128"),
    (event(tenant_id=7), "/tenant_id", "int"),
    (event(event_id=""), "/event_id", "length >= 1"),
    (event(event_id="e" * 257), "/event_id", "length <= 256"),
    (event(event_id=7), "/event_id", "int"),
    (event(decision_id="d" * 2_401), "/decision_id", "length <= 2400"),
    (event(decision_id={}), "/decision_id", "object"),
    (event(latency_ms=-0.001), "/latency_ms", ">= 0"),
    (event(latency_ms=True), "/latency_ms", "bool"),
    (event(latency_ms="5"), "/latency_ms", "str"),
    (event(duration_ms=-1), "/duration_ms", ">= 0"),
    (event(duration_ms=False), "/duration_ms", "bool"),
    (event(quality_score=1.000001), "/quality_score", "<= 1"),
    (event(quality_score=-1e-9), "/quality_score", ">= 0"),
    (event(quality_score=True), "/quality_score", "bool"),
    (event(cost_usd=-1), "/cost_usd", ">= 0"),
    (event(cost_usd="$1"), "/cost_usd", "str"),
    (event(cost_estimate=-1), "/cost_estimate", ">= 0"),
    (raw(b'"latency_ms":NaN'), "", "byte 50"),
    (raw(b'"latency_ms":Infinity'), "", "byte 50"),
    (raw(b'"latency_ms":-Infinity'), "", "byte 51"),
    (raw(b'"latency_ms":+1'), "", "byte 50"),
    (raw(b'"latency_ms":01'), "", "byte 51"),
    (raw(b'"latency_ms":.5'), "", "byte 50"),
    (raw(b'"latency_ms":0x10'), "", "byte 51"),
    (raw(b'"latency_ms":1e999'), "/latency_ms", "out of range"),
    (raw(b'"latency_ms":1.7976931348623159e308'), "/latency_ms", "out of range"),
    (raw(b'"latency_ms":' + b"9" * 400), "/latency_ms", "out of range"),
    (raw(b'"latency_ms":' + b"9" * 5_000), "/latency_ms", "out of range"),
    (raw(b'"anything":NaN'), "", "byte 48"),
    (raw(b'"context":{"x":NaN}'), "", "byte 52"),
    (raw(TIME % b"2026-01-01T00:00:00"), "/timestamp", "timezone"),
    (raw(TIME % b"2026-01-01"), "/timestamp", "RFC3339"),
    (raw(TIME % b"2026-02-30T00:00:00Z"), "/timestamp", "RFC3339"),
    (raw(TIME % b"2026-01-01T25:00:00Z"), "/timestamp", "RFC3339"),
    (raw(TIME % b"2026-01-01T00:00:00+24:00"), "/timestamp", "RFC3339"),
    (raw(TIME % b"0000-01-01T00:00:00Z"), "/timestamp", "RFC3339"),
    (raw(TIME % b"now"), "/timestamp", "RFC3339"),
    (raw(TIME % b""), "/timestamp", "RFC3339"),
    (event(timestamp=1_772_366_400), "/timestamp", "int"),
    (event(timestamp=True), "/timestamp", "bool"),
    (raw(b'"tags":' + nested(100_000)), "", "recursion"),
    (raw(b'"context":' + nested(100_000, b'{"a":', b"}", b"1")), "", "recursion"),
    (raw(b'"agent_name":' + b"[" * 200_000), "/agent_name", "array"),
    (b"[" * 500_000, "", "array"),
]


@pytest.mark.parametrize(
    ("value", "pointer", "reason"), POISON, ids=[f"{where} {why}" for _, where, why in POISON]
)
def test_poison_is_refused_with_its_reason_and_place(
    value: bytes, pointer: str, reason: str
) -> None:
    error = refusal(value)
    assert error.pointer == pointer
    assert reason in error.reason
    assert str(error) == (f"{pointer}: {error.reason}" if pointer else error.reason)


def test_there_are_at_least_sixty_poisons() -> None:
    assert len({value for value, _, _ in POISON}) >= 60


def test_an_event_that_is_not_there_is_refused() -> None:
    assert "empty" in refusal(None).reason


def test_an_event_of_two_megabytes_is_refused_unread() -> None:
    error = refusal(event(output="x" * (2 << 20)))
    assert str(MAX_EVENT_BYTES) in error.reason
    assert error.pointer == ""


def test_an_event_of_one_megabyte_is_read() -> None:
    padding = MAX_EVENT_BYTES - len(event(output=""))
    assert decode_outcome(event(output="x" * padding)) == decode_outcome(event())
    assert "bytes" in refusal(event(output="x" * (padding + 1))).reason


def test_names_of_1_and_128_characters_are_read() -> None:
    for name in ("a", "é", "🤖", "a" * 128, "é" * 128, "🤖" * 128):
        assert decode_outcome(event(agent_name=name, tenant_id=name)).agent_name == name


def test_a_reason_is_short_however_long_the_value() -> None:
    error = refusal(event(status="x" * 500_000))
    assert error.pointer == "/status"
    assert len(error.reason) <= 300


def test_an_error_without_a_message_says_what_its_class_says() -> None:
    class Unexplained(OlearnError):
        pass

    assert "OlearnError" in repr(OlearnError())
    assert str(OlearnError()) == "Something went wrong in olearn."
    assert str(Unexplained()) == "Unexplained"
    assert str(Unexplained("this")) == "this"


# ---- never anything else

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["success", "pending", "2026-01-01T00:00:00Z", "1.0", "a" * 200, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
field_names = st.sampled_from([*FULL, *CARRIED, "success", "specversion", "data", "id", "time"])
edits = st.lists(
    st.tuples(st.integers(0, len(FULL_BYTES)), st.integers(0, 12), st.binary(max_size=6)),
    max_size=6,
)


@PROPERTY
@given(st.binary(max_size=200))
@example(b"\x00")
def test_any_bytes_are_an_outcome_or_refused(value: bytes) -> None:
    assert_outcome_or_refusal(value)


@PROPERTY
@given(st.sampled_from([FULL_BYTES, cloud_event(FULL), event(**CARRIED)]), edits)
def test_a_damaged_event_is_an_outcome_or_refused(
    value: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for start, removed, inserted in edits:
        value = value[:start] + inserted + value[start + removed :]
    assert_outcome_or_refusal(value)


@PROPERTY
@given(st.dictionaries(field_names, json_values, max_size=8), st.booleans(), st.booleans())
def test_an_event_with_any_values_is_an_outcome_or_refused(
    fields: dict[str, Any], complete: bool, wrapped: bool
) -> None:
    fields = {**FULL, **fields} if complete else fields
    assert_outcome_or_refusal(cloud_event(fields) if wrapped else json.dumps(fields).encode())


@pytest.mark.parametrize("length", range(0, len(FULL_BYTES), 3))
def test_a_torn_event_is_refused(length: int) -> None:
    assert refusal(FULL_BYTES[:length]).pointer == ""


# ---- names


@pytest.mark.parametrize(
    "name", ["a", "gpt-4o mini", "a" * 128, "Ärzte", "研究者", "🤖", "ñ" * 128]
)
def test_a_composed_name_stays_as_it_is(name: str) -> None:
    assert checked_name(name, "/agent_name") == name


def test_two_spellings_of_a_name_are_one() -> None:
    assert checked_name("Cafe\u0301", "/agent_name") == "Caf\u00e9"
    assert checked_name("\u212b", "/agent_name") == "\u00c5"
    assert checked_name("\u1112\u1161\u11ab", "/agent_name") == "\ud55c"


@pytest.mark.parametrize(
    "character", ["\x00", "\n", "\t", "\x1b", "\x7f", "\x80", "\x9f", "\ud800"]
)
def test_control_characters_and_surrogates_are_refused_in_names(character: str) -> None:
    with pytest.raises(EventError, match="control") as caught:
        checked_name(f"a{character}b", "/task_type")
    assert caught.value.pointer == "/task_type"


@pytest.mark.parametrize("name", ["", "a" * 129, "é" * 129, "\u0958" * 65])
def test_a_name_has_1_to_128_composed_characters(name: str) -> None:
    """U+0958 is two characters when composed."""
    with pytest.raises(EventError) as caught:
        checked_name(name, "/agent_name")
    assert caught.value.pointer == "/agent_name"


def test_a_control_character_over_the_wire_is_left_to_the_name_check() -> None:
    name = decode_outcome(raw(b'"agent_name":"a\\u0000b"')).agent_name
    assert name == "a\0b"
    with pytest.raises(EventError):
        checked_name(name, "/agent_name")


@PROPERTY
@given(st.text(max_size=140))
def test_a_checked_name_is_composed_encodable_and_checked_for_good(name: str) -> None:
    try:
        checked = checked_name(name, "/agent_name")
    except EventError:
        return
    assert unicodedata.is_normalized("NFC", checked)
    assert 1 <= len(checked) <= NAME_LENGTH
    assert checked.encode().decode() == checked
    assert checked_name(checked, "/agent_name") == checked


# ---- context


def test_a_flat_context_is_read() -> None:
    given_context = {"domain": "law", "complexity": 0.5, "pages": 12, "urgent": False, "": ""}
    assert read_context(json.dumps(given_context).encode()) == (given_context, 0)


def test_deeper_context_values_are_left_out_and_counted() -> None:
    context = {"a": 1, "list": [1], "map": {"b": 2}, "nothing": None}
    assert read_context(json.dumps(context).encode()) == ({"a": 1}, 2)


@pytest.mark.parametrize("raw_context", [b"", b"null", b"{}"])
def test_no_context_is_an_empty_one(raw_context: bytes) -> None:
    assert read_context(raw_context) == ({}, 0)


def test_a_number_in_a_context_stays_a_finite_number() -> None:
    largest = 1 << 1023
    assert read_context(b'{"x":%d,"y":-%d}' % (largest, largest)) == (
        {"x": largest, "y": -largest},
        0,
    )
    assert math.isfinite(float(largest))


@pytest.mark.parametrize(
    "raw_context",
    [
        b"[]",
        b"5",
        b'"text"',
        b"true",
        b'{"x":1e999}',
        b'{"x":' + b"9" * 400 + b"}",
        b'{"x":-' + b"9" * 400 + b"}",
        b'{"x":' + b"9" * 5_000 + b"}",
        b'{"x":"\xff"}',
        b'{"\xff":1}',
        b'{"x":"\\ud800 alone"}',
        b'{"\\udfff":1}',
        b'{"x":' + nested(5_000) + b"}",
    ],
)
def test_a_context_that_is_no_map_of_values_is_refused(raw_context: bytes) -> None:
    with pytest.raises(EventError) as caught:
        read_context(raw_context)
    assert caught.value.pointer == "/context"
    str(caught.value).encode()


@PROPERTY
@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_context_is_flat_or_refused(raw_context: bytes) -> None:
    try:
        context, deeper = read_context(raw_context)
    except EventError:
        return
    assert deeper >= 0
    assert all(isinstance(value, str | int | float) for value in context.values())


# ---- record headers


def test_a_header_is_found_by_name() -> None:
    headers = [("ce_type", b"outcome"), ("ce_id", "é-1".encode()), ("ce_id", b"second")]
    assert header(headers, "ce_id") == "é-1"
    assert header(headers, "ce_time") is None


@pytest.mark.parametrize("value", [b"", None, b"\xff", b"id-\xc3"])
def test_a_header_without_readable_text_is_none(value: bytes | None) -> None:
    """Half of an id would make two events one."""
    assert header([("ce_id", value)], "ce_id") is None
