"""Handing outcomes over to Kafka, as most producers do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from olearn_core.config import KafkaSettings
from olearn_core.errors import ConfigError
from olearn_core.evaluation.sender import Sender
from olearn_core.events import DEFAULT, encode_outcome
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.tokens import partition_key


class KafkaSender(Sender):
    """Sends to the topic of outcomes."""

    concurrency = 1_000

    def __init__(self, publisher: KafkaPublisher) -> None:
        self._publisher = publisher

    @classmethod
    async def open(cls, settings: KafkaSettings, stack: AsyncExitStack) -> KafkaSender:
        """
        Connect, and disconnect when the stack unwinds.

        :raises ConfigError: where no broker is configured
        """
        if not settings.bootstrap_servers:
            raise ConfigError(
                "no Kafka is configured: set [kafka] bootstrap_servers or"
                " KAFKA_BOOTSTRAP_SERVERS, or use --via http"
            )
        publisher = KafkaPublisher(settings)
        await publisher.start(stack)
        return cls(publisher)

    async def send(self, fields: Mapping[str, Any]) -> None:
        """Publish with a key that repeats share."""
        key = partition_key(DEFAULT, fields["event_id"], fields.get("decision_id"))
        await self._publisher.publish(key, encode_outcome({**fields, "tenant_id": DEFAULT}))
