"""
The outcome of one agent execution, as it comes over the wire.

Decoding never trusts a byte: whatever is wrong becomes an `EventError` with a
JSON Pointer, and the outcome a dead letter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from olearn_core.errors import EventError, UnreadableEventError

Status = Literal["success", "failure", "partial", "timeout", "cancelled", "pending"]
KNOWN_STATUS = f"known are {', '.join(get_args(Status))}"
Scalar = str | float | bool
T = TypeVar("T")

OF_DECISIONS = "-decisions"  # ends the name of a source whose records are decisions
DEFAULT = "default"
NAME_LENGTH = 128
MAX_EVENT_BYTES = 1 << 20
REASON_LENGTH = 300
LARGEST_INTEGER = 1 << 1023
NOTHING = (b"", b"null")
LONGEST_NOTHING = 4

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Identifier = Annotated[str, Meta(min_length=1, max_length=256)]
Token = Annotated[str, Meta(min_length=1, max_length=2_400)]
Amount = Annotated[float, Meta(ge=0)]
Score = Annotated[float, Meta(ge=0, le=1)]
Moment = Annotated[datetime, Meta(tz=True)]


class Outcome(msgspec.Struct, gc=False, kw_only=True):
    """
    What an agent did on a task. Where a name and its alias are given, the name wins.

    `context` stays raw JSON until somebody asks for it.
    """

    agent_name: Name | None = None
    tenant_id: Name | None = None
    task_type: Name | None = None
    action_type: Name | None = None
    event_id: Identifier | None = None
    decision_id: Token | None = None
    status: Status | None = None
    success: bool | None = None
    timestamp: Moment | None = None
    latency_ms: Amount | None = None
    duration_ms: Amount | None = None
    quality_score: Score | None = None
    cost_usd: Amount | None = None
    cost_estimate: Amount | None = None
    context: msgspec.Raw = msgspec.Raw()
    context_snapshot: msgspec.Raw = msgspec.Raw()
    source: msgspec.Raw = msgspec.Raw()
    specversion: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()

    @property
    def tenant(self) -> str:
        """Whose outcome it is, "default" where that is not said."""
        return self.tenant_id or DEFAULT

    @property
    def task(self) -> str:
        """The task type, "default" where none is given."""
        return self.task_type or self.action_type or DEFAULT

    @property
    def raw_context(self) -> bytes:
        """The context as JSON, b"" where there is none."""
        context = bytes(self.context)
        if len(context) > LONGEST_NOTHING:
            return context
        return bytes(self.context_snapshot) if context in NOTHING else context

    @property
    def source_name(self) -> str:
        """Who says to have sent it (CloudEvents' `source`), "" where that is not a text."""
        try:
            name = _any_value.decode(self.source or b"null")
        except msgspec.DecodeError:
            return ""
        return name if isinstance(name, str) else ""


class Envelope(msgspec.Struct):
    """What of a structured CloudEvent stands outside its data."""

    id: Identifier | None = None
    time: Moment | None = None


CARRIED_FIELDS = frozenset(
    [
        "run_id",
        "agent_type",
        "severity",
        "start_time",
        "end_time",
        "llm_latency_ms",
        "tokens_used",
        "output",
        "error_message",
        "error_type",
        "stack_trace",
        "input_data",
        "memory_used_mb",
        "cpu_time_ms",
        "confidence_score",
        "parent_event_id",
        "correlation_id",
        "workflow_id",
        "tags",
        "metadata",
        "retry_count",
        "id",
        "time",
        "type",
        "subject",
        "datacontenttype",
        "dataschema",
    ]
)
KNOWN_FIELDS = CARRIED_FIELDS | set(Outcome.__struct_fields__)

_decoder = msgspec.json.Decoder(Outcome)
_envelope = msgspec.json.Decoder(Envelope)
_any_value = msgspec.json.Decoder()
_any = msgspec.json.Decoder(dict[str, Any])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_outcome(value: bytes | None) -> Outcome:
    """
    Read one outcome, bare or as a structured CloudEvent.

    :raises EventError: on any bytes that are not an outcome
    """
    if not value:
        raise UnreadableEventError("the event is empty")
    if len(value) > MAX_EVENT_BYTES:
        raise EventError(f"the event has {len(value)} bytes, at most {MAX_EVENT_BYTES} are read")
    try:
        outcome = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error, value) from None
    root = ""
    if outcome.agent_name is None:
        outcome, root = _unwrapped(outcome, value)
    if outcome.status is None:
        _complete(outcome, root)
    if outcome.latency_ms is None:
        outcome.latency_ms = outcome.duration_ms
    if outcome.cost_usd is None:
        outcome.cost_usd = outcome.cost_estimate
    return outcome


