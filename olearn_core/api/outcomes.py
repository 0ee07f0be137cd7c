"""Taking outcomes over HTTP."""

from __future__ import annotations

from olearn_core.api.operation import Call
from olearn_core.schemas import OutcomeResponse


async def accept_outcome(call: Call) -> OutcomeResponse:
    """Put an outcome into the log; it is durable when this answers."""
    event_id = call.request.headers.get("ce-id")
    accepted = await call.service.intake.accept(call.body, call.tenant, event_id)
    return OutcomeResponse(event_id=accepted)
