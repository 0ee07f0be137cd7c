"""What orchestrators ask: is it alive, may it have traffic?"""

from __future__ import annotations

from starlette.responses import Response

from olearn_core import schemas
from olearn_core.api.operation import JSON, Answered, Call
from olearn_core.api.problems import RETRY_AFTER
from olearn_core.service.readiness import checks

HEALTH_PATHS = frozenset({"/livez", "/healthz", "/readyz"})


async def livez(_: Call) -> Answered:
    """
    Tell that the process lives.

    A database that is away is no reason to restart it.
    """
    return schemas.AliveResponse(status="alive")


async def readyz(call: Call) -> Answered:
    """
    Tell whether the node may have traffic.

    503, with the same members, where it may not.
    """
    found = checks(call.service)
    is_ready = all(check.is_well for check in found.values())
    told = {
        name: schemas.ReadinessCheck(
            status="ok" if check.is_well else "failing", detail=check.detail
        )
        for name, check in found.items()
    }
    body = schemas.ReadyResponse(
        status="ready" if is_ready else "not ready",
        state=call.service.state.value,
        checks=None if call.query.verbose is None else told,
    )
    headers = {} if is_ready else RETRY_AFTER
    content = body.model_dump_json(exclude_none=True)
    return Response(content, 200 if is_ready else 503, headers, JSON)
