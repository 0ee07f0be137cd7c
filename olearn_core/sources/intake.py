"""Taking an outcome from somebody who waits for an answer, and putting it into the log."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from olearn_core.errors import TokenError
from olearn_core.events import (
    NAME_LENGTH,
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
    :param context_keys: whose values become names of cells
    """

    def __init__(
        self,
        publisher: Publisher,
        keys: Callable[[], Mapping[int, SigningKey]],
        context_keys: Iterable[str] = (),
    ) -> None:
        self._publisher = publisher
        self._keys = keys
        self._context_keys = frozenset(context_keys)

    async def accept(self, body: bytes, tenant: str, event_id: str | None = None) -> str:
        """
        Return the outcome's event_id once the log has it.

        :param tenant: the sender's; what the body says of it does not count
        :param event_id: from outside the body, where it has none
        :raises EventError: where the outcome is not acceptable; nothing is stored then
        :raises SourceError: where the log does not take it
        """
        outcome = decode_outcome(body)
        self._check(outcome)
        fields = _fields(body)
        fields["tenant_id"] = tenant
        fields["event_id"] = outcome.event_id or event_id or uuid.uuid4().hex
        if outcome.timestamp is None:
            fields["timestamp"] = utc_now()
        elif "timestamp" not in fields:
            fields["timestamp"] = outcome.timestamp
        completed = encode_outcome(fields)
        decode_outcome(completed)  # what we added may be too long, or make the whole so
        await self._publisher.publish(self._key(outcome, fields), completed)
        return str(fields["event_id"])

    def _check(self, outcome: Outcome) -> None:
        checked_name(outcome.agent_name or "", "/agent_name")
        checked_name(outcome.task, "/task_type")
        context, _ = read_context(outcome.raw_context)
        for key in self._context_keys & context.keys():
            if isinstance(text := context[key], str):
                checked_name(text[:NAME_LENGTH], f"/context/{key}")

    def _key(self, outcome: Outcome, fields: Mapping[str, Any]) -> str:
        """Repeats, and the parts of one decision's outcome, share a partition."""
        try:
            return verify(self._keys(), outcome.decision_id or "").nonce.hex()
        except TokenError:
            return f"{fields['tenant_id']}/{fields['event_id']}"


def _fields(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if "specversion" in fields and isinstance(data := fields.get("data"), dict):
        return data
    return fields
