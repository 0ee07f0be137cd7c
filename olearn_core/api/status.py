"""How the service is, and how learning goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from olearn_core.api.operation import Call
from olearn_core.schemas import Health, MetricsResponse, StatusResponse
from olearn_core.service import RunState, Service
from olearn_core.times import rfc3339

Endpoint = Callable[[Request], Awaitable[Response]]


async def status(call: Call) -> StatusResponse:
    """Tell what the service is doing and what is wrong."""
    service = call.service
    kafka = service.settings.kafka
    models = [*(p.name for p in service.models.predictors), *service.models.policies]
    return StatusResponse(
        status=_health(service),
        running=service.state == RunState.RUNNING,
        source=service.source.name,
        kafka_topic=kafka.outcome_topic if kafka.in_use else None,
        batch_size=service.settings.learning.batch_size,
        models_loaded=models,
        policy=service.models.policy.name,
        partitions=[f"{p.topic}/{p.number}" for p in sorted(service.worker.shards)],
        lag=service.worker.lag(),
        warnings=service.problems,
        failed_plugins={p.name: p.problem for p in service.plugins.infos if p.problem},
        view_version=service.view.version,
        as_of=rfc3339(service.view.as_of),
    )


async def metrics(call: Call) -> MetricsResponse:
    """Tell how learning goes."""
    return await call.service.progress.metrics(call.tenant)


def _health(service: Service) -> Health:
    if service.state == RunState.STOPPING:
        return "stopping"
    if service.problems:
        return "degraded"
    return "healthy" if service.is_ready else "starting"


def health_endpoints(service: Service) -> dict[str, Endpoint]:
    """Return the plain endpoints that orchestrators ask: is it alive, may it have traffic?"""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        ready = service.is_ready
        detail = {"status": "ready" if ready else "not ready", "state": service.state}
        headers = {} if ready else {"Retry-After": "1"}
        return JSONResponse(detail, 200 if ready else 503, headers=headers)

    return {"/livez": livez, "/readyz": readyz}
