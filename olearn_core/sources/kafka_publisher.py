"""Outcomes to Kafka."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from olearn_core.config import KafkaSettings
from olearn_core.errors import EventError, SourceError
from olearn_core.sources.kafka import security
from olearn_core.sources.publisher import Publisher

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT_MS = 10_000
STOP_SECONDS = 1.0
LARGEST_RECORD_BYTES = 2 << 20


class KafkaPublisher(Publisher):
    """
    Writes to one topic, by default that of outcomes.

    Retries may repeat a record; the event_id tells, so the producer needs no
    idempotence of its own (which not every broker has).
    """

    def __init__(self, settings: KafkaSettings, topic: str | None = None) -> None:
        self._settings = settings
        self._topic = topic or settings.outcome_topic
        self._producer: AIOKafkaProducer | None = None

    async def start(self, stack: AsyncExitStack) -> None:
        """Connect to the broker."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap_servers,
            client_id="olearn",
            acks="all",
            linger_ms=5,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_request_size=LARGEST_RECORD_BYTES,
            **security(self._settings),
        )
        stack.push_async_callback(_stop, self._producer)
        try:
            await self._producer.start()
        except (KafkaError, OSError, ValueError) as error:
            servers = self._settings.bootstrap_servers
            raise SourceError(f"cannot reach Kafka at {servers}: {error}") from error

    async def publish(self, key: str, value: bytes) -> int:
        """Send, and wait for all replicas in sync."""
        if self._producer is None:
            raise SourceError("the Kafka publisher is not started")
        try:
            sent = await self._producer.send_and_wait(self._topic, value, key=key.encode())
        except MessageSizeTooLargeError as error:
            raise EventError("the outcome is larger than the Kafka topic takes") from error
        except KafkaError as error:
            raise SourceError(
                f"Kafka topic {self._topic} did not take a record: {error}"
            ) from error
        return int(sent.offset)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop; what a broker that is away has not taken is given up, for nobody waits for it now."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except TimeoutError:
        logger.warning("left Kafka with records that it has not taken")
        await producer._sender.close()  # noqa: SLF001 - it would go on sending
        await producer.client.close()
