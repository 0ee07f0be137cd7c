"""What is known of agents, and whether they may be chosen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from olearn_core.api.agent_pages import page_of
from olearn_core.api.operation import Call
from olearn_core.errors import EventError, NotFoundError
from olearn_core.events import checked_name
from olearn_core.learning.shards.recent import Seen
from olearn_core.learning.views.agent_records import AgentRecords
from olearn_core.learning.views.record import means
from olearn_core.models import Predictor, Query, Sums
from olearn_core.schemas import (
    AgentBelief,
    AgentOnTask,
    AgentPerformance,
    AgentQuery,
    AgentResponse,
    AgentsQuery,
    AgentsResponse,
    RecentOutcome,
    RetirementResponse,
)
from olearn_core.statistics import IntArray
from olearn_core.statistics.intervals import share_interval_width
from olearn_core.times import now_rfc3339, rfc3339

logger = logging.getLogger(__name__)

Beliefs = Sequence[tuple[Predictor[Any], Sums]]


async def performance(call: Call) -> list[AgentPerformance]:
    """List agents, over all task types or (`?by=task_type`) one row each."""
    tasks, agents, sums = call.service.view.exact(call.tenant)
    columns = call.service.view.columns
    if call.query.by == "agent":
        return list(_rows([None], agents, columns, sums.sum(axis=0)[None]))
    return list(_rows(tasks, agents, columns, sums))


async def list_agents(call: Call) -> AgentsResponse:
    """List agents with their record and trend, a page at a time."""
    asked: AgentsQuery = call.query
    service = call.service
    records, gone = service.records.of(call.tenant), service.retired.names(call.tenant)
    summaries = [records.summary(name, retired=name in gone) for name in records.agents]
    found = [one for one in summaries if asked.retired in (None, one.retired)]
    page, following = page_of(found, asked)
    as_of = rfc3339(service.view.as_of)
    return AgentsResponse(agents=page, total=len(found), next_cursor=following, as_of=as_of)


async def show_agent(call: Call) -> AgentResponse:
    """Tell all that is known of one agent."""
    asked: AgentQuery = call.query
    service, name = call.service, _known_name(call)
    records = service.records.of(call.tenant)
    retirement = service.retired.get(call.tenant, name)
    beliefs = _predictors(call)
    summary = records.summary(name, retired=retirement is not None)
    return AgentResponse(
        **dict(summary),
        retired_at=now_rfc3339(retirement.retired_at) if retirement else None,
        retired_reason=retirement.reason if retirement else None,
        beliefs=_believed(beliefs, asked.task_type, name),
        task_types=await _on_tasks(records, beliefs, name),
        history=records.points(name),
        recent=[_recent(seen) for seen in service.recent.of(call.tenant, name)],
    )


async def retire_agent(call: Call) -> RetirementResponse:
    """Choose an agent no more; it goes on learning from outcomes that come."""
    name = _known_name(call)
    await call.service.retired.retire(call.tenant, name, call.body.reason)
    return _retirement(call, name)


async def reinstate_agent(call: Call) -> RetirementResponse:
    """Let a retired agent be chosen again."""
    name = _known_name(call)
    await call.service.retired.reinstate(call.tenant, name)
    return _retirement(call, name)


def _retirement(call: Call, name: str) -> RetirementResponse:
    retirement = call.service.retired.get(call.tenant, name)
    return RetirementResponse(
        agent_name=name,
        retired=retirement is not None,
        retired_at=now_rfc3339(retirement.retired_at) if retirement else None,
        reason=retirement.reason if retirement else None,
    )


def _known_name(call: Call) -> str:
    """
    Return the agent of the path.

    :raises NotFoundError: where the tenant has no outcome of it
    """
    try:
        name = checked_name(call.names.name, "")
    except EventError as error:
        raise NotFoundError(f"there is no such agent: its name {error.reason}") from error
    if name not in call.service.records.of(call.tenant).agents:
        raise NotFoundError(f"there is no agent {name!r}: no outcome of it was learned")
    return name


def _predictors(call: Call) -> Beliefs:
    """Return every predictor with its sums, read once: what is told belongs together."""
    judge = call.service.decider.judge
    predictors = call.service.models.predictors
    return [(p, judge.predictor_sums(p, call.tenant)) for p in predictors]


def _believed(beliefs: Beliefs, task_type: str, agent: str) -> list[AgentBelief]:
    """Ask every predictor; one of a plugin that raises spoils nothing but its own belief."""
    found = []
    for predictor, sums in beliefs:
        try:
            found.append(_belief(predictor, sums, task_type, agent))
        except Exception:
            logger.exception("%s does not estimate %r: it is left out", predictor.name, agent)
    return found


def _belief(predictor: Predictor[Any], sums: Sums, task_type: str, agent: str) -> AgentBelief:
    estimate = predictor.estimate(sums, Query(task_type, (agent,)))
    return AgentBelief(
        model_type=predictor.name,
        component=predictor.component,
        unit=predictor.unit,
        mean=float(estimate.mean[0]),
        low=float(estimate.low[0]),
        high=float(estimate.high[0]),
        effective_n=float(estimate.effective_n[0]),
    )


async def _on_tasks(records: AgentRecords, beliefs: Beliefs, agent: str) -> list[AgentOnTask]:
    found = []
    for task_type, sums in sorted(records.by_task(agent)):
        found.append(
            AgentOnTask(
                task_type=task_type,
                executions=sums.get("executions", 0),
                **means(sums),
                beliefs=_believed(beliefs, task_type, agent),
            )
        )
        await asyncio.sleep(0)  # there may be hundreds: let decisions in
    return found


def _recent(seen: Seen) -> RecentOutcome:
    fields = {name: getattr(seen, name) for name in Seen.__slots__ if name != "at_seconds"}
    return RecentOutcome(at=now_rfc3339(seen.at_seconds), **fields)


def _rows(
    tasks: Iterable[str | None], agents: Sequence[str], columns: Sequence[str], sums: IntArray
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
        **means(sums),
        total_executions=executions,
        confidence=confidence,
        sums=dict(sums),
    )
