"""Counters and histograms that are noted as things happen: a batch, a decision, a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import Metric

from olearn_core.config import MetricsSettings
from olearn_core.metrics.capped import Capped
from olearn_core.storage.decision_log import LoggedDecision
from olearn_core.tokens import REFUSALS

MOST_REASONS = 30
SIZES = (1, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
UPDATE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
DECISION_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0)
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
END_TO_END_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
PROPENSITIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)

RESULTS = ("samples", "duplicates", "not_taught")


class Noted(Protocol):
    """What is noted of an update: one partition's part of a checkpoint, when it is committed."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened, by name."""

    @property
    def refused(self) -> Mapping[str, int]:
        """Dead letters by the field that was wrong."""

    @property
    def seconds(self) -> float:
        """Fold and commit."""

    @property
    def commit_seconds(self) -> float:
        """The commit alone."""

    @property
    def waited_seconds(self) -> float | None:
        """From the log's time of its first record to its commit."""


class Instruments:
    """
    What one service counts of itself since it started.

    Nothing is noted of single events: an update, a decision or a request costs some microseconds.

    :ivar updates: that were saved
    :ivar decisions: that were made
    """

    def __init__(self, settings: MetricsSettings) -> None:
        self.registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._task_type = Capped(settings.most_task_types)
        self._reason = Capped(MOST_REASONS)
        self.updates = 0
        self.decisions = 0
        self._events = Counter(
            "olearn_events_consumed_total",
            "Records that this node read and saved, by what became of them.",
            ["result"],
            registry=registry,
        )
        self._refused = Counter(
            "olearn_events_dead_lettered_total",
            "Records that could not be learned, by the field that was wrong.",
            ["reason"],
            registry=registry,
        )
        self._tokens = Counter(
            "olearn_tokens_refused_total",
            "Decision tokens that were refused, by what was wrong with them.",
            ["kind"],
            registry=registry,
        )
        self._batch = Histogram(
            "olearn_batch_size_events",
            "Records of an update.",
            registry=registry,
            buckets=SIZES,
        )
        self._update = Histogram(
            "olearn_update_duration_seconds",
            "Fold and commit of an update: one partition's part of a checkpoint.",
            registry=registry,
            buckets=UPDATE_SECONDS,
        )
        self._commit = Histogram(
            "olearn_checkpoint_duration_seconds",
            "The commit alone, once for each partition in it.",
            registry=registry,
            buckets=UPDATE_SECONDS,
        )
        self._end_to_end = Histogram(
            "olearn_event_end_to_end_seconds",
            "From the log's time of an update's first record to its commit.",
            registry=registry,
            buckets=END_TO_END_SECONDS,
        )
        self._predictions = Counter(
            "olearn_predictions_total",
            "Decisions of this node.",
            ["policy", "task_type"],
            registry=registry,
        )
        self._explorations = Counter(
            "olearn_explorations_total",
            "Decisions whose agent was not the most probable one.",
            registry=registry,
        )
        self._propensity = Histogram(
            "olearn_decision_propensity_ratio",
            "Probability that the chosen agent was drawn with.",
            registry=registry,
            buckets=PROPENSITIES,
        )
        self._decided_in = Histogram(
            "olearn_prediction_duration_seconds",
            "Making a decision, without HTTP.",
            registry=registry,
            buckets=DECISION_SECONDS,
        )
        self._requests = Histogram(
            "http_server_request_duration_seconds",
            "HTTP requests, by the template of their path.",
            ["http_request_method", "http_route", "http_response_status_code"],
            registry=registry,
            buckets=REQUEST_SECONDS,
        )
        self._prepare()

    def _prepare(self) -> None:
        """Let series begin at 0: the first event is a change, too."""
        for result in (*RESULTS, "dead_letters"):
            self._events.labels(result)
        for kind in REFUSALS:
            self._tokens.labels(kind)

    def note_update(self, update: Noted) -> None:
        """Note an update that was committed."""
        self.updates += 1
        counts = update.counts
        for result in RESULTS:
            self._events.labels(result).inc(counts.get(result, 0))
        for kind in REFUSALS:
            if refused := counts.get(f"token_{kind}", 0):
                self._tokens.labels(kind).inc(refused)
        for reason, count in update.refused.items():
            self._events.labels("dead_letters").inc(count)
            self._refused.labels(self._reason(reason or "unreadable")).inc(count)
        self._batch.observe(counts.get("received", 0))
        self._update.observe(update.seconds)
        self._commit.observe(update.commit_seconds)
        if update.waited_seconds is not None:
            self._end_to_end.observe(update.waited_seconds)

    def note_decision(self, decision: LoggedDecision, seconds: float) -> None:
        """Note a decision and how long it took."""
        self.decisions += 1
        self._predictions.labels(decision.policy, self._task_type(decision.task_type)).inc()
        self._decided_in.observe(seconds)
        if decision.propensity is None:  # the caller chose, and did not say how likely it was
            return
        self._propensity.observe(decision.propensity)
        if decision.propensity < max(decision.law):
            self._explorations.inc()

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """
        Note an answered request.

        :param route: the path's template, never the path itself
        """
        self._requests.labels(method, route, str(status)).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Return all of it, without the times at which each series was made."""
        for metric in self.registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
