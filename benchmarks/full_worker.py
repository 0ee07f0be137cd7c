"""The whole way of outcomes: the service's own parts, from Kafka to a committed checkpoint."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.usage import Stopwatch
from olearn_core.config import Settings, load_settings
from olearn_core.service import Service

CHECKPOINT_SECONDS = 1.0
WATCH_SECONDS = 0.01


def settings(folder: Path, bootstrap: str, topic: str, group: str) -> Settings:
    """Return settings of a worker on SQLite, synchronous FULL, with 1 s checkpoints."""
    return load_settings(
        database={"url": f"sqlite+aiosqlite:///{folder / 'olearn.db'}"},
        kafka={
            "bootstrap_servers": bootstrap,
            "outcome_topic": topic,
            "group": group,
            "session_timeout_ms": 6_000,
        },
        learning={"checkpoint_interval_seconds": CHECKPOINT_SECONDS},
        versions={"storage_path": folder / "models"},
    )


async def learn(settings: Settings, events: int) -> dict[str, Any]:
    """Learn all events; the time runs from all partitions loaded to all events committed."""
    async with AsyncExitStack() as stack:
        service = await Service.open(settings, stack)
        gc.freeze()  # as `olearn serve` does
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        await service.worker.loaded.wait()
        before, watch = _learned(service), Stopwatch()
        while _committed(service) < events:
            await asyncio.sleep(WATCH_SECONDS)
        taken = watch.read()
        totals = dict(service.view.counters())
        stop.set()
        await running
    if totals["samples"] != events:
        raise RuntimeError(f"learned {totals}, not {events} events")
    return {"events": events - before, **taken}


def _learned(service: Service) -> int:
    return sum(shard.next_offset for shard in service.worker.shards.values())


def _committed(service: Service) -> int:
    return sum(shard.state.next_offset for shard in service.worker.shards.values())


if __name__ == "__main__":
    bootstrap, topic, events, group = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        made = settings(Path(folder), bootstrap, topic, group)
        print(json.dumps(asyncio.run(learn(made, int(events)))))
