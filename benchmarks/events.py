"""The benchmark's outcomes: 21 agents, 12 task types, 266 bytes on average."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

AGENTS = tuple(f"worker-{number:02}" for number in range(21))
TASK_TYPES = (
    "classify", "extract", "summarise", "translate", "plan", "code_review",
    "code_write", "search", "answer", "triage", "forecast", "reconcile",
)  # fmt: skip
DOMAINS = ("finance", "health", "legal", "retail")
STATUSES = ("success",) * 16 + ("failure", "failure", "partial", "timeout")
SPAN_SECONDS = 600
CHUNK = 10_000
MICROSECONDS = "microseconds"
UUID_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def made(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield outcomes as an agent's runtime sends them, spread over the last ten minutes."""
    rng = np.random.default_rng(seed)
    start = datetime.now(UTC) - timedelta(seconds=SPAN_SECONDS)
    step = timedelta(seconds=SPAN_SECONDS) / count
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        for number, drawn in enumerate(_drawn(rng, size), start=first):
            yield _event(start + number * step, *drawn)


def _drawn(rng: np.random.Generator, size: int) -> Iterator[tuple[Any, ...]]:
    """Yield what differs between events, in the order that `_event` takes it."""
    return zip(
        (rng.bytes(16).hex() for _ in range(size)),
        rng.choice(AGENTS, size).tolist(),
        rng.choice(TASK_TYPES, size).tolist(),
        rng.choice(STATUSES, size).tolist(),
        rng.lognormal(6.5, 0.8, size).round(1).tolist(),
        rng.beta(8, 2, size).round(3).tolist(),
        rng.lognormal(-6.0, 0.7, size).round(6).tolist(),
        rng.integers(1, 6, size).tolist(),
        rng.choice(DOMAINS, size).tolist(),
        strict=True,
    )


def _event(
    at: datetime,
    identity: str,
    agent: str,
    task_type: str,
    status: str,
    latency_ms: float,
    quality: float,
    cost_usd: float,
    complexity: int,
    domain: str,
) -> bytes:
    event_id = "-".join(identity[a:b] for a, b in UUID_PARTS)
    return (
        f'{{"event_id":"{event_id}","agent_name":"{agent}","task_type":"{task_type}",'
        f'"status":"{status}","timestamp":"{at.isoformat(timespec=MICROSECONDS)[:26]}Z",'
        f'"latency_ms":{latency_ms},"quality_score":{quality},"cost_usd":{cost_usd:.6f},'
        f'"context":{{"complexity":{complexity},"domain":"{domain}"}}}}'
    ).encode()


async def fill(bootstrap: str, topic: str, partitions: int, count: int) -> None:
    """Make the topic and put `count` events into it, the same number into each partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=1 << 17) as producer:
        events = made(count)
        for partition in range(partitions):
            await _fill_partition(producer, topic, partition, events, count // partitions)


async def _fill_partition(
    producer: AIOKafkaProducer, topic: str, partition: int, events: Iterator[bytes], count: int
) -> None:
    batch, sent = producer.create_batch(), []
    for _ in range(count):
        event = next(events)
        if batch.append(key=None, value=event, timestamp=None) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=None, value=event, timestamp=None)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    for acknowledged in sent:
        await acknowledged
