"""
What the sums must be, counted in plain Python.

Written from the documentation alone, with nothing of olearn: a dictionary of cells, each a
dictionary of columns, from the records of a log in their order.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

HOUR, DAY = 3_600, 86_400
SHARE = {"success": 1.0, "partial": 0.5, "failure": 0.0, "timeout": 0.0}
TWO_DAYS_MS, THOUSAND_USD = 2 * 86_400_000.0, 1_000.0
STEPS = ((1, "1"), (2, "2"), (5, "5"))

Cells = dict[tuple[str, str, str, str, int, int], dict[str, int]]


def expected(
    records: Iterable[bytes],
    now: float,
    context_keys: Iterable[str] = ("complexity", "domain"),
) -> Cells:
    """Return the sums of a log's records: repeats once, unreadable and untaught ones not."""
    cells: Cells = defaultdict(lambda: defaultdict(int))
    seen: set[tuple[str, str, bool]] = set()
    for record in records:
        event = readable(record)
        if event is None or event.get("status") in ("pending", "cancelled"):
            continue
        alone = status_of(event) is None
        identity = (event.get("tenant_id", "default"), event["event_id"], alone)
        if identity in seen:
            continue
        seen.add(identity)
        tier, number = bucket(event, now)
        names = (identity[0], task_of(event), event["agent_name"])
        for context in ("", *contexts(event, context_keys)):
            cell = cells[(*names, context, tier, number)]
            for column, value in columns(event).items():
                cell[column] += value
    kept = {cell: {c: v for c, v in sums.items() if v} for cell, sums in cells.items()}
    return {cell: sums for cell, sums in kept.items() if sums}


def readable(record: bytes) -> dict | None:
    """Return the event, None where the learner has to refuse it."""
    try:
        event = json.loads(record, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return None
    if not isinstance(event, dict) or not event.get("agent_name"):
        return None
    if not isinstance(event["agent_name"], str) or (event.get("latency_ms") or 0) < 0:
        return None
    if status_of(event) is None and event.get("quality_score") is None:
        return None
    return event


def status_of(event: dict) -> str | None:
    if event.get("status") is None and event.get("success") is not None:
        return "success" if event["success"] else "failure"
    return event.get("status")


def task_of(event: dict) -> str:
    return event.get("task_type") or event.get("action_type") or "default"


def bucket(event: dict, now: float) -> tuple[int, int]:
    """Hours for two days, days for ninety, then the base; the future is now."""
    at = datetime.fromisoformat(event["timestamp"]).timestamp() if "timestamp" in event else now
    if at > now + 300:
        at = now
    hour_now, hour = math.floor(now / HOUR), math.floor(at / HOUR)
    if hour > hour_now - 48:
        return (0, hour)
    if hour // 24 > hour_now // 24 - 90:
        return (1, hour // 24)
    return (2, 0)


def contexts(event: dict, keys: Iterable[str]) -> Iterable[str]:
    context = event.get("context") or event.get("context_snapshot") or {}
    for key in keys:
        value = context.get(key)
        if isinstance(value, str | bool | int | float):
            yield f"{key}={label(value)}"


def label(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if value == 0:
        return "0"
    # In decimal digits, where 1, 2, 5, 10 are exact: 37 -> 3.7e+01 -> 2e+01.
    digits, exponent = f"{abs(value):.15e}".split("e")
    lead = max(step for step, _ in STEPS if step <= float(digits))
    return f"{'-' if value < 0 else ''}{float(f'{lead}e{exponent}'):g}+"


def columns(event: dict) -> dict[str, int]:
    """Return what one event adds to each column."""
    sums: dict[str, int] = {}
    quality = event.get("quality_score")
    if quality is not None:
        steps = round(quality * 1_000)
        sums |= {"quality_n": 1, "quality": steps, "quality_sq": steps**2}
    status = status_of(event)
    if status is None:
        return sums
    steps = round(SHARE[status] * 1_000)
    sums |= {"executions": 1, "success": steps, "success_sq": steps**2}
    sums["timeouts"] = int(status == "timeout")
    latency = event.get("latency_ms", event.get("duration_ms"))
    if latency is not None and status != "timeout":
        sums |= amounts("latency", min(latency, TWO_DAYS_MS), 10, 1)
    cost = event.get("cost_usd", event.get("cost_estimate"))
    if cost is not None:
        sums |= amounts("cost", min(cost, THOUSAND_USD), 1_000_000, 1_000_000)
    return sums


def amounts(name: str, value: float, scale: int, unit: int) -> dict[str, int]:
    ln = round(1_000 * math.log(max(1.0, value * unit)))
    return {
        f"{name}_n": 1,
        name: round(value * scale),
        f"ln_{name}": ln,
        f"ln_{name}_sq": ln**2,
    }


def totals(cells: Cells) -> dict[str, int]:
    """Return each column's sum over the cells of all contexts."""
    sums: dict[str, int] = defaultdict(int)
    for cell, values in cells.items():
        if not cell[3]:
            for column, value in values.items():
                sums[column] += value
    return dict(sums)
