"""Dead letters: looking at them, and having them learned after all."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from olearn_core.api.operation import Call
from olearn_core.errors import EventError, ForbiddenError
from olearn_core.events import DEFAULT, decode_outcome, encode_outcome
from olearn_core.learning.shards.cells import CellFinder
from olearn_core.learning.shards.tick import Tick
from olearn_core.schemas import (
    DeadLetterResponse,
    DeadLettersQuery,
    DeadLettersResponse,
    DeadLetterSummary,
    RetryRequest,
    RetryResponse,
)
from olearn_core.service import Service
from olearn_core.sources.source import Partition
from olearn_core.statistics import Statistics
from olearn_core.storage.dead_letters import DeadLetterStore, StoredLetter, Wanted
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.times import now_rfc3339, rfc3339
from olearn_core.tokens import partition_key

LONGEST_ID = 256
NULL = b"null"


async def list_dead_letters(call: Call) -> DeadLettersResponse:
    """List dead letters, newest first, and count those that match."""
    query: DeadLettersQuery = call.query
    since = query.since.timestamp() if query.since else None
    wanted = Wanted(query.reason, query.topic, since, query.retried, call.confined_to)
    store = DeadLetterStore(call.service.database)
    counts = await store.counts(wanted)
    page = await store.page(wanted, query.limit, query.before)
    return DeadLettersResponse(
        letters=[DeadLetterSummary(**_described(letter)) for letter in page],
        total=counts.total,
        not_retried=counts.not_retried,
        by_reason=dict(counts.by_reason),
    )


async def show_dead_letter(call: Call) -> DeadLetterResponse:
    """Return one dead letter with what is kept of its record."""
    letter = await _letter(call)
    head = letter.payload_head
    text = head.decode(errors="replace")
    return DeadLetterResponse(
        **_described(letter),
        payload_text=text,
        lossy=text.encode() != head,
        payload_base64=base64.b64encode(head).decode(),
    )


async def retry_dead_letter(call: Call) -> RetryResponse:
    """
    Put a dead letter's outcome into the log, where it can be learned now.

    A crash before the retry is noted lets it be published twice; its event_id
    is the same then, so it counts once.
    """
    letter, asked = await _letter(call), call.body
    if letter.retried_at is not None and not asked.again:
        when = now_rfc3339(letter.retried_at)
        raise HTTPException(
            409,
            f"dead letter {letter.id} was retried at {when}:"
            ' {"again": true}, or --again, repeats it',
        )
    payload = _payload(letter, asked)
    _refuse_unlearnable(call.service, letter, payload)
    payload = _completed(_of_tenant(call, payload, letter.tenant), letter)
    outcome = decode_outcome(payload)  # what was added may make the whole too long
    event_id = outcome.event_id or ""
    key = partition_key(outcome.tenant, event_id, outcome.decision_id)
    offset = await call.service.publisher.publish(key, payload)
    retried_at = time.time()
    await DeadLetterStore(call.service.database).mark_retried(letter.id, retried_at)
    return RetryResponse(
        id=letter.id, event_id=event_id, offset=offset, retried_at=now_rfc3339(retried_at)
    )


async def _letter(call: Call) -> StoredLetter:
    return await DeadLetterStore(call.service.database).get(call.names.id, call.confined_to)


def _described(letter: StoredLetter) -> dict[str, Any]:
    """Return a letter as its summary has it."""
    own = ("whole", "created_at", "retried_at")
    fields = {n: getattr(letter, n) for n in DeadLetterSummary.model_fields if n not in own}
    return fields | {
        "whole": letter.is_whole,
        "created_at": now_rfc3339(letter.created_at),
        "retried_at": rfc3339(letter.retried_at or 0),
    }


def _payload(letter: StoredLetter, asked: RetryRequest) -> bytes:
    if asked.outcome is not None:
        return json.dumps(asked.outcome).encode()  # not-a-number stays what it is: to be refused
    if letter.is_whole:
        return letter.payload_head
    raise EventError(
        f"of the record at {letter.topic}/{letter.partition}, offset {letter.offset}, only"
        f" {len(letter.payload_head)} of {letter.payload_bytes} bytes are kept: retry it with the"
        " corrected outcome, from a file"
    )


def _of_tenant(call: Call, payload: bytes, tenant: str | None) -> bytes:
    """
    Return the outcome as its letter's tenant's, where it names none.

    :raises ForbiddenError: where it names one that the caller may not speak for
    """
    named = decode_outcome(payload).tenant_id
    if call.confined_to is not None and named not in (None, call.confined_to):
        raise ForbiddenError(
            "the outcome names another tenant than the credential is for", pointer="/outcome"
        )
    if named or tenant in (None, DEFAULT):
        return payload
    fields = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    if not _is_wrapped(fields):
        return encode_outcome(fields | {"tenant_id": tenant})
    data = msgspec.json.decode(fields["data"], type=dict[str, msgspec.Raw])
    return encode_outcome(fields | {"data": data | {"tenant_id": tenant}})


def _is_wrapped(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Tell whether an outcome is the data of a CloudEvent."""
    return bytes(fields.get("agent_name", NULL)) == NULL


def _refuse_unlearnable(service: Service, letter: StoredLetter, payload: bytes) -> None:
    """
    Read a record as the learner will.

    :raises EventError: where it would become a dead letter again
    """
    now = time.time()
    tick = Tick(letter.offset, now)
    finder = CellFinder(Statistics(service.view.columns), service.settings.learning, now)
    reader = service.shard_maker.reader(Partition(letter.topic, letter.partition))
    reader.read([LoggedRecord(letter.offset, payload, int(now * 1_000))], finder, tick)
    for refused in tick.dead_letters:
        raise EventError(refused.reason, refused.pointer)


def _completed(payload: bytes, letter: StoredLetter) -> bytes:
    """
    Return the outcome with an identity and a time; what has both stays as it is.

    The identity is made of where the record lay, so that every retry has the same.
    """
    outcome = decode_outcome(payload)
    if outcome.event_id and outcome.timestamp:
        return payload
    fields = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    identity, moment = _names(fields)
    if not outcome.event_id:
        fields[identity] = _raw(_event_id(letter))
    if not outcome.timestamp:
        fields[moment] = _raw(now_rfc3339(letter.created_at))
    return encode_outcome(fields)


def _names(fields: dict[str, msgspec.Raw]) -> tuple[str, str]:
    """Return what identity and time are called: in a CloudEvent's envelope, otherwise."""
    return ("id", "time") if _is_wrapped(fields) else ("event_id", "timestamp")


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


def _event_id(letter: StoredLetter) -> str:
    where = f"{letter.source}/{letter.topic}/{letter.partition}/{letter.offset}"
    if len(f"dead-letter:{where}") > LONGEST_ID:
        where = hashlib.sha256(where.encode()).hexdigest()
    return f"dead-letter:{where}"
