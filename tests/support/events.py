"""Outcomes for tests: single ones, and long streams with everything that may happen in them."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

STATUSES = ("success", "failure", "partial", "timeout", "cancelled", "pending", None)
POISON = (
    b"{",
    b"\xff\xfe",
    b'{"agent_name": "a", "status": "success", "latency_ms": NaN, "event_id": "n"}',
    b'{"agent_name": "", "status": "success", "event_id": "e"}',
    b'{"agent_name": "a", "latency_ms": -1, "status": "success", "event_id": "m"}',
    b'{"agent_name": "a", "event_id": "neither status nor quality"}',
)


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def outcome(**fields: Any) -> bytes:
    """Return a valid outcome with these fields."""
    event = {"agent_name": "ada", "task_type": "code", "status": "success", **fields}
    return json.dumps({k: v for k, v in event.items() if v is not ...}).encode()


def stream(seed: int, size: int, now: float, *, days: float = 3.0) -> list[bytes]:
    """
    Return records of every kind, in an order that is anybody's guess.

    About one in twenty is a repeat of an earlier one, one in fifty is unreadable.
    """
    rng = random.Random(seed)
    records: list[bytes] = []
    for number in range(size):
        if records and rng.random() < 0.05:
            records.append(rng.choice(records))
        elif rng.random() < 0.02:
            records.append(rng.choice(POISON))
        else:
            records.append(any_outcome(rng, f"{seed}-{number}", now, days))
    return records


def any_outcome(rng: random.Random, event_id: str, now: float, days: float) -> bytes:
    """Return a random valid outcome."""
    status = rng.choice(STATUSES)
    event: dict[str, Any] = {
        "event_id": event_id,
        "agent_name": rng.choice(("ada", "bob", "cyd", "dürer")),
        "task_type": rng.choice(("code", "text", "plan")),
        "timestamp": rfc3339(now - rng.random() * days * 86_400),
        "latency_ms": rng.choice((None, round(rng.lognormvariate(6, 1), 3))),
        "cost_usd": rng.choice((None, rng.lognormvariate(-5, 1))),
        "context": rng.choice(
            ({}, {"domain": "law"}, {"complexity": rng.random() * 20, "domain": "art", "x": 1})
        ),
    }
    if status is not None:
        event["status"] = status
    if status is None or rng.random() < 0.5:
        event["quality_score"] = rng.random()
    if rng.random() < 0.1:
        event["tenant_id"] = "acme"
    return json.dumps({k: v for k, v in event.items() if v is not None}).encode()
