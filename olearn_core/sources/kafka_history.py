"""Reading a Kafka topic from a time on, to its end, without joining a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from olearn_core.config import KafkaSettings
from olearn_core.errors import SourceError
from olearn_core.sources.kafka import security
from olearn_core.sources.source import Record
from olearn_core.times import loop_seconds

REQUEST_TIMEOUT_MS = 10_000
FETCH_MS = 200
SILENCE_SECONDS = 20.0


async def records_since(settings: KafkaSettings, topic: str, unix_seconds: float) -> list[Record]:
    """
    Return the records of all partitions from a time on to where the topic ends now.

    Those of a partition are in its order.

    :raises SourceError: where the broker does not answer, or does not have the topic
    """
    found: list[Record] = []
    async with _consumer(settings) as consumer, asyncio.timeout(None) as patience:
        ends = await _sought(consumer, await _partitions(settings, topic), unix_seconds)
        settled: set[TopicPartition] = set()
        while ends:
            fetched = await consumer.getmany(*ends, timeout_ms=FETCH_MS)
            if fetched or not patience.when():
                patience.reschedule(loop_seconds() + SILENCE_SECONDS)
            _settle(consumer, ends, settled)
            for partition, records in fetched.items():
                found += [r for r in records if r.offset < ends[partition]]
            ends = {
                p: end for p, end in ends.items() if not await _is_read(consumer, p, settled, end)
            }
    return [record for record in found if record.timestamp >= unix_seconds * 1_000]


def _settle(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], settled: set[TopicPartition]
) -> None:
    """Take the end that came with the first records: brokers tell it more truly than when asked."""
    for partition in ends.keys() - settled:
        if (mark := consumer.highwater(partition)) is not None:
            ends[partition] = max(ends[partition], mark)
            settled.add(partition)


async def _is_read(
    consumer: AIOKafkaConsumer, partition: TopicPartition, settled: set[TopicPartition], end: int
) -> bool:
    return partition in settled and await consumer.position(partition) >= end


@asynccontextmanager
async def _consumer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """Connect, and name what goes wrong."""
    servers = settings.bootstrap_servers
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        client_id="olearn",
        enable_auto_commit=False,
        isolation_level="read_committed",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **security(settings),
    )
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError, ValueError) as error:
        raise SourceError(f"Kafka at {servers!r} does not tell its records: {error!r}") from error
    finally:
        await consumer.stop()


async def _partitions(settings: KafkaSettings, topic: str) -> list[TopicPartition]:
    """
    Return the topic's partitions; a consumer knows only those of topics it reads already.

    :raises SourceError: where the broker does not have the topic
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers,
        client_id="olearn",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **security(settings),
    )
    try:
        await admin.start()
        described = await admin.describe_topics()  # asking for it by name may create it
    finally:
        await admin.close()
    for known in described:
        if known["topic"] == topic:
            return [TopicPartition(topic, part["partition"]) for part in known["partitions"]]
    raise SourceError(f"Kafka has no topic {topic!r}")


async def _sought(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], unix_seconds: float
) -> dict[TopicPartition, int]:
    """Go to the first record of that time in each partition; return where they end."""
    consumer.assign(partitions)
    moment = max(0, int(unix_seconds * 1_000))
    starts = await consumer.offsets_for_times(dict.fromkeys(partitions, moment))
    ends = await consumer.end_offsets(partitions)
    wanted = {p: int(start.offset) for p, start in starts.items() if start is not None}
    for partition, offset in wanted.items():
        consumer.seek(partition, offset)
    return {p: end for p, end in ends.items() if wanted.get(p, end) < end}
