"""Where a Kafka partition begins and ends, asked without joining a group."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from olearn_core.config import KafkaSettings
from olearn_core.errors import SourceError
from olearn_core.sources.kafka import security
from olearn_core.sources.source import Partition

REQUEST_TIMEOUT_MS = 10_000


async def bounds(settings: KafkaSettings, partition: Partition) -> tuple[int, int]:
    """
    Return a partition's first offset and the one after its last.

    :raises SourceError: where the broker does not tell, or does not have the topic
    """
    servers = settings.bootstrap_servers
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        client_id="olearn",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **security(settings),
    )
    try:
        await consumer.start()
        return await _asked(consumer, partition)
    except (KafkaError, OSError, ValueError) as error:
        raise SourceError(
            f"Kafka at {servers!r} does not tell the offsets of {partition}: {error}"
        ) from error
    finally:
        await consumer.stop()


async def _asked(consumer: AIOKafkaConsumer, partition: Partition) -> tuple[int, int]:
    if partition.topic not in await consumer.topics():  # asking for it by name may create it
        raise SourceError(f"Kafka has no topic {partition.topic!r}")
    theirs = TopicPartition(partition.topic, partition.number)
    first = await consumer.beginning_offsets([theirs])
    end = await consumer.end_offsets([theirs])
    return int(first[theirs]), int(end[theirs])
