"""
What a log must have taught: a plain count of its records, knowing nothing of olearn.

It knows the producer's poison only by what is wrong with it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from math import log

Cell = tuple[str, str, str, str]
Sums = dict[Cell, dict[str, int]]

SUCCESS = {"success": 1_000, "partial": 500, "failure": 0, "timeout": 0}


class Oracle:
    """
    Reads each record of a log once.

    :ivar ids: of events that were learned
    :ivar poison: where the unreadable ones lie, partition and offset
    """

    def __init__(self) -> None:
        self.records = self.duplicates = 0
        self.ids: set[str] = set()
        self.poison: set[tuple[int, int]] = set()
        self._cells: defaultdict[Cell, Counter[str]] = defaultdict(Counter)

    def read(self, partition: int, offset: int, value: bytes) -> None:
        """Count one record."""
        self.records += 1
        event = _event(value)
        if event is None:
            self.poison.add((partition, offset))
        elif event.get("status") == "cancelled":
            return
        elif event["event_id"] in self.ids:
            self.duplicates += 1
        else:
            self.ids.add(event["event_id"])
            self._learn(event)

    def _learn(self, event: dict) -> None:
        adds = _adds(event)
        names = (event.get("tenant_id", "default"), event["task_type"], event["agent_name"])
        self._cells[*names, ""].update(adds)
        if "context" in event:
            self._cells[*names, f"domain={event['context']['domain']}"].update(adds)

    @property
    def cells(self) -> Sums:
        """The sums of each cell, zeros left out."""
        kept = {cell: {c: n for c, n in sums.items() if n} for cell, sums in self._cells.items()}
        return {cell: sums for cell, sums in kept.items() if sums}


def _event(value: bytes) -> dict | None:
    try:
        event = json.loads(value)
        good = event["agent_name"] and ("status" in event or "quality_score" in event)
    except (ValueError, KeyError, TypeError):
        return None
    return event if good and event.get("latency_ms", 0) >= 0 else None


def _adds(event: dict) -> dict[str, int]:
    adds = {}
    if (quality := event.get("quality_score")) is not None:
        adds |= _moments("quality", round(quality * 1_000)) | {"quality_n": 1}
    if (status := event.get("status")) is None:
        return adds
    adds |= _moments("success", SUCCESS[status]) | {"executions": 1}
    if status == "timeout":
        adds["timeouts"] = 1
    elif (latency := event.get("latency_ms")) is not None:
        adds |= {"latency_n": 1, "latency": round(latency * 10)} | _logarithm("latency", latency)
    if (cost := event.get("cost_usd")) is not None:
        micro_usd = cost * 1_000_000
        adds |= {"cost_n": 1, "cost": round(micro_usd)} | _logarithm("cost", micro_usd)
    return adds


def _moments(name: str, steps: int) -> dict[str, int]:
    return {name: steps, f"{name}_sq": steps * steps}


def _logarithm(name: str, value: float) -> dict[str, int]:
    return _moments(f"ln_{name}", round(1_000 * log(max(1.0, value))))
