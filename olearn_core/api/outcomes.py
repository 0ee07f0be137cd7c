"""Taking outcomes over HTTP."""

from __future__ import annotations

from typing import Any

from olearn_core.api.batch import at_once
from olearn_core.api.operation import Call
from olearn_core.api.outcome_faults import OutcomeError
from olearn_core.errors import EventError, UnreadableEventError
from olearn_core.schemas import OutcomeResponse


async def accept_outcome(call: Call) -> OutcomeResponse:
    """
    Put an outcome into the log; it is durable when this answers.

    It is learned within a second, and counts once: one with an `event_id` that was
    sent before is accepted again and changes nothing.
    """
    accepted = await _accepted(call, call.body, call.headers.ce_id, call.headers.ce_source)
    return OutcomeResponse(event_id=accepted)


async def accept_outcomes(call: Call) -> dict[str, Any]:
    """
    Put up to 1,000 outcomes into the log, and tell of each what came of it.

    Those that are accepted are durable when this answers; a bad one spoils no other.
    Each counts once by its `event_id`, so the whole batch can be sent again.
    """

    async def accept(item: bytes) -> dict[str, Any]:
        return {"status": "accepted", "event_id": await _accepted(call, item)}

    return await at_once(call.body, accept, 202)


async def _accepted(
    call: Call, outcome: bytes, event_id: str | None = None, source: str | None = None
) -> str:
    """
    Return the outcome's event_id once the log has it.

    :raises OutcomeError: naming all that is wrong
    """
    try:
        known = call.credential.id or source
        return await call.service.intake.accept(outcome, call.tenant, event_id, known)
    except UnreadableEventError:
        raise
    except EventError as error:
        raise OutcomeError(error, outcome) from error
