"""What is known of agents, and whether they are chosen at all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from olearn_core.schemas.bodies import Answer, Body, Name, Reason
from olearn_core.schemas.utility import Component

AgentOrder = Literal[
    "name", "executions", "success", "quality", "latency", "cost", "share_lately", "last_seen"
]
Cursor = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[A-Za-z0-9_=-]+$")]


class AgentsQuery(Body):
    """
    Ask for a page of agents.

    Agents without a value of what is sorted by come last; `cursor` is the
    `next_cursor` of the page before.
    """

    sort: AgentOrder = Field(default="executions", description="What agents are sorted by.")
    order: Literal["asc", "desc"] | None = Field(
        default=None, description="Which way; what is good news comes first by default."
    )
    retired: bool | None = Field(
        default=None, description="Only those that are retired, or only those that are not."
    )
    limit: int = Field(default=50, ge=1, le=500, description="Agents of a page.")
    cursor: Cursor | None = Field(
        default=None, description="`next_cursor` of the page before; without it the first page."
    )


class AgentQuery(Body):
    """Ask about one agent; `task_type` is that of the first beliefs."""

    task_type: Name = Field(
        default="default", description="Of the `beliefs`; all others follow under `task_types`."
    )


class ShareRecord(Answer):
    """An observed mean between 0 and 1, its central 95 % interval, and of how many outcomes."""

    mean: float
    low: float
    high: float
    n: int


class LatencyRecord(Answer):
    """
    Latencies of executions that did not time out.

    The percentiles are those of the lognormal law with the logarithms' mean and
    standard deviation; `low` and `high` is where 95 % of its draws lie.
    """

    mean_ms: float
    p50_ms: float
    p95_ms: float
    low_ms: float
    high_ms: float
    n: int


class CostRecord(Answer):
    """What executions cost."""

    mean_usd: float
    total_usd: float
    n: int


class Trend(Answer):
    """The last 24 hours, oldest first; `success` is null where nothing was executed."""

    first_hour: str
    executions: list[int]
    success: list[float | None]


class AgentSummary(Answer):
    """
    One agent, over all task types and all time.

    `share_lately` is its share of the tenant's executions of the last 24 hours,
    null where there were none; `last_seen` the start of the newest bucket.
    """

    agent_name: str
    retired: bool
    executions: int
    timeouts: int
    success: ShareRecord | None
    quality: ShareRecord | None
    latency: LatencyRecord | None
    cost: CostRecord | None
    share_lately: float | None
    last_seen: str | None
    trend: Trend


class AgentsResponse(Answer):
    """A page of agents; `total` counts those of all pages."""

    agents: list[AgentSummary]
    total: int
    next_cursor: str | None
    as_of: str | None


class AgentBelief(Answer):
    """What one model believes of an agent: mean with the central 90 % interval."""

    model_type: str
    component: Component | None
    unit: str
    mean: float
    low: float
    high: float
    effective_n: float


class AgentOnTask(Answer):
    """An agent on one task type: what it did, and what is believed of it."""

    task_type: str
    executions: int
    success_rate: float | None
    avg_quality: float | None
    avg_latency_ms: float | None
    avg_cost_usd: float | None
    beliefs: list[AgentBelief]


class HistoryPoint(Answer):
    """What happened in a stretch of time, which begins at `start`."""

    start: str
    executions: int
    success_rate: float | None
    avg_quality: float | None
    avg_latency_ms: float | None
    avg_cost_usd: float | None


class AgentHistory(Answer):
    """
    By event time, oldest first: up to 48 hours, and up to 90 UTC days, today among them.

    Stretches in which nothing happened are left out; what is older than both is
    in the totals only.
    """

    hours: list[HistoryPoint]
    days: list[HistoryPoint]


class RecentOutcome(Answer):
    """An outcome that this node has learned lately; `at` is when it happened."""

    at: str
    task_type: str
    status: str | None
    quality_score: float | None
    latency_ms: float | None
    cost_usd: float | None
    decided: bool


class AgentResponse(AgentSummary):
    """
    All that is known of one agent.

    `beliefs` are those on the task type that was asked for. `recent` is a
    sample, the newest first, of what this node has learned since it started.
    """

    retired_at: str | None
    retired_reason: str | None
    beliefs: list[AgentBelief]
    task_types: list[AgentOnTask]
    history: AgentHistory
    recent: list[RecentOutcome]


class RetireRequest(Body):
    """Take an agent out of the choice."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "answers in the wrong language"}]}
    )

    reason: Reason = Field(default="", description="Why; shown with the agent.")


class RetirementResponse(Answer):
    """Whether an agent may be chosen from now on; every node knows within a second."""

    agent_name: str
    retired: bool
    retired_at: str | None
    reason: str | None
