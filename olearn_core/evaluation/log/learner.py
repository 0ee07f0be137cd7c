"""A service's learning and deciding on a recorded log, without a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from olearn_core.config import Settings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.question import Question
from olearn_core.evaluation.weighed_sums import WeighedSums
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.models import Query, Sums, Utility
from olearn_core.plugins import Models
from olearn_core.sources.source import Partition
from olearn_core.statistics import FloatArray, Statistics, Weighting
from olearn_core.storage.decision_log import LoggedDecision
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.tokens import SigningKey

PARTITION = Partition("log", 0)
UNUSED_KEY = SigningKey(0, b"nothing is signed with it")


class LogLearner:
    """
    Learns outcomes in their order, and decides by what it has learned so far.

    By the same shard, table, plugins and decider as a service; what it has
    learned is its knowledge, so that any policy can be asked at any point of
    the log.

    :param keys: that the log's decision_ids are signed with
    """

    def __init__(self, models: Models, settings: Settings, keys: Mapping[int, SigningKey]) -> None:
        self.columns = models.column_names
        self.version = 0
        self.as_of = 0.0
        self._models = models
        self._decisions = settings.decisions
        self._deciders: dict[str, Decider] = {}
        self._sums = WeighedSums(self.columns)
        self._shard = Shard(
            ShardState(
                id=1,
                partition=PARTITION,
                epoch=0,
                next_offset=0,
                version=0,
                table=Statistics(models.column_names),
                executions=DedupWindow(settings.learning.dedup_ids),
                ratings=DedupWindow(settings.learning.dedup_ratings),
            ),
            models.columns,
            Reader(PARTITION, lambda: keys, require_token=False),
            settings.learning,
        )

    def learn(self, records: Sequence[LoggedRecord], now_seconds: float) -> None:
        """Learn outcomes; offsets ascend. What is asked from now on rests on them."""
        self.as_of = max(self.as_of, now_seconds)
        if not records:
            return
        self._shard.learn(records, self.as_of)
        self._shard.tick = None  # nothing is saved
        self.version += 1
        self._sums.changed(self._shard.table)

    def law(self, policy: str, decision: LoggedDecision) -> FloatArray:
        """Return by which law a policy would draw now, floor included, shape (agents,)."""
        question = Question(
            decision.tenant,
            decision.task_type,
            decision.context,
            eligible=decision.agents,
            weights=decision.utility.weights,
        )
        return self._decider(policy).law(question).probabilities

    def expected(self, decision: LoggedDecision, utility: Utility) -> FloatArray:
        """Return the utility that each eligible agent is expected to bring, shape (agents,)."""
        query = Query(decision.task_type, tuple(decision.agents), decision.context)
        decider = self._decider(self._models.policy.name)
        return np.clip(decider.expected(decision.tenant, query, utility).mean, 0.0, 1.0)

    def _decider(self, policy: str) -> Decider:
        if policy not in self._deciders:
            models = replace(self._models, policy=self._models.policies[policy])
            self._deciders[policy] = Decider(
                self, models, self._decisions, lambda: UNUSED_KEY, clock=lambda: self.as_of
            )
        return self._deciders[policy]

    def sums(self, tenant: str, model: str, weighting: Weighting, count: str) -> Sums:
        """Return a tenant's sums of what has been learned, weighted as a model does."""
        del model  # nothing is adjusted here
        return self._sums.of(tenant, weighting, count, self.as_of)
