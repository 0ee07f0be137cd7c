"""What is known of agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from starlette.exceptions import HTTPException

from olearn_core.api.operation import Call
from olearn_core.schemas import AgentPerformance
from olearn_core.statistics import IntArray
from olearn_core.statistics.intervals import share_interval_width


async def performance(call: Call) -> list[AgentPerformance]:
    """List agents, over all task types or (`?by=task_type`) one row each."""
    by = call.request.query_params.get("by", "agent")
    if by not in ("agent", "task_type"):
        raise HTTPException(422, "?by must be agent or task_type")
    tasks, agents, sums = call.service.view.exact(call.tenant)
    columns = call.service.view.columns
    if by == "agent":
        return list(_rows([None], agents, columns, sums.sum(axis=0)[None]))
    return list(_rows(tasks, agents, columns, sums))


def _rows(
    tasks: Sequence[str | None], agents: Sequence[str], columns: Sequence[str], sums: IntArray
) -> Iterator[AgentPerformance]:
    for task, matrix in zip(tasks, sums, strict=True):
        for agent, row in zip(agents, matrix.tolist(), strict=True):
            if any(row):
                yield _performance(agent, task, dict(zip(columns, row, strict=True)))


def _performance(agent: str, task: str | None, sums: Mapping[str, int]) -> AgentPerformance:
    executions = sums.get("executions", 0)
    successes = sums.get("success", 0) / 1e3
    confidence = 1 - share_interval_width(successes, executions) if executions else None
    return AgentPerformance(
        agent_name=agent,
        task_type=task,
        success_rate=_mean(sums, "success", "executions", 1e3),
        avg_latency_ms=_mean(sums, "latency", "latency_n", 10),
        avg_quality=_mean(sums, "quality", "quality_n", 1e3),
        avg_cost_usd=_mean(sums, "cost", "cost_n", 1e6),
        total_executions=executions,
        confidence=confidence,
        sums=dict(sums),
    )


def _mean(sums: Mapping[str, int], column: str, count: str, scale: float) -> float | None:
    return sums[column] / scale / sums[count] if sums.get(count) else None
