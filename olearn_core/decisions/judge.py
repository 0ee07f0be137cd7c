"""What is believed of the eligible agents, on the scale of utility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import Any

import numpy as np

from olearn_core.decisions.faults import PluginFaults, sound
from olearn_core.decisions.knowledge import Knowledge
from olearn_core.decisions.limits import Admission, admission
from olearn_core.decisions.scales import default_scales
from olearn_core.decisions.terms import Terms
from olearn_core.decisions.utility import scores
from olearn_core.errors import QuestionError
from olearn_core.models import Choice, Estimate, Predictor, Query, Scores, Sums, Utility
from olearn_core.plugins import Models
from olearn_core.schemas import ComponentBelief
from olearn_core.statistics import FloatArray, Weighting

BAYESIAN = Weighting()


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    What is believed of some agents.

    :param estimates: by component, also of those that only limits or the cost need
    :param scores: expected utility, from the components of the utility's weights
    :param executions: outcomes known of each agent, over all task types
    """

    query: Query
    utility: Utility
    estimates: Mapping[str, Estimate]
    scores: Scores
    executions: FloatArray
    sums: Sums

    @property
    def choice(self) -> Choice:
        """What a policy is given."""
        return Choice(self.query, self.estimates, self.scores, self.executions, self.sums)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Who may be drawn.

    :param eligible: of all agents of the question
    :param admitted: of those that may be drawn, in the same order
    """

    terms: Terms
    eligible: Judgement
    admission: Admission
    admitted: Judgement


class Judge:
    """
    Asks the predictors; one that fails is left out.

    :param faults: where that is noted
    """

    def __init__(self, view: Knowledge, models: Models, faults: PluginFaults) -> None:
        self._view = view
        self._faults = faults
        self._policy = models.policy
        self.by_component = {str(p.component): p for p in models.predictors if p.component}

    def sums(self, tenant: str) -> Sums:
        """Return a tenant's sums as the policy sees them."""
        count = self._view.columns[0]
        return self._view.sums(tenant, self._policy.name, BAYESIAN, count)

    def verdict(self, tenant: str, query: Query, terms: Terms, price: float) -> Verdict:
        """
        Judge the query's agents, and again those that keep the limits.

        :param price: of cost, see `Utility.cost_price`
        """
        eligible = self._judgement(tenant, query, terms, price)
        found = admission(terms.limits, eligible.estimates, eligible.executions)
        if found.agents.all():
            return Verdict(terms, eligible, found, eligible)
        agents = tuple(compress(query.agents, found.agents.tolist()))
        some = Query(query.task_type, agents, query.context)
        return Verdict(terms, eligible, found, self._judgement(tenant, some, terms, price))

    def _judgement(self, tenant: str, query: Query, terms: Terms, price: float) -> Judgement:
        sums = self.sums(tenant)
        scored = self._scored(tenant, terms)
        wants_cost = price > 0 or terms.cheapest_within is not None
        needed = [*scored, *self._limited(terms)]
        needed += self._with_data(tenant, ["cost"]) if wants_cost else []
        estimates = self._estimates(tenant, query, needed)
        _refuse_unknown_limits(terms, estimates)
        utility = self.utility(sums, {c: w for c, w in terms.weights if c in scored}, terms, price)
        known = _executions(sums, query.agents)
        return Judgement(query, utility, estimates, scores(estimates, utility, query), known, sums)

    def _estimates(
        self, tenant: str, query: Query, components: Sequence[str]
    ) -> dict[str, Estimate]:
        found = {}
        for component in dict.fromkeys(components):
            ask = partial(self._sound, component, tenant, query)
            name = self.by_component[component].name
            estimate = self._faults.tried(name, ask, "decisions do without it")
            if estimate is not None:
                found[component] = estimate
        return found

    def _sound(self, component: str, tenant: str, query: Query) -> Estimate:
        return sound(self.estimate(self.by_component[component], tenant, query), component, query)

    def _scored(self, tenant: str, terms: Terms) -> Sequence[str]:
        """Return the components that count: those that anybody reports, else all."""
        weighted = [c for c, w in terms.weights if w > 0 and c in self.by_component]
        return self._with_data(tenant, weighted) or weighted

    def _limited(self, terms: Terms) -> Sequence[str]:
        for limit in terms.limits:
            if limit.component not in self.by_component:
                raise QuestionError(
                    f"no model estimates {limit.component}: load its predictor or drop the limit",
                    f"/limits/{limit.name}",
                )
        return [limit.component for limit in terms.limits]

    def _with_data(self, tenant: str, components: Sequence[str]) -> list[str]:
        there = [c for c in components if c in self.by_component]
        return [c for c in there if self.has_data(self.by_component[c], tenant)]

    def utility(
        self, sums: Sums, weights: Mapping[str, float], terms: Terms, price: float
    ) -> Utility:
        """Return weights with scales: those of the terms, else the tenant's 95th percentiles."""
        latency, cost = terms.scales or sums.once("scales", lambda: default_scales(sums))
        return Utility(weights, latency, cost, terms.cheapest_within, price)

    def estimate(self, predictor: Predictor[Any], tenant: str, query: Query) -> Estimate:
        """Return what a predictor believes of the query's agents."""
        return predictor.estimate(self.predictor_sums(predictor, tenant), query)

    def has_data(self, predictor: Predictor[Any], tenant: str) -> bool:
        """Whether any outcome counts for a predictor."""
        sums = self.predictor_sums(predictor, tenant)
        return bool(sums.column(predictor.count.name).any())

    def predictor_sums(self, predictor: Predictor[Any], tenant: str) -> Sums:
        """Return a tenant's sums as a predictor sees them."""
        weighting = predictor.options.weighting
        return self._view.sums(tenant, predictor.name, weighting, predictor.count.name)

    def beliefs(self, tenant: str, judged: Judgement, agent: str) -> list[ComponentBelief]:
        """Return what is believed of one of the judged agents, by component."""
        place = judged.query.agents.index(agent)
        return [
            self._belief(tenant, component, judged.query.task_type, agent, estimate, place)
            for component, estimate in judged.estimates.items()
        ]

    def _belief(
        self,
        tenant: str,
        component: str,
        task_type: str,
        agent: str,
        estimate: Estimate,
        place: int,
    ) -> ComponentBelief:
        predictor = self.by_component[component]
        own = _own(self.predictor_sums(predictor, tenant), predictor.count.name, task_type, agent)
        effective_n = float(estimate.effective_n[place])
        return ComponentBelief(
            component=component,
            unit=predictor.unit,
            mean=float(estimate.mean[place]),
            low=float(estimate.low[place]),
            high=float(estimate.high[place]),
            effective_n=effective_n,
            prior_share=min(1.0, max(0.0, 1.0 - own / effective_n)) if effective_n > 0 else 1.0,
        )


def _refuse_unknown_limits(terms: Terms, estimates: Mapping[str, Estimate]) -> None:
    for limit in terms.limits:
        if limit.component not in estimates:
            raise QuestionError(
                f"the model that estimates {limit.component} fails: see the status, or drop"
                " the limit",
                f"/limits/{limit.name}",
            )


def _own(sums: Sums, count: str, task_type: str, agent: str) -> float:
    """Return how many outcomes of its own an agent has on a task type, by weight."""
    task, column = sums.task_index.get(task_type), sums.agent_index.get(agent)
    if task is None or column is None:
        return 0.0
    return float(sums.column(count)[task, column])


def _executions(sums: Sums, agents: Sequence[str]) -> FloatArray:
    rows = sums.agent_rows(agents)
    if not sums.agents or "executions" not in sums.columns:
        return np.zeros(len(agents))
    known = sums.column("executions").sum(axis=0)
    return np.where(rows >= 0, known[rows], 0.0)
