"""Taking an outcome from somebody who waits for an answer, and putting it into the log."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from olearn_core.errors import EventError, ForbiddenError, UnreadableEventError
from olearn_core.events import (
    Outcome,
    checked_name,
    decode_outcome,
    encode_outcome,
    read_context,
    utc_now,
)
from olearn_core.sources.publisher import Publisher
from olearn_core.tokens import partition_key

NAMES = ("agent_name", "task_type", "action_type", "tenant_id")
NULL = b"null"
CONTEXTS = ("context", "context_snapshot")


class Intake:
    """
    Checks an outcome as the learner will, completes it and appends it to the log.

    :param tenants: whose outcomes the log may hold, None for everybody's
    """

    def __init__(self, publisher: Publisher, tenants: Collection[str] | None = None) -> None:
        self._publisher = publisher
        self._tenants = tenants

    async def accept(
        self, body: bytes, tenant: str, event_id: str | None = None, source: str | None = None
    ) -> str:
        """
        Return the outcome's event_id once the log has it.

        :param tenant: the sender's; the body may name it too, but no other
        :param event_id: from outside the body, where it has none
        :param source: the sender's, None where only the body can say who it is
        :raises ForbiddenError: where the outcome is not the sender's to report
        :raises EventError: where the outcome is not acceptable; nothing is stored then
        :raises SourceError: where the log does not take it
        """
        outcome = decode_outcome(body)
        _check(outcome)
        whole = _members(body)
        self._refuse_foreign(tenant, (outcome.tenant_id, *_tenants_named(whole)))
        fields = _fields(whole)
        fields["tenant_id"] = tenant
        if source := source or outcome.source_name:
            fields["source"] = source
        fields["event_id"] = outcome.event_id or event_id or uuid.uuid4().hex
        if outcome.timestamp is None:
            fields["timestamp"] = utc_now()
        elif "timestamp" not in fields:
            fields["timestamp"] = outcome.timestamp
        completed = encode_outcome(fields)
        decode_outcome(completed)  # what we added may be too long, or make the whole so
        key = partition_key(tenant, fields["event_id"], outcome.decision_id)
        await self._publisher.publish(key, completed)
        return str(fields["event_id"])

    def _refuse_foreign(self, tenant: str, named: Sequence[Any]) -> None:
        if self._tenants is not None and tenant not in self._tenants:
            raise ForbiddenError(f"the log takes no outcomes of tenant {tenant!r} here")
        if any(name not in (None, tenant) for name in named):
            raise ForbiddenError(
                "the outcome names another tenant than the credential is for", pointer="/tenant_id"
            )


def _check(outcome: Outcome) -> None:
    """Names and aliases that are not read, because another one wins, must be right as well."""
    for name in NAMES:
        if (value := getattr(outcome, name)) is not None:
            checked_name(value, f"/{name}")
    for name in CONTEXTS:
        _check_context(bytes(getattr(outcome, name)), f"/{name}")


def _check_context(context: bytes, pointer: str) -> None:
    try:
        read_context(context)
    except EventError as error:
        raise EventError(error.reason, pointer) from None


def _tenants_named(fields: Mapping[str, msgspec.Raw]) -> Iterator[Any]:
    """Return the tenants that an outcome and its data name, be it where nobody reads it."""
    inner: Mapping[str, msgspec.Raw] = {}
    if bytes(fields.get("data", NULL)).startswith(b"{"):
        inner = msgspec.json.decode(fields["data"], type=dict[str, msgspec.Raw])
    for named in (fields, inner):
        if "tenant_id" in named:
            yield msgspec.json.decode(named["tenant_id"])


def _members(body: bytes) -> dict[str, Any]:
    """Return the members of a readable outcome as they stand there."""
    try:
        body.decode()  # in what nobody reads the decoder lets anything pass
    except UnicodeDecodeError as error:
        raise UnreadableEventError(f"not valid UTF-8 (byte {error.start})") from None
    return msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def _fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome's members, out of what wraps them."""
    if bytes(fields.get("agent_name", NULL)) == NULL:
        return msgspec.json.decode(fields["data"], type=dict[str, msgspec.Raw])
    return fields
