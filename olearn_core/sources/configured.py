"""The logs that a configuration names."""

from __future__ import annotations

from olearn_core.config import KafkaSettings
from olearn_core.errors import SourceError
from olearn_core.sources.embedded import EmbeddedLog
from olearn_core.sources.kafka import KafkaSource
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.sources.publisher import Publisher
from olearn_core.sources.source import Source
from olearn_core.storage.database import Database
from olearn_core.storage.decision_log import DecisionLog
from olearn_core.storage.leases import Leases
from olearn_core.storage.outcome_log import OutcomeLog


def outcome_log(
    kafka: KafkaSettings, database: Database, leases: Leases
) -> tuple[Source, Publisher]:
    """
    Return where outcomes are read from and written to: Kafka, or else the embedded log.

    :raises SourceError: where Kafka is wanted but not named
    """
    if kafka.in_use:
        if not kafka.bootstrap_servers:
            raise SourceError("Kafka is enabled, but [kafka] bootstrap_servers is empty")
        return KafkaSource(kafka), KafkaPublisher(kafka)
    embedded = EmbeddedLog(OutcomeLog(database), leases, DecisionLog(database))
    return embedded, embedded


def topic_publisher(kafka: KafkaSettings, topic: str) -> KafkaPublisher | None:
    """Return what writes to another topic, None where there is none."""
    return KafkaPublisher(kafka, topic) if kafka.in_use and topic else None
