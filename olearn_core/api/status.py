"""How the service is, and how learning goes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from olearn_core.api.models import summary
from olearn_core.api.operation import Call
from olearn_core.api.times import rfc3339
from olearn_core.schemas import Health, MetricsResponse, StatusResponse
from olearn_core.service import RunState, Service
from olearn_core.storage.ledger import Period

HOUR_SECONDS = 3_600
RATE_SECONDS = 60

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
    """Tell how learning goes; last-hour figures come from the ledger."""
    service, now = call.service, time.time()
    hour = await service.ledger.period(now - HOUR_SECONDS, now + 1)
    before = await service.ledger.period(now - 2 * HOUR_SECONDS, now - HOUR_SECONDS)
    minute = await service.ledger.period(now - RATE_SECONDS, now + 1)
    counters = service.view.counters()
    seen = summary(call, "executions")
    failed = service.worker.failed_updates
    return MetricsResponse(
        total_updates=counters.get("updates", 0) + failed,
        successful_updates=counters.get("updates", 0),
        failed_updates=failed,
        avg_update_time_ms=hour.mean_update_ms,
        p95_update_time_ms=await service.ledger.update_ms_quantile(0.95, now - HOUR_SECONDS),
        samples_processed=counters.get("samples", 0),
        samples_per_second=minute.samples / RATE_SECONDS,
        current_model_score=hour.score,
        improvement_rate=_improvement(before, hour),
        agent_count=seen.total_agents,
        task_patterns=seen.task_patterns,
        duplicates=counters.get("duplicates", 0),
        dead_letters=counters.get("dead_letters", 0),
        lag=service.worker.lag(),
        as_of=rfc3339(service.view.as_of),
    )


def _improvement(before: Period, now: Period) -> float | None:
    if not before.score or now.score is None:
        return None
    return (now.score - before.score) / before.score


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