def _decode(decoder: msgspec.json.Decoder[T], value: bytes | msgspec.Raw, root: str = "") -> T:
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error, value, root) from None


def _explained(error: Exception, value: bytes | msgspec.Raw, root: str = "") -> EventError:
    if isinstance(error, msgspec.ValidationError):
        reason, at, path = str(error).rpartition(" - at `$")  # the reason may quote the event
        reason, pointer = (reason, _pointer(path)) if at else (path, "")
        if pointer.endswith("/status"):
            reason = f"{reason[: REASON_LENGTH // 2]}: {KNOWN_STATUS}"
        return EventError(reason[:REASON_LENGTH], root + pointer)
    if isinstance(error, UnicodeDecodeError):
        return UnreadableEventError(f"not valid UTF-8 (byte {_first_not_utf8(value)})", root)
    return UnreadableEventError(f"not valid JSON: {error}", root)


def _first_not_utf8(value: bytes | msgspec.Raw) -> int:
    """Return the position in the whole; msgspec's counts from the start of a string."""
    try:
        bytes(value).decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(bytes(value))


def _pointer(path: str) -> str:
    """Turn what follows the `$` in msgspec's `$.a.b[0]` into a JSON Pointer."""
    return path.rstrip("`").replace("[", ".").replace("]", "").replace(".", "/")


def _unwrapped(wrapped: Outcome, value: bytes) -> tuple[Outcome, str]:
    """Return what a structured CloudEvent carries, and where in it."""
    if not (wrapped.data and wrapped.specversion):
        raise EventError("agent_name is required", "/agent_name")
    envelope = _decode(_envelope, value)
    outcome = _decode(_decoder, wrapped.data, "/data")
    if outcome.agent_name is None:
        raise EventError("agent_name is required", "/data/agent_name")
    outcome.event_id = outcome.event_id or envelope.id
    outcome.timestamp = outcome.timestamp or envelope.time
    outcome.source = outcome.source or wrapped.source
    return outcome, "/data"


def _complete(outcome: Outcome, root: str) -> None:
    if outcome.success is not None:
        outcome.status = "success" if outcome.success else "failure"
    elif outcome.quality_score is None:
        raise EventError("status, success or quality_score is required", f"{root}/status")


def checked_name(name: str, pointer: str) -> str:
    """
    Return the name in Unicode's composed form (NFC).

    :raises EventError: on control characters or surrogates, or where it is empty or too long
    """
    if name.isascii() and name.isprintable() and 0 < len(name) <= NAME_LENGTH:
        return name
    if not name:
        raise EventError("is empty", pointer)
    name = unicodedata.normalize("NFC", name)
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise EventError("control characters are not allowed", pointer)
    if len(name) > NAME_LENGTH:
        raise EventError(f"longer than {NAME_LENGTH} characters", pointer)
    return name


def read_context(raw: bytes) -> tuple[dict[str, Scalar], int]:
    """
    Return the flat context and how many deeper values were left out.

    :raises EventError: where the context is not a JSON object, or holds a number out of range
    """
    if raw in NOTHING:
        return {}, 0
    try:
        context = _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a map of values: {error}", "/context") from None
    flat = {k: v for k, v in context.items() if isinstance(v, str | int | float | bool)}
    if any(isinstance(v, int) and abs(v) > LARGEST_INTEGER for v in flat.values()):
        raise EventError("not a map of values: Number out of range", "/context")
    nothing = sum(value is None for value in context.values())
    return flat, len(context) - len(flat) - nothing


def unknown_fields(value: bytes) -> list[str]:
    """Return the names in a readable event that nobody knows; for a sample only."""
    try:
        return sorted(_fields.decode(value).keys() - KNOWN_FIELDS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def encode_outcome(fields: Mapping[str, Any]) -> bytes:
    """Return the fields as the JSON that `decode_outcome` reads."""
    return msgspec.json.encode(fields)


def header(headers: Iterable[tuple[str, bytes | None]], name: str) -> str | None:
    """Return a record header's text, None where it is missing, empty or not UTF-8."""
    for key, value in headers:
        if key == name:
            try:
                return (value or b"").decode() or None
            except UnicodeDecodeError:
                return None
    return None


def utc_now() -> datetime:
    """Return the wall clock, with its zone."""
    return datetime.now(UTC)
