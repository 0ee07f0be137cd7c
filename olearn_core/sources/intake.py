"""Taking an outcome from somebody who waits for an answer, and putting it into the log."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

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


class Intake:
    """Checks an outcome as the learner will, completes it and appends it to the log."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def accept(self, body: bytes, tenant: str, event_id: str | None = None) -> str:
        """
        Return the outcome's event_id once the log has it.

        :param tenant: the sender's; what the body says of it does not count
        :param event_id: from outside the body, where it has none
        :raises EventError: where the outcome is not acceptable; nothing is stored then
        :raises SourceError: where the log does not take it
        """
        outcome = decode_outcome(body)
        _check(outcome)
        fields = _fields(body)
        fields["tenant_id"] = tenant
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


def _check(outcome: Outcome) -> None:
    checked_name(outcome.agent_name or "", "/agent_name")
    checked_name(outcome.task, "/task_type")
    read_context(outcome.raw_context)


def _fields(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if "specversion" in fields and isinstance(data := fields.get("data"), dict):
        return data
    return fields
