"""
The quick benchmark: how fast olearn learns and decides, beside the least that could do it.

One run of under two minutes: contestants in turns, each in a process of its own
on one core, the broker and the callers on the other; medians of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import events, mixed, predict
from benchmarks.usage import ROOT, cores, measured, pinned
from tests.servers.tansu import Tansu

RESULTS = ROOT / "benchmarks" / "results.json"
TOPIC = "agent-outcomes"
PARTITIONS = 4
EVENTS = 400_000
LEARNING_ROUNDS = 5
PREDICT_ROUNDS = 7
REQUESTS = 2_000
PACKAGES = ("aiokafka", "msgspec", "numpy", "pydantic", "sqlalchemy", "starlette", "uvicorn")

Round = Mapping[str, Mapping[str, float]]

# name, what it is, goal
FIGURES = (
    ("R1", "full worker's events per CPU second ÷ bare loop's", ">= 0.50"),
    ("R1b", "full worker's events per second", ">= 100,000"),
    ("R5", "CPU of a prediction ÷ empty endpoint's", "<= 1.7"),
    ("R6_one", "p99 of 500 predictions/s, learning 50,000/s, one node, ms", "< 5"),
    ("R6_two", "the same, a learner and a node that answers, ms", "< 5"),
    ("batch_fold_ms", "a batch of 10, all before the commit, ms", "< 5"),
    ("batch_commit_ms", "a batch of 10 with the commit, ms", ""),
    ("save_ms", "a save of all versions, ms", "< 100"),
    ("memory_mb", "memory above the imports, 10^6 events, MB", "< 60"),
    ("decision_after_learning_ms", "a decision right after learning, ms", ""),
    ("bare_us", "bare loop, CPU µs an event", ""),
    ("full_us", "full worker, CPU µs an event", ""),
    ("empty_us", "empty endpoint, CPU µs a request", ""),
    ("predict_us", "prediction, CPU µs a request", ""),
)


def learning_rounds(folder: Path) -> list[Round]:
    """Return rounds of the bare loop and the full worker, in turns, on one topic."""
    with pinned(cores()[1]), Tansu(folder) as broker:
        server = broker.bootstrap
        asyncio.run(events.fill(server, TOPIC, PARTITIONS, EVENTS))
        return [
            {
                "bare": measured("bare_loop", server, TOPIC, PARTITIONS, EVENTS),
                "full": measured("full_worker", server, TOPIC, EVENTS, f"benchmark-{number}"),
            }
            for number in range(LEARNING_ROUNDS)
        ]


def figures(
    learning: Sequence[Round],
    predicting: Sequence[Round],
    alone: Mapping[str, Any],
    both: Round,
) -> dict[str, float]:
    """Return the medians, and the ratios between them."""
    bare_us, full_us = (
        median(one[kind]["cpu_seconds"] / one[kind]["events"] * 1e6 for one in learning)
        for kind in ("bare", "full")
    )
    empty_us, predict_us = (
        median(one[kind]["cpu_us"] for one in predicting) for kind in ("empty", "predict")
    )
    full = [one["full"] for one in learning]
    return {
        "R1": bare_us / full_us,
        "R1b": median(one["events"] / one["wall_seconds"] for one in full),
        "R5": predict_us / empty_us,
        "R6_one": both["one"]["p99_ms"],
        "R6_two": both["two"]["p99_ms"],
        "bare_us": bare_us,
        "full_us": full_us,
        "empty_us": empty_us,
        "predict_us": predict_us,
        **{name: alone[name] for name, _, _ in FIGURES if name in alone},
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on and anybody may know."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def table(found: Mapping[str, float]) -> str:
    """Return the figures for people, goals beside them."""
    rows = [
        f"{name:28}{_number(found[name]):>12}  {goal:12}{meaning}"
        for name, meaning, goal in FIGURES
    ]
    return "\n".join([f"{'figure':28}{'measured':>12}  {'goal':12}what it is", *rows])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def main() -> None:
    """Measure, print and write everything."""
    started = time.monotonic()
    facts = machine()
    with tempfile.TemporaryDirectory() as folder:
        learning = learning_rounds(Path(folder))
    predicting = predict.measure(PREDICT_ROUNDS, REQUESTS)
    alone = measured("in_process")
    both = mixed.measure()
    found = figures(learning, predicting, alone, both)
    results = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": facts,
        "seconds": round(time.monotonic() - started),
        "medians": found,
        "goals": {name: goal for name, _, goal in FIGURES if goal},
        "rounds": {
            "learning": learning,
            "predicting": predicting,
            "in_process": alone["raw"],
            "mixed": both,
        },
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(table(found))
    print(f"\n{results['seconds']} s; written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
