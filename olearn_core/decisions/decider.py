"""The decision path: from a question to a drawn agent with its true probability."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from olearn_core.config import DecisionSettings
from olearn_core.decisions.draw import checked_law, draw, floored
from olearn_core.decisions.law import Law, Ranked
from olearn_core.decisions.scales import default_scales
from olearn_core.decisions.utility import scores
from olearn_core.errors import NotFoundError
from olearn_core.learning.view import View
from olearn_core.models import Choice, Estimate, Predictor, Query, Sums, Utility
from olearn_core.plugins import Models
from olearn_core.statistics import OTHER, FloatArray, Weighting
from olearn_core.statistics.buckets import DAY_SECONDS
from olearn_core.tokens import NONCE_BYTES, Decided, SigningKey, sign

BAYESIAN = Weighting()


@dataclass(slots=True)
class Question:
    """
    What somebody wants decided.

    :param eligible: candidates, None for all agents seen lately; may name new ones
    :param weights: of the utility, None for the configured ones
    """

    tenant: str
    task_type: str
    context: Mapping[str, Any]
    eligible: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    weights: Mapping[str, float] | None = None


@dataclass(slots=True)
class Decision:
    """
    A drawn agent and how likely it was.

    :param ranked: agents, the drawn one first, the others by falling probability
    """

    decision_id: str
    ranked: Sequence[Ranked]
    propensity: float
    model_score: float
    view_version: int
    as_of: float

    @property
    def agent(self) -> str:
        """The drawn agent."""
        return self.ranked[0][0]


class Decider:
    """Answers which agent should do the next task, from the view alone."""

    def __init__(
        self,
        view: View,
        models: Models,
        settings: DecisionSettings,
        key: Callable[[], SigningKey],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._view = view
        self._models = models
        self._settings = settings
        self._key = key
        self._clock = clock
        self._by_component = {p.component: p for p in models.predictors if p.component}
        self._weights = tuple(sorted(settings.weights.items()))
        self._reads_context = models.policy.reads_context or any(
            predictor.reads_context for predictor in models.predictors
        )
        self._by_name = {p.name: p for p in models.predictors}

    def decide(self, question: Question) -> Decision:
        """
        Draw an agent.

        :raises NotFoundError: where there is no candidate
        """
        law = self.law(question)
        nonce = os.urandom(NONCE_BYTES)
        chosen = draw(law.cumulated, nonce)
        ranked = law.ranked(chosen)
        propensity = ranked[0][2]
        decided = Decided(
            nonce,
            propensity,
            law.view_version,
            int(self._clock()),
            law.eligible_hash,
            question.tenant,
            question.task_type,
            law.agents[chosen],
        )
        return Decision(
            decision_id=sign(self._key(), decided),
            ranked=ranked,
            propensity=propensity,
            model_score=law.mean_score,
            view_version=law.view_version,
            as_of=self._view.as_of,
        )

    def law(self, question: Question) -> Law:
        """
        Return the law for a question; computed once while nothing changes.

        :raises NotFoundError: where there is no candidate
        """
        sums = self._sums(question.tenant)
        agents = self._candidates(question, sums)
        weights = tuple(sorted(question.weights.items())) if question.weights else self._weights
        key = (question.task_type, agents, weights, self._seen(question))
        return sums.once(key, lambda: self._law(question, agents, dict(weights), sums))

    def _seen(self, question: Question) -> str:
        """Return what models see of the context: nothing, unless one says that it looks."""
        return json.dumps(question.context, sort_keys=True) if self._reads_context else ""

    def _sums(self, tenant: str) -> Sums:
        count = self._view.columns[0]
        return self._view.sums(tenant, self._models.policy.name, BAYESIAN, count)

    def _candidates(self, question: Question, sums: Sums) -> tuple[str, ...]:
        if question.eligible is not None:
            agents = tuple(dict.fromkeys(question.eligible))
        else:
            agents = sums.once("recent", lambda: self._recent(sums))
        if question.excluded:
            agents = tuple(agent for agent in agents if agent not in question.excluded)
        if not agents:
            raise NotFoundError(
                "no agent to choose from: send outcomes first, name eligible_agents,"
                " or exclude fewer"
            )
        return agents

    def _recent(self, sums: Sums) -> tuple[str, ...]:
        oldest = int(self._clock() // DAY_SECONDS) - self._settings.candidate_days
        return tuple(
            agent
            for agent, day in zip(sums.agents, sums.last_seen_days.tolist(), strict=True)
            if day >= oldest and agent != OTHER
        )

    def _law(
        self, question: Question, agents: tuple[str, ...], weights: dict[str, float], sums: Sums
    ) -> Law:
        query = Query(question.task_type, agents, question.context)
        utility = replace(self.default_utility(question.tenant), weights=weights)
        weighted = [p for c, p in self._by_component.items() if weights.get(c, 0) > 0]
        reported = [p for p in weighted if self._has_data(p, question.tenant)]
        estimates: dict[str, Estimate] = {
            str(predictor.component): self._estimate(predictor, question.tenant, query)
            for predictor in reported or weighted
        }
        combined = scores(estimates, utility, query)
        choice = Choice(query, estimates, combined, _executions(sums, agents), sums)
        chosen = checked_law(self._models.policy.choose(choice, utility), len(agents))
        law = floored(chosen, self._settings.exploration_floor)
        return Law.of(agents, law, combined.mean, self._view.version)

    def default_utility(self, tenant: str) -> Utility:
        """Return the configured weights with the tenant's own scales (95th percentiles)."""
        sums = self._sums(tenant)
        latency, cost = sums.once("scales", lambda: default_scales(sums))
        return Utility(dict(self._settings.weights), latency, cost)

    def estimate(self, model_type: str, tenant: str, query: Query) -> Estimate:
        """
        Return what a predictor believes of the query's agents.

        :raises NotFoundError: for a model that is not a predictor
        """
        predictor = self._by_name.get(model_type)
        if predictor is None:
            raise NotFoundError(f"there is no predictor {model_type!r}")
        return self._estimate(predictor, tenant, query)

    def known_agents(self, tenant: str) -> Sequence[str]:
        """Return every agent that has outcomes."""
        return [agent for agent in self._sums(tenant).agents if agent != OTHER]

    def unit(self, model_type: str) -> str:
        """Return the unit of a predictor's estimates."""
        return self._by_name[model_type].unit

    def _estimate(self, predictor: Predictor[Any], tenant: str, query: Query) -> Estimate:
        return predictor.estimate(self._predictor_sums(predictor, tenant), query)

    def _has_data(self, predictor: Predictor[Any], tenant: str) -> bool:
        sums = self._predictor_sums(predictor, tenant)
        return bool(sums.column(predictor.count.name).any())

    def _predictor_sums(self, predictor: Predictor[Any], tenant: str) -> Sums:
        weighting = predictor.options.weighting
        return self._view.sums(tenant, predictor.name, weighting, predictor.count.name)


def _executions(sums: Sums, agents: Sequence[str]) -> FloatArray:
    rows = sums.agent_rows(agents)
    if not sums.agents or "executions" not in sums.columns:
        return np.zeros(len(agents))
    known = sums.column("executions").sum(axis=0)
    return np.where(rows >= 0, known[rows], 0.0)
