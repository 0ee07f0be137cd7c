"""The panels of the dashboard, by row: a title, a unit, a note, and what is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from queries import alike, largest, node, of_agents, quantile, quantiles, rate, share, total

HTTP = "http_server_request_duration_seconds"
LATENCY = "olearn_agent_latency_seconds"
PARTITION = "{{topic}}/{{partition}}"
NODE = "{{instance}}"
AGENT = "{{agent}}"


class Panel(NamedTuple):
    """
    One panel.

    :param unit: Grafana's name of it
    :param note: what it tells, and from where on it is an alert
    :param queries: PromQL by what its lines are called
    :param most: the axis' upper end, None for that of the data
    """

    title: str
    unit: str
    note: str
    queries: Mapping[str, str]
    most: float | None = None


class Figure(NamedTuple):
    """
    One big number.

    :param thresholds: from where on it is yellow, and red
    """

    title: str
    unit: str
    note: str
    query: str
    thresholds: tuple[float, ...] = ()


FIGURES = (
    Figure(
        "Update rate",
        "ops",
        "Committed updates a second.",
        rate("olearn_update_duration_seconds_count"),
    ),
    Figure(
        "Outcomes learned",
        "cps",
        "A second.",
        rate("olearn_events_consumed_total", more=',result="samples"'),
    ),
    Figure(
        "Model score",
        "percentunit",
        "Mean success of the last hour's decisions.",
        alike("olearn_model_score_ratio"),
    ),
    Figure(
        "Lag",
        "s",
        "The longest wait of any record; 5 s, with 1,000 records, is an alert.",
        largest("olearn_kafka_consumer_lag_seconds"),
        (1, 5),
    ),
    Figure(
        "Alerts firing",
        "short",
        "`olearn alerts` tells which, and what to do.",
        f"{total('olearn_alerts_firing')} or vector(0)",
        (1, 3),
    ),
    Figure("Nodes ready", "short", "Nodes that may have traffic.", total("olearn_ready")),
)

ROWS: Mapping[str, tuple[Panel, ...]] = {
    "Learning": (
        Panel(
            "Records",
            "cps",
            "By what became of them.",
            {"{{result}}": rate("olearn_events_consumed_total", "result")},
        ),
        Panel(
            "Update time",
            "s",
            "Fold and commit; more than 1 s on average is an alert.",
            quantiles("olearn_update_duration_seconds"),
        ),
        Panel(
            "Commit time",
            "s",
            "The database's part of it.",
            quantiles("olearn_checkpoint_duration_seconds"),
        ),
        Panel(
            "Batch size",
            "short",
            "Records of an update; batches grow under load.",
            quantiles("olearn_batch_size_events"),
        ),
        Panel(
            "End to end",
            "s",
            "From the log's time of an update's first record to its commit.",
            quantiles("olearn_event_end_to_end_seconds"),
        ),
        Panel(
            "Failed updates",
            "cps",
            "More than 5 % of all is an alert; nothing is lost.",
            {NODE: rate("olearn_updates_failed_total", "instance")},
        ),
    ),
    "Lag": (
        Panel(
            "Lag in records",
            "short",
            "By partition; add workers where it grows.",
            {PARTITION: total("olearn_kafka_consumer_lag_records", "topic, partition")},
        ),
        Panel(
            "Lag in seconds",
            "s",
            "How long the first record that is not learned has been waiting.",
            {PARTITION: largest("olearn_kafka_consumer_lag_seconds", "topic, partition")},
        ),
        Panel(
            "Partitions by node",
            "short",
            "Who learns how many.",
            {NODE: total("olearn_partitions", "instance")},
        ),
    ),
    "What was learned": (
        Panel(
            "Success by agent",
            "percentunit",
            "Of the executions in the interval.",
            {
                AGENT: share(
                    of_agents("olearn_agent_success_total"),
                    of_agents("olearn_agent_executions_total"),
                )
            },
            1.0,
        ),
        Panel(
            "Executions by agent",
            "cps",
            "How the work is shared out.",
            {AGENT: of_agents("olearn_agent_executions_total")},
        ),
        Panel(
            "Latency by agent",
            "s",
            "Mean of the interval.",
            {AGENT: share(of_agents(f"{LATENCY}_sum"), of_agents(f"{LATENCY}_count"))},
        ),
        Panel(
            "Spending by agent",
            "currencyUSD",
            "An hour.",
            {AGENT: f"3600 * {of_agents('olearn_agent_cost_usd_total')}"},
        ),
        Panel(
            "Model score",
            "percentunit",
            "Mean success of the last hour, and its change: 10 % down is an alert.",
            {
                "score": alike("olearn_model_score_ratio"),
                "change": alike("olearn_model_improvement_ratio"),
            },
        ),
        Panel(
            "Age of the newest version",
            "s",
            "Half an hour, while outcomes are learned, is an alert.",
            {
                "{{model_type}}": "time() - "
                + alike("olearn_model_last_saved_timestamp_seconds", "model_type")
            },
        ),
    ),
    "Decisions": (
        Panel(
            "Decisions",
            "reqps",
            "By policy and task type.",
            {"{{policy}} {{task_type}}": rate("olearn_predictions_total", "policy, task_type")},
        ),
        Panel(
            "Decision time",
            "s",
            "Without HTTP.",
            quantiles("olearn_prediction_duration_seconds"),
        ),
        Panel(
            "Exploration and propensity",
            "percentunit",
            "Decisions whose agent was not the most probable one; propensities of the chosen.",
            {
                "explored": share(
                    rate("olearn_explorations_total"), rate("olearn_predictions_total")
                ),
                "median propensity": quantile(0.5, "olearn_decision_propensity_ratio"),
                "5 % are below": quantile(0.05, "olearn_decision_propensity_ratio"),
            },
            1.0,
        ),
        Panel(
            "Log of decisions",
            "short",
            "What waits to be written, and what was left out since the start.",
            {
                "waiting": total("olearn_decision_log_waiting"),
                "left out": total("olearn_decision_log_lost_total"),
            },
        ),
        Panel(
            "Refused tokens",
            "cps",
            "By what was wrong with them.",
            {"{{kind}}": rate("olearn_tokens_refused_total", "kind")},
        ),
        Panel(
            "Requests",
            "reqps",
            "By route and status.",
            {
                "{{http_route}} {{http_response_status_code}}": rate(
                    f"{HTTP}_count", "http_route, http_response_status_code"
                )
            },
        ),
    ),
    "Trouble": (
        Panel(
            "Dead letters",
            "cps",
            "By the field that was wrong; more than 10 % of the records is an alert.",
            {"{{reason}}": rate("olearn_events_dead_lettered_total", "reason")},
        ),
        Panel(
            "Alerts",
            "short",
            "Firing, by kind.",
            {"{{kind}} ({{severity}})": largest("olearn_alerts_firing", "kind, severity")},
        ),
        Panel(
            "Problems and lost records",
            "short",
            "What makes a node degraded; records deleted from the log before they were learned.",
            {
                NODE: total("olearn_problems", "instance"),
                "lost": alike("olearn_lost_records_total"),
            },
        ),
    ),
    "Nodes": (
        Panel(
            "Request time, p99",
            "s",
            "By route.",
            {"{{http_route}}": quantile(0.99, HTTP, "http_route")},
        ),
        Panel(
            "Age of the view",
            "s",
            "Since other nodes' sums were last known to be up to date.",
            {NODE: largest("olearn_view_age_seconds", "instance")},
        ),
        Panel(
            "Connections",
            "short",
            "To the database, and readers of the stream.",
            {
                "{{state}}": total("olearn_db_pool_connections", "state"),
                "stream": total("olearn_stream_readers"),
            },
        ),
        Panel(
            "CPU",
            "percentunit",
            "Of one core.",
            {NODE: rate("process_cpu_seconds_total", "instance")},
        ),
        Panel("Memory", "bytes", "Resident.", {NODE: node("process_resident_memory_bytes")}),
        Panel(
            "Event ids remembered",
            "short",
            "To notice repeats by.",
            {"{{part}}": total("olearn_dedup_ids", "part")},
        ),
    ),
}
