"""All that is wrong with an outcome; the learner only needs to know the first of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from olearn_core.errors import EventError, UnreadableEventError
from olearn_core.events import Envelope, Outcome, checked_name, read_context
from olearn_core.schemas import FieldProblem
from olearn_core.sources.intake import CONTEXTS, NAMES

VERDICTS = ("status", "success", "quality_score")
NULL = b"null"

Fields = Mapping[str, msgspec.Raw]


class OutcomeError(EventError):
    """
    An outcome that came over HTTP is refused.

    :param errors: every wrong field, the first of them that of `reason` and `pointer`
    """

    def __init__(self, first: EventError, body: bytes) -> None:
        super().__init__(first.reason, first.pointer)
        self.errors = list(_all(first, body)) if first.pointer else []
        if self.errors:
            self.args = ("; ".join(f"{e.pointer}: {e.detail}" for e in self.errors),)


def _all(first: EventError, body: bytes) -> Iterator[FieldProblem]:
    if isinstance(first, UnreadableEventError):
        yield _problem(first.pointer, first.reason)
        return
    others = dict(_others(body))
    if f"/data{first.pointer}" not in others:
        yield _problem(first.pointer, first.reason)
    for pointer, reason in others.items():
        if pointer != first.pointer:
            yield _problem(pointer, reason)


def _problem(pointer: str, reason: str) -> FieldProblem:
    return FieldProblem(pointer=f"#{pointer}", detail=reason)


def _others(body: bytes) -> Iterator[tuple[str, str]]:
    """Read each field alone."""
    fields = _fields(body)
    wrapped = _is_missing(fields, "agent_name") and "specversion" in fields and "data" in fields
    if wrapped:
        yield from _faults(Envelope, fields, "")
        fields = _fields(fields["data"])
    root = "/data" if wrapped else ""
    yield from _faults(Outcome, fields, root)
    if _is_missing(fields, "agent_name"):
        yield f"{root}/agent_name", "agent_name is required"
    if all(_is_missing(fields, name) for name in VERDICTS):
        yield f"{root}/status", "status, success or quality_score is required"


def _fields(value: bytes | msgspec.Raw) -> Fields:
    """Return the members of an object; nothing where it is none, which is a fault already."""
    try:
        return msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _is_missing(fields: Fields, name: str) -> bool:
    return bytes(fields.get(name, NULL)) == NULL


def _faults(kind: type[msgspec.Struct], fields: Fields, root: str) -> Iterator[tuple[str, str]]:
    for name, decoder in _decoders(kind).items():
        if name in fields and (reason := _fault(name, decoder, fields[name])):
            yield f"{root}/{name}", reason


def _fault(name: str, decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> str:
    try:
        value = decoder.decode(raw)
        if name in NAMES and value is not None:
            checked_name(value, name)
        if name in CONTEXTS:
            read_context(bytes(raw))
    except EventError as error:
        return error.reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return ""


@lru_cache(maxsize=2)
def _decoders(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.json.Decoder[Any]]:
    """Return what reads each field of a structure alone."""
    found = msgspec.structs.fields(kind)
    return {field.name: msgspec.json.Decoder(field.type) for field in found}
