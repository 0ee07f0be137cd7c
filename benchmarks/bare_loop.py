"""The floor that the worker is compared with: fetch, decode, count, and nothing else."""

from __future__ import annotations

import asyncio
import json
import sys

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.usage import Stopwatch

MOST_RECORDS = 4_000


class Event(msgspec.Struct, gc=False):
    """The fields that the worker learns from, as they lie in the event."""

    event_id: str
    agent_name: str
    task_type: str
    status: str
    timestamp: str
    latency_ms: float
    quality_score: float
    cost_usd: float
    context: msgspec.Raw


async def count(bootstrap: str, topic: str, partitions: int, events: int) -> dict[str, float]:
    """Read all events and count them by agent, task type and status."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        watch = Stopwatch()
        await _counted(consumer, events)
        return {"events": events, **watch.read()}
    finally:
        await consumer.stop()


async def _counted(consumer: AIOKafkaConsumer, events: int) -> None:
    decode = msgspec.json.Decoder(Event).decode
    counts: dict[tuple[str, str, str], int] = {}
    seen = 0
    while seen < events:
        fetched = await consumer.getmany(timeout_ms=100, max_records=MOST_RECORDS)
        for records in fetched.values():
            for record in records:
                event = decode(record.value)
                key = (event.agent_name, event.task_type, event.status)
                counts[key] = counts.get(key, 0) + 1
            seen += len(records)


if __name__ == "__main__":
    bootstrap, topic, partitions, events = sys.argv[1:]
    print(json.dumps(asyncio.run(count(bootstrap, topic, int(partitions), int(events)))))
