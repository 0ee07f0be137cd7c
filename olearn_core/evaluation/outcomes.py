"""Outcomes as they go over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olearn_core.evaluation.tasks import Execution
from olearn_core.events import utc_now


def outcome(
    event_id: str,
    task_type: str,
    agent: str,
    execution: Execution,
    *,
    context: Mapping[str, Any] | None = None,
    decision_id: str | None = None,
) -> dict[str, Any]:
    """Return the fields of an outcome that has just come about."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "agent_name": agent,
        "task_type": task_type,
        "status": execution.status,
        "timestamp": utc_now(),
        "latency_ms": execution.latency_ms,
        "quality_score": execution.quality,
        "cost_usd": execution.cost_usd,
        "context": dict(context or {}),
    }
    return fields | ({"decision_id": decision_id} if decision_id else {})
