"""What Prometheus asks for."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from olearn_core.api.operation import Call
from olearn_core.metrics.scrape import exposition
from olearn_core.service.figures import readings


async def scrape(call: Call) -> Response:
    """
    Return all metrics, as text or as OpenMetrics.

    Names and labels are those of the guide's section on monitoring; agents and task types
    beyond the caps of `[metrics]` are told together.
    """
    accept = call.request.headers.get("accept", "")
    found = await readings(call.service)
    # Writing some thousand lines takes milliseconds, which decisions need not wait for.
    text, media_type = await asyncio.to_thread(exposition, call.service.instruments, found, accept)
    return Response(text, headers={"Content-Type": media_type})
