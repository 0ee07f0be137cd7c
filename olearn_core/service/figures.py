"""The figures that Prometheus reads, of this moment."""

from __future__ import annotations

import logging
import math
import platform
import time
from collections import Counter
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

import olearn_core
from olearn_core.alerts.alert import KINDS, severity_of
from olearn_core.learning.shards.windows import PARTS, window_of
from olearn_core.metrics.families import Reading
from olearn_core.service.readiness import is_ready
from olearn_core.service.service import Service
from olearn_core.storage.database import brief

logger = logging.getLogger(__name__)


async def readings(service: Service) -> list[Reading]:
    """Return every figure; those of the database are left out while it is away."""
    found = [*_of_node(service), *_of_learning(service), *_of_versions(service)]
    found += await service.agent_readings.read()
    try:
        found += await _of_hours(service)
    except (SQLAlchemyError, OSError) as error:
        logger.info("the ledger's metrics are left out: %s", brief(error))
    return found


def _of_node(service: Service) -> Iterator[Reading]:
    versions = (olearn_core.__version__, platform.python_version())
    yield Reading("olearn_build_info", 1, versions)
    yield Reading("olearn_ready", float(is_ready(service)))
    yield Reading("olearn_problems", len(service.problems))
    firing = Counter(alert.kind for alert in service.alerts.current)
    for kind in KINDS:
        yield Reading("olearn_alerts_firing", firing[kind], (kind, severity_of(kind)))
    yield Reading("olearn_alerts_lost_total", service.telling.lost_alerts)
    for state, count in service.database.connections().items():
        yield Reading("olearn_db_pool_connections", count, (state,))
    yield Reading("olearn_decision_log_waiting", service.decision_writer.waits)
    yield Reading("olearn_decision_log_lost_total", service.decision_writer.lost)
    yield Reading("olearn_stream_readers", len(service.telling.hub.readers))


def _of_learning(service: Service) -> Iterator[Reading]:
    worker = service.worker
    yield Reading("olearn_updates_failed_total", worker.failed_updates)
    yield Reading("olearn_partitions", len(worker.shards))
    for lag in service.lags.of_partitions():
        where = (lag.partition.topic, str(lag.partition.number))
        yield Reading("olearn_kafka_consumer_lag_records", lag.records, where)
        yield Reading("olearn_kafka_consumer_lag_seconds", lag.seconds, where)
    for part in PARTS:
        ids = sum(len(window_of(shard.state, part)) for shard in worker.shards.values())
        yield Reading("olearn_dedup_ids", ids, (part,))
    lost = service.view.counters().get("lost_records", 0)
    yield Reading("olearn_lost_records_total", lost)
    yield Reading("olearn_view_age_seconds", max(0.0, time.time() - service.view.as_of))


def _of_versions(service: Service) -> Iterator[Reading]:
    for name, version in service.follower.newest.items():
        yield Reading("olearn_model_version_info", 1, (name, str(version.version_number)))
        yield Reading("olearn_model_last_saved_timestamp_seconds", version.created_at, (name,))


async def _of_hours(service: Service) -> list[Reading]:
    """Return what is known of the last hour; no number where there is no data."""
    score, improvement = await service.progress.score()
    found = {"olearn_model_score_ratio": score, "olearn_model_improvement_ratio": improvement}
    return [Reading(name, math.nan if v is None else v) for name, v in found.items()]
