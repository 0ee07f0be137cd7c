"""Every metric that is read when Prometheus asks: name, kind, labels and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

Kind = Literal["counter", "gauge", "summary"]


class Family(NamedTuple):
    """
    One metric.

    :param labels: names of its labels, in the order of its readings'
    """

    kind: Kind
    text: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """
    One value of a metric.

    :param total: of a summary, the sum of what was counted
    """

    name: str
    value: float
    labels: tuple[str, ...] = ()
    total: float = 0.0


FAMILIES = {
    "olearn_build_info": Family("gauge", "Version of olearn and Python.", ("version", "python")),
    "olearn_ready": Family("gauge", "Whether this node may have traffic."),
    "olearn_problems": Family("gauge", "Problems that make this node degraded."),
    "olearn_alerts_firing": Family("gauge", "Alerts of this node.", ("kind", "severity")),
    "olearn_alerts_lost_total": Family("counter", "Alerts that their topic was never told."),
    "olearn_updates_failed_total": Family("counter", "Updates of this node that were not saved."),
    "olearn_partitions": Family("gauge", "Partitions that this node learns."),
    "olearn_kafka_consumer_lag_records": Family(
        "gauge",
        "Records of a partition of this node, in Kafka or the embedded log, not learned yet.",
        ("topic", "partition"),
    ),
    "olearn_kafka_consumer_lag_seconds": Family(
        "gauge", "How long the first of them has been waiting.", ("topic", "partition")
    ),
    "olearn_lost_records_total": Family(
        "counter", "Records that the log deleted before they were learned, of all nodes."
    ),
    "olearn_dedup_ids": Family("gauge", "Event ids remembered by this node.", ("part",)),
    "olearn_view_age_seconds": Family(
        "gauge", "Since the other nodes' sums were last known to be up to date."
    ),
    "olearn_model_score_ratio": Family(
        "gauge", "Mean success of the last hour of decision-joined outcomes, of all nodes."
    ),
    "olearn_model_improvement_ratio": Family(
        "gauge", "Relative change of the model score against the hour before."
    ),
    "olearn_model_version_info": Family(
        "gauge", "The newest version of each model.", ("model_type", "version")
    ),
    "olearn_model_last_saved_timestamp_seconds": Family(
        "gauge", "When the newest version of each model was saved.", ("model_type",)
    ),
    "olearn_agents": Family("gauge", "Agents of a tenant, of all nodes.", ("tenant",)),
    "olearn_agent_executions_total": Family(
        "counter", "Executions of an agent, of all nodes.", ("tenant", "agent")
    ),
    "olearn_agent_success_total": Family(
        "counter",
        "Successes among them; a partial one counts a half.",
        ("tenant", "agent"),
    ),
    "olearn_agent_latency_seconds": Family(
        "summary", "Latency of an agent's executions, of all nodes.", ("tenant", "agent")
    ),
    "olearn_agent_cost_usd_total": Family(
        "counter", "What an agent's executions have cost, of all nodes.", ("tenant", "agent")
    ),
    "olearn_decision_log_waiting": Family("gauge", "Decisions that wait to be written down."),
    "olearn_decision_log_lost_total": Family("counter", "Decisions that were not written down."),
    "olearn_db_pool_connections": Family(
        "gauge", "Connections to the database, by what they do.", ("state",)
    ),
    "olearn_stream_readers": Family("gauge", "Readers of the live stream."),
}


def families(readings: Iterable[Reading]) -> Iterator[Metric]:
    """Return the readings as Prometheus's client wants them, by family."""
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(reading.name, []).append(reading)
    for name, found in by_name.items():
        yield _family(name, FAMILIES[name], found)


def _family(name: str, family: Family, readings: Iterable[Reading]) -> Metric:
    if family.kind == "summary":
        summary = SummaryMetricFamily(name, family.text, labels=family.labels)
        for reading in readings:
            summary.add_metric(reading.labels, int(reading.value), reading.total)
        return summary
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(name, family.text, labels=family.labels)
    for reading in readings:
        metric.add_metric(reading.labels, reading.value)
    return metric
