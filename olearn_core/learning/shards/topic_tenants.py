"""Whose outcomes a topic may bring, and whose a record is that cannot be learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from olearn_core.errors import EventError
from olearn_core.events import DEFAULT, Outcome, checked_name

POINTER = "/tenant_id"


class _Claim(msgspec.Struct):
    """What of any JSON object says whose it is."""

    tenant_id: Any = None
    agent_name: Any = None
    data: Any = None


_claims = msgspec.json.Decoder(_Claim)


class TopicTenants:
    """
    An allow-list of tenants.

    :param allowed: their names, None for everybody's; a single one need not be named in outcomes
    """

    def __init__(self, allowed: Sequence[str] | None = None) -> None:
        self._allowed = None if allowed is None else frozenset(allowed)
        self._only = next(iter(self._allowed)) if self._allowed and len(self._allowed) == 1 else ""
        self.is_limited = self._allowed is not None

    def allows(self, tenant: str) -> bool:
        """Tell whether the topic may bring this tenant's outcomes."""
        return self._allowed is None or tenant in self._allowed

    def place(self, outcome: Outcome) -> None:
        """
        Give an outcome that names no tenant the topic's only one.

        :raises EventError: where the topic may not bring the tenant's outcomes
        """
        if self._only and outcome.tenant_id is None:
            outcome.tenant_id = self._only
        if not self.allows(checked_name(outcome.tenant, POINTER)):
            raise EventError("this topic may not bring outcomes of this tenant", POINTER)

    def owner(self, claimed: str | None) -> str | None:
        """Return whose a dead letter is that claims to be somebody's, None where nobody's."""
        found = self._only or claimed
        return found if found is not None and self.allows(found) else None


def claimed_tenant(value: bytes) -> str | None:
    """Return whose a record says to be, though it cannot be learned; None where it does not."""
    try:
        claim = _claims.decode(value)
        if claim.agent_name is None and isinstance(claim.data, dict):
            claim.tenant_id = claim.data.get("tenant_id")
        if claim.tenant_id is None:
            return DEFAULT
        return checked_name(claim.tenant_id, POINTER) if isinstance(claim.tenant_id, str) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, EventError):
        return None
