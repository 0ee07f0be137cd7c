"""A small file of recorded tasks, and a count of what it holds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

TASKS = [
    {
        "task_id": f"task-{number}",
        "task_type": ("mail", "code", "search")[number % 3],
        "context": {"language": "en", "length": number},
        "outcomes": {
            agent: {
                "success": (number + place) % 2,
                "quality": None if place == 2 else (number % 5) / 4,
                "latency_ms": 100 + 7 * number + place,
                "cost_usd": 0.001 * (place + 1),
            }
            for place, agent in enumerate(("ada", "bob", "cleo"))
        },
    }
    for number in range(40)
]
CELLS = sum(len(task["outcomes"]) for task in TASKS)


def write(path: Path, tasks: object = None) -> Path:
    """Write tasks, compressed where the name says so."""
    text = "".join(json.dumps(task) + "\n" for task in tasks or TASKS)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def counted() -> dict[tuple[str, str], dict[str, int]]:
    """Count apart from olearn what every cell's sums should be."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for task in TASKS:
        for agent, done in task["outcomes"].items():
            cell = sums.setdefault((task["task_type"], agent), {})
            added = {"executions": 1, "success": 1_000 * done["success"]}
            added |= {"latency_n": 1, "latency": 10 * done["latency_ms"]}
            added |= {"cost_n": 1, "cost": round(1e6 * done["cost_usd"])}
            if done["quality"] is not None:
                added |= {"quality_n": 1, "quality": round(1_000 * done["quality"])}
            for column, value in added.items():
                cell[column] = cell.get(column, 0) + value
    return sums
