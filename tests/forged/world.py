"""
A service some of whose outcomes are forged, by one source and in favour of one agent.

Twenty honest runtimes carry out what is decided and report it with its decision_id.
Somebody who can write to the log too praises one agent, without tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.config import DecisionSettings, LearningSettings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.question import Question
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.learning.views.view import View
from olearn_core.models import Sums
from olearn_core.plugins import Plugins
from olearn_core.statistics import Statistics, Weighting
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.tokens import SigningKey
from tests.support.events import outcome, rfc3339
from tests.support.workers import NOW, PARTITION

KEY = SigningKey(1, b"secret")
SOURCES = 20
TASK_TYPES = ("code", "plan", "text")
AGENTS = ("best", "praised", "usual", "weak")
RATES = np.array([0.85, 0.70, 0.65, 0.50])
BATCH = 50
BATCH_SECONDS = 60.0


@dataclass(frozen=True)
class Protection:
    """
    How the service is configured.

    :param share: [learning] most_source_share
    :param tokens: [decisions] require_decision_token
    """

    share: float = 1.0
    tokens: bool = False


@dataclass(frozen=True)
class Result:
    """
    What came of it, over the second half of the tasks.

    :param best_share: of choices that went to the best agent
    :param praised_share: to the praised one
    :param reward: mean success to be expected of the choices
    """

    best_share: float
    praised_share: float
    reward: float


class Worker:
    """The one shard of the service, as the view looks for it."""

    def __init__(self, shard: Shard) -> None:
        self.shards = {PARTITION: shard}


class World:
    """
    Decides, has outcomes reported and forged, and learns them, batch by batch.

    :param forged: share of all outcomes that are forged
    """

    def __init__(self, seed: int, protection: Protection, forged: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._forged = forged
        self.now = NOW
        self._events = 0
        models = Plugins.found().models("agent_selection", {})
        self.shard = new_shard(protection, models.column_names, models.columns)
        self.view = View(
            None,
            None,
            models.column_names,
            clock=lambda: self.now,
            most_source_share=protection.share,
        )
        self.view.follow(Worker(self.shard))
        settings = DecisionSettings(weights={"success": 1.0})
        self._decider = Decider(self.view, models, settings, lambda: KEY, clock=lambda: self.now)

    def run(self, tasks: int) -> Result:
        """Do so many tasks."""
        chosen = np.concatenate([self._batch() for _ in range(tasks // BATCH)])
        late = chosen[len(chosen) // 2 :]
        shares = np.bincount(late, minlength=len(AGENTS)) / len(late)
        return Result(float(shares[0]), float(shares[1]), float(shares @ RATES))

    def sums(self) -> Sums:
        return self.view.sums("default", "success_prediction", Weighting(), "executions")

    def _batch(self) -> np.ndarray:
        chosen, records = [], []
        for _ in range(BATCH):
            task = TASK_TYPES[int(self._rng.integers(len(TASK_TYPES)))]
            decision = self._decider.decide(Question("default", task, {}, AGENTS))
            chosen.append(AGENTS.index(decision.agent))
            records.append(self._honest(decision.agent, task, decision.decision_id))
            while self._rng.random() < self._forged:
                records.append(self._lie())
        self.learn(records)
        return np.array(chosen)

    def learn(self, records: Sequence[bytes]) -> None:
        at_ms, start = int(self.now * 1_000), self.shard.next_offset
        numbered = [LoggedRecord(start + i, value, at_ms) for i, value in enumerate(records)]
        self.shard.learn(numbered, self.now)
        self.now += BATCH_SECONDS

    def _honest(self, agent: str, task: str, decision_id: str) -> bytes:
        success = self._rng.random() < RATES[AGENTS.index(agent)]
        source = f"runtime-{self._rng.integers(SOURCES)}"
        return self.outcome(agent, task, source, success=bool(success), decision_id=decision_id)

    def _lie(self) -> bytes:
        task = TASK_TYPES[int(self._rng.integers(len(TASK_TYPES)))]
        return self.outcome("praised", task, "mallory", success=True)

    def outcome(self, agent: str, task: str, source: str, *, success: bool, **more: str) -> bytes:
        self._events += 1
        names = {"agent_name": agent, "task_type": task, "source": source}
        status = "success" if success else "failure"
        when = {"event_id": f"{self._events}", "timestamp": rfc3339(self.now)}
        return outcome(**names, **when, status=status, **more)


def new_shard(protection: Protection, names: Sequence[str], columns: Sequence[object]) -> Shard:
    options = LearningSettings(most_source_share=protection.share)
    windows = (DedupWindow(options.dedup_ids), DedupWindow(options.dedup_ratings))
    state = ShardState(1, PARTITION, 1, 0, 0, Statistics(names), *windows)
    reader = Reader(PARTITION, lambda: {1: KEY}, require_token=protection.tokens)
    return Shard(state, columns, reader, options)
