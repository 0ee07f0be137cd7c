"""Reading a stretch of a service's log: its decisions, and the outcomes since then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec

from olearn_core.config import Settings
from olearn_core.errors import ConfigError
from olearn_core.evaluation.log.history import History
from olearn_core.evaluation.log.rewards import Reward
from olearn_core.sources.kafka_history import records_since
from olearn_core.sources.source import Record
from olearn_core.storage.database import Database
from olearn_core.storage.decision_log import DecisionLog, LoggedDecision, decode_decision
from olearn_core.storage.outcome_log import OutcomeLog
from olearn_core.storage.signing_keys import SigningKeys

PAGE = 5_000


async def read_history(
    settings: Settings, since_seconds: float, reward: Reward, tenant: str | None = None
) -> History:
    """
    Read decisions and outcomes from a time on, from Kafka or from the database.

    The whole stretch is held in memory.

    :param tenant: whose decisions are taken, None for everybody's
    :raises OlearnError: where a log cannot be read, or is not kept
    """
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.database, stack)
        keys = SigningKeys(database)
        await keys.load()
        if settings.kafka.in_use:
            decisions, records = await _from_kafka(settings, since_seconds)
        else:
            decisions = await DecisionLog(database).since(since_seconds)
            records = await _outcomes_since(OutcomeLog(database), since_seconds)
    wanted = [decision for decision in decisions if tenant in (None, decision.tenant)]
    return History.joined(wanted, records, keys.all(), reward)


async def _from_kafka(
    settings: Settings, since_seconds: float
) -> tuple[list[LoggedDecision], Sequence[Record]]:
    kafka = settings.kafka
    if not kafka.decisions_topic:
        raise ConfigError(
            "no decisions are logged: set [kafka] decisions_topic, restart the service and"
            " let it decide for a while; or give a file with --decisions"
        )
    values = await records_since(kafka, kafka.decisions_topic, since_seconds)
    decisions = [decision for record in values if (decision := _decision(record)) is not None]
    return decisions, await records_since(kafka, kafka.outcome_topic, since_seconds)


def _decision(record: Record) -> LoggedDecision | None:
    """Return a record's decision; what strangers have written to the topic is none."""
    try:
        return decode_decision(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def _outcomes_since(log: OutcomeLog, since_seconds: float) -> list[Record]:
    found: list[Record] = []
    offset, _ = await log.bounds()
    while page := await log.read(offset, PAGE):
        found += [record for record in page if record.timestamp >= since_seconds * 1_000]
        offset = page[-1].offset + 1
    return found
