"""Recent outcomes of each agent: a sample of what this node has learned, in memory only."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.errors import EventError
from olearn_core.events import Outcome, checked_name
from olearn_core.learning.shards.reading import Slice
from olearn_core.statistics.arrays import BoolArray

AGENTS = 512
OUTCOMES = 50
SAMPLED = 16  # of a slice, however long it is: learning must not feel it


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One outcome that was learned.

    :param at_seconds: Unix time at which it happened
    :param decided: whether it bears a token of ours
    """

    at_seconds: float
    task_type: str
    status: str | None
    quality_score: float | None
    latency_ms: float | None
    cost_usd: float | None
    decided: bool


class RecentOutcomes:
    """
    The newest outcomes of the agents heard of last, within bounds.

    :param agents: how many are remembered, `outcomes` of each
    """

    def __init__(self, agents: int = AGENTS, outcomes: int = OUTCOMES) -> None:
        self._most_agents = agents
        self._most_outcomes = outcomes
        self._seen: OrderedDict[tuple[str, str], deque[Seen]] = OrderedDict()

    def of(self, tenant: str, agent: str) -> Sequence[Seen]:
        """Return what is remembered of an agent, the newest first."""
        return tuple(reversed(self._seen.get((tenant, agent), ())))

    def note(self, read: Slice, fresh: BoolArray, now_seconds: float) -> None:
        """
        Take a sample of a slice, spread evenly over it.

        :param fresh: which of its outcomes were not seen before
        """
        new = np.flatnonzero(fresh)
        places = new[:: -(-len(new) // SAMPLED)] if len(new) > SAMPLED else new
        for at in places.tolist():
            decided = bool(read.decided[at])
            self._keep(read.outcomes[at], read.records[at].timestamp, now_seconds, decided)

    def _keep(self, outcome: Outcome, logged_ms: int, now_seconds: float, decided: bool) -> None:
        try:
            tenant = checked_name(outcome.tenant, "")
            agent = checked_name(outcome.agent_name or "", "")
            task_type = checked_name(outcome.task, "")
        except EventError:
            return  # read without an error already: names that the table folds are no loss here
        kept = self._seen.setdefault((tenant, agent), deque(maxlen=self._most_outcomes))
        self._seen.move_to_end((tenant, agent))
        at = outcome.timestamp.timestamp() if outcome.timestamp else logged_ms / 1e3
        kept.append(
            Seen(
                at_seconds=at or now_seconds,
                task_type=task_type,
                status=outcome.status,
                quality_score=outcome.quality_score,
                latency_ms=outcome.latency_ms,
                cost_usd=outcome.cost_usd,
                decided=decided,
            )
        )
        if len(self._seen) > self._most_agents:
            self._seen.popitem(last=False)
