"""Outcomes, how learning goes, and what is known of agents."""

from __future__ import annotations

from typing import Literal

from olearn_core.schemas.bodies import Answer

Health = Literal["starting", "healthy", "degraded", "stopping"]


class OutcomeResponse(Answer):
    """The log has the outcome; it will be learned within a second."""

    status: Literal["accepted"] = "accepted"
    event_id: str


class MetricsResponse(Answer):
    """
    How learning goes; `null` while there is no data.

    `lag` counts the records of this node's partitions that are not learned yet, `lag_seconds`
    says how long the first of them has been waiting.
    """

    total_updates: int
    successful_updates: int
    failed_updates: int
    avg_update_time_ms: float | None
    p95_update_time_ms: float | None
    samples_processed: int
    samples_per_second: float
    current_model_score: float | None
    improvement_rate: float | None
    agent_count: int
    task_patterns: int
    duplicates: int
    dead_letters: int
    token_refusals: dict[str, int]
    decided: int
    joined: int
    dangling_share: float | None
    lag: int
    lag_seconds: float | None
    as_of: str | None


class AgentPerformance(Answer):
    """
    One agent's record, of all task types or of one.

    `sums` are the raw integer columns.
    """

    agent_name: str
    task_type: str | None = None
    success_rate: float | None
    avg_latency_ms: float | None
    avg_quality: float | None
    avg_cost_usd: float | None
    total_executions: int
    confidence: float | None
    sums: dict[str, int]


class DedupBody(Answer):
    """
    What is remembered of one kind of events to drop repeats.

    `span_seconds` is null where all that were ever seen are remembered.
    """

    ids: int
    most: int
    span_seconds: float | None


class StatusResponse(Answer):
    """What the service is doing."""

    status: Health
    running: bool
    role: str
    source: str
    kafka_topic: str | None
    batch_size: int
    models_loaded: list[str]
    policy: str
    partitions: list[str]
    lag: int
    lost_records: int
    dedup: dict[str, DedupBody]
    warnings: list[str]
    failed_plugins: dict[str, str]
    view_version: int
    as_of: str | None
