"""Taking an outcome from somebody who waits for an answer, and putting it into the log."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from olearn_core.errors import TokenError
from olearn_core.events import (
    Outcome,
    checked_name,
    decode_outcome,
    encode_outcome,
    read_context,
    utc_now,
)
from olearn_core.sources.publisher import Publisher
from olearn_core.tokens import SigningKey, verify


class Intake:
    """
    Checks an outcome as the learner will, completes it and appends it to the log.

    :param keys: gives the keys that decisions are signed with
    """

    def __init__(self, publisher: Publisher, keys: Callable[[], Mapping[int, SigningKey]]) -> None:
        self._publisher = publisher
        self._keys = keys

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
        await self._publisher.publish(self._key(outcome, fields), encode_outcome(fields))
        return str(fields["event_id"])

    def _key(self, outcome: Outcome, fields: Mapping[str, Any]) -> str:
        """Repeats, and the parts of one decision's outcome, share a partition."""
        try:
            return verify(self._keys(), outcome.decision_id or "").nonce.hex()
        except TokenError:
            return f"{fields['tenant_id']}/{fields['event_id']}"


def _check(outcome: Outcome) -> None:
    checked_name(outcome.agent_name or "", "/agent_name")
    checked_name(outcome.task, "/task_type")
    read_context(outcome.raw_context)


def _fields(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if "specversion" in fields and isinstance(data := fields.get("data"), dict):
        return data
    return fields
