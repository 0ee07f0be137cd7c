"""What deserves attention."""

from __future__ import annotations

from olearn_core.api.operation import Call
from olearn_core.schemas import AlertsResponse


async def list_alerts(call: Call) -> AlertsResponse:
    """List the alerts that are firing, and those that were resolved lately."""
    telling = call.service.telling
    return AlertsResponse(
        firing=telling.firing(call.confined_to),
        recent=telling.resolved(call.confined_to),
        as_of=telling.looked_at,
    )
