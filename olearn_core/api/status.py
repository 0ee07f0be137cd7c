"""How the service is, and how learning goes."""

from __future__ import annotations

from olearn_core.api.operation import Call
from olearn_core.learning.shards.windows import PARTS, Part, window_of, window_span
from olearn_core.schemas import DedupBody, Health, MetricsResponse, StatusResponse
from olearn_core.service import RunState, Service
from olearn_core.times import rfc3339

FAILED = "is not in use; operators are told why"


async def status(call: Call) -> StatusResponse:
    """Tell what the service is doing and what is wrong."""
    service = call.service
    kafka = service.settings.kafka
    models = [*(p.name for p in service.models.predictors), *service.models.policies]
    return StatusResponse(
        status=_health(service),
        running=service.state == RunState.RUNNING,
        role=service.settings.service.role,
        source=service.source.name,
        kafka_topic=kafka.outcome_topic if kafka.in_use else None,
        batch_size=service.settings.learning.batch_size,
        models_loaded=models,
        policy=service.models.policy.name,
        partitions=[
            str(partition)
            for partition, shard in sorted(service.worker.shards.items())
            if not shard.counts_decisions
        ],
        lag=service.worker.lag(),
        lost_records=service.view.counters().get("lost_records", 0),
        dedup={part: _dedup(service, part) for part in PARTS},
        warnings=[*_problems(call), *_alerts(call)],
        failed_plugins=_failed_plugins(call),
        view_version=service.view.version,
        as_of=rfc3339(service.view.as_of),
    )


async def metrics(call: Call) -> MetricsResponse:
    """Tell how learning goes: for an operator of the whole service, else of the tenant."""
    return await call.service.metrics(call.tenant, call.confined_to)


def _problems(call: Call) -> list[str]:
    """Return what is wrong: a tenant is told the subjects, the rest may quote our insides."""
    problems = call.service.problems
    if call.confined_to is None:
        return problems
    return [problem.partition(":")[0] for problem in problems]


def _failed_plugins(call: Call) -> dict[str, str]:
    failed = {p.name: p.problem for p in call.service.plugins.infos if p.problem}
    return failed if call.confined_to is None else dict.fromkeys(failed, FAILED)


def _alerts(call: Call) -> list[str]:
    """Return the alerts that are not among the problems anyway."""
    return [str(alert) for alert in call.service.alerts.of(call.tenant) if alert.kind != "fault"]


def _dedup(service: Service, part: Part) -> DedupBody:
    """Return what this node's shards remember together; the shortest span counts."""
    shards = service.worker.shards.values()
    states = [shard.state for shard in shards if not shard.counts_decisions]
    spans = [span for state in states if (span := window_span(state, part)) is not None]
    learning = service.settings.learning
    return DedupBody(
        ids=sum(len(window_of(state, part)) for state in states),
        most=learning.dedup_ids if part == "executions" else learning.dedup_ratings,
        span_seconds=min(spans, default=None),
    )


def _health(service: Service) -> Health:
    if service.state == RunState.STOPPING:
        return "stopping"
    if service.problems:
        return "degraded"
    return "healthy" if service.is_ready else "starting"
