"""The benchmark's outcomes: 21 agents, 12 task types, 266 bytes on average, always the same draw."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
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


def made(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield outcomes as an agent's runtime sends them, spread over the last ten minutes."""
    rng = random.Random(seed)
    start = datetime.now(UTC) - timedelta(seconds=SPAN_SECONDS)
    for number in range(count):
        at = start + timedelta(seconds=SPAN_SECONDS * number / count)
        yield msgspec.json.encode(_outcome(rng, at))


def _outcome(rng: random.Random, at: datetime) -> dict[str, object]:
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
        "agent_name": rng.choice(AGENTS),
        "task_type": rng.choice(TASK_TYPES),
        "status": rng.choice(STATUSES),
        "timestamp": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "latency_ms": round(rng.lognormvariate(6.5, 0.8), 1),
        "quality_score": round(rng.betavariate(8, 2), 3),
        "cost_usd": round(rng.lognormvariate(-6.0, 0.7), 6),
        "context": {"complexity": rng.randint(1, 5), "domain": rng.choice(DOMAINS)},
    }


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
