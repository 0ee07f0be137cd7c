"""What the dashboard knows now, and since when."""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from olearn_core.schemas import AgentsResponse, MetricsResponse
from olearn_tui.feed.resources import AGENTS, METRICS, Resource
from olearn_tui.feed.rings import Ring

T = TypeVar("T")
FIGURES = ("events_per_second", "lag", "lag_seconds", "score", "p95_ms", "dead_letters", "total")
SAMPLES = 1_800
AGENT_SAMPLES = 600
TAIL = 1_000
RATE_SECONDS = 5.0


@dataclass(slots=True)
class Link:
    """
    How the connection is.

    :ivar detail: what went wrong, "" while nothing does
    :ivar attempt: how often it was tried in vain
    :ivar retry_at: when it is tried next, in seconds since 1970
    :ivar heard_at: when the service last answered, None for never
    """

    state: Literal["connecting", "live", "lost"] = "connecting"
    detail: str = ""
    attempt: int = 0
    retry_at: float = 0.0
    heard_at: float | None = None


@dataclass(frozen=True, slots=True)
class Tailed:
    """One line of the tail: when it was received, which event, and its data."""

    number: int
    at: float
    name: str
    data: dict[str, Any]


@dataclass(slots=True)
class Picture:
    """
    All that is known.

    :ivar answers: by path, what was said last
    :ivar faults: by path, why nothing was said, where only that path fails
    :ivar figures: the service's numbers over time
    :ivar success: by agent, its success rate over time
    :ivar tailed: how many events there were, of which the tail has the newest
    :ivar missed: how many could not be read, or were left out by the service
    :ivar changes: how often anything was learned
    :ivar streams: whether the live stream is heard
    """

    link: Link = field(default_factory=Link)
    answers: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Ring] = field(
        default_factory=lambda: {name: Ring(SAMPLES) for name in FIGURES}
    )
    success: dict[str, Ring] = field(default_factory=dict)
    tail: deque[Tailed] = field(default_factory=lambda: deque(maxlen=TAIL))
    tailed: int = 0
    missed: int = 0
    changes: int = 0
    streams: bool = False

    def read(self, resource: Resource[T]) -> T | None:
        """Return the newest answer, None where there was none yet."""
        answer: T | None = self.answers.get(resource.path)
        return answer

    def fault(self, resource: Resource[Any]) -> str:
        """Return why a resource cannot be read, "" where it can."""
        return self.faults.get(resource.path, "")

    def take(self, resource: Resource[Any], answer: Any, now: float) -> None:
        """Remember an answer, and its numbers for the charts."""
        self.changes += 1
        self.answers[resource.path] = answer
        self.faults.pop(resource.path, None)
        if resource is METRICS:
            self._take_metrics(answer, now)
        elif resource is AGENTS:
            self._take_agents(answer, now)

    def blame(self, resource: Resource[Any], why: str) -> None:
        """Remember why a resource cannot be read."""
        self.changes += 1
        self.faults[resource.path] = why

    def note(self, name: str, data: dict[str, Any], now: float) -> None:
        """Add an event to the tail."""
        self.changes += 1
        self.tailed += 1
        self.tail.append(Tailed(self.tailed, now, name, data))

    def _take_metrics(self, metrics: MetricsResponse, now: float) -> None:
        total = self.figures["total"]
        total.add(now, metrics.samples_processed)
        values = {
            "events_per_second": self._rate(metrics, now),
            "lag": metrics.lag,
            "lag_seconds": metrics.lag_seconds,
            "score": metrics.current_model_score,
            "p95_ms": metrics.p95_update_time_ms,
            "dead_letters": metrics.dead_letters,
        }
        for name, value in values.items():
            self.figures[name].add(now, value)

    def _rate(self, metrics: MetricsResponse, now: float) -> float:
        """Return the rate of the last seconds; that of the last minute until it is known."""
        total = self.figures["total"]
        before = total.at(now - RATE_SECONDS)
        if before is None or metrics.samples_processed < before:
            return metrics.samples_per_second
        since = total.times[int(total.times.searchsorted(now - RATE_SECONDS, side="right")) - 1]
        return float((metrics.samples_processed - before) / (now - since))

    def _take_agents(self, answer: AgentsResponse, now: float) -> None:
        known = {agent.agent_name: agent.success for agent in answer.agents}
        for name in self.success.keys() - known.keys():
            del self.success[name]
        for name, success in known.items():
            ring = self.success.setdefault(name, Ring(AGENT_SAMPLES))
            ring.add(now, None if success is None else success.mean)

    def held(self) -> Picture:
        """Return the picture as it is now, while this one goes on."""
        return replace(
            self,
            link=replace(self.link),
            answers=dict(self.answers),
            faults=dict(self.faults),
            figures=deepcopy(self.figures),
            success=deepcopy(self.success),
            tail=self.tail.copy(),
        )
