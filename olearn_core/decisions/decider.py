"""The decision path: from a question to a drawn agent with its true probability."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from olearn_core.config import DecisionSettings
from olearn_core.decisions.decision import Decision
from olearn_core.decisions.draw import checked_law, floored, greedy
from olearn_core.decisions.explanation import explained
from olearn_core.decisions.faults import PluginFaults
from olearn_core.decisions.judge import Judge, Judgement, Verdict
from olearn_core.decisions.knowledge import Knowledge
from olearn_core.decisions.law import Law
from olearn_core.decisions.modes import (
    Act,
    Apprenticeship,
    left_to,
    named_agent,
    online,
    told,
    uniform,
)
from olearn_core.decisions.pacing import Pacing
from olearn_core.decisions.question import Question
from olearn_core.decisions.record import logged
from olearn_core.decisions.terms import Rulebook, Rules, Terms
from olearn_core.errors import NotFoundError, QuestionError
from olearn_core.models import Estimate, Query, Scores, Sums, Utility
from olearn_core.plugins import Models
from olearn_core.schemas import Explanation
from olearn_core.statistics import OTHER, FloatArray
from olearn_core.statistics.buckets import DAY_SECONDS
from olearn_core.storage.decision_log import LoggedDecision
from olearn_core.tokens import NONCE_BYTES, Decided, SigningKey, sign
from olearn_core.tracing.spans import NoSpans, Spans

Watch = Callable[[str, Law, int], None]
Measure = Callable[[LoggedDecision, float], None]
Retired = Callable[[str], Collection[str]]


GREEDY = "greedy"


def _nobody(_: str) -> Collection[str]:
    return frozenset()


class Decider:
    """
    Answers which agent should do the next task, from the view alone.

    :param note: told of every decision; it must neither wait nor raise
    :param pacing: the price on cost that keeps budgets, None where there are none
    :param watch: told of each draw: tenant, law and index of the drawn agent
    :param measure: told of every decision, and of the seconds that it took
    :param spans: what traces decisions
    :param retired: tells a tenant's agents that must not be chosen, as a frozenset
    :ivar rulebook: how agents are chosen for each tenant
    :ivar judge: what is believed of agents
    :ivar faults: what plugins do wrong
    :ivar apprenticeship: the record beside default agents
    """

    def __init__(
        self,
        view: Knowledge,
        models: Models,
        settings: DecisionSettings,
        key: Callable[[], SigningKey],
        note: Callable[[LoggedDecision], None] | None = None,
        pacing: Pacing | None = None,
        clock: Callable[[], float] = time.time,
        watch: Watch | None = None,
        measure: Measure | None = None,
        spans: Spans | None = None,
        retired: Retired = _nobody,
    ) -> None:
        self._view = view
        self._models = models
        self._settings = settings
        self._key = key
        self._note = note
        self._clock = clock
        self._watch = watch
        self._measure = measure
        self._spans = spans or NoSpans()
        self._retired = retired
        self.rulebook = Rulebook(settings)
        self.faults = PluginFaults()
        self.judge = Judge(view, models, self.faults)
        self._pacing = pacing
        self.apprenticeship = Apprenticeship(clock)
        self._reads_context = models.policy.reads_context or any(
            predictor.reads_context for predictor in models.predictors
        )
        self._by_name = {p.name: p for p in models.predictors}

    def decide(self, question: Question) -> Decision:
        """
        Have an agent do the task.

        :raises NotFoundError: where there is no candidate
        :raises QuestionError: where the question does not go with the tenant's mode
        """
        with self._spans.span("olearn.decide", task_type=question.task_type) as span:
            decision = self._decide(question)
            span.set(agent=decision.agent, mode=decision.mode)
            if decision.propensity is not None:
                span.set(propensity=decision.propensity)
        return decision

    def _decide(self, question: Question) -> Decision:
        started = time.perf_counter()
        rules = self.rulebook.of(question.tenant)
        law = self.law(question)
        nonce = os.urandom(NONCE_BYTES)
        act = self._act(question, rules, law, nonce)
        agent, _, propensity = act.ranked[0]
        if self._watch is not None and rules.mode == "online":
            self._watch(question.tenant, law, law.agents.index(agent))
        issued_at = self._clock()
        decided = Decided(
            nonce,
            propensity,
            law.view_version,
            int(issued_at),
            law.eligible_hash,
            question.tenant,
            question.task_type,
            agent,
        )
        rule = (law.policy, rules.mode)
        record = logged(decided, law, act, question.context, rule, issued_at)
        if self._note is not None:
            self._note(record)
        decision = Decision(
            decision_id=sign(self._key(), decided),
            ranked=act.ranked,
            propensity=decided.known_propensity,
            model_score=act.score,
            view_version=law.view_version,
            as_of=self._view.as_of,
            mode=rules.mode,
            would_choose=act.would_choose,
            limits_met=law.limits_met,
            explanation=self.explain(question, agent) if question.explain else None,
        )
        if self._measure is not None:
            self._measure(record, time.perf_counter() - started)
        return decision

    def preview(self, question: Question) -> Decision:
        """
        Tell what would be decided; nothing is drawn, signed, logged or counted.

        :raises NotFoundError: where there is no candidate
        :raises QuestionError: where the question does not go with the tenant's mode
        """
        law = self.law(question)
        agent, _, probability = law.ranking[0]
        return Decision(
            decision_id="",
            ranked=law.ranking,
            propensity=probability,
            model_score=law.mean_score,
            view_version=law.view_version,
            as_of=self._view.as_of,
            mode=self.rulebook.of(question.tenant).mode,
            limits_met=law.limits_met,
            explanation=self.explain(question, agent) if question.explain else None,
        )

    def _act(self, question: Question, rules: Rules, law: Law, nonce: bytes) -> Act:
        if rules.mode == "online":
            return online(law, nonce)
        agent = _named(question, rules)
        if agent is None:
            return uniform(law, nonce)
        if rules.mode == "apprentice":
            self.apprenticeship.note(question.tenant, agent, law)
            return left_to(agent, law, nonce)
        return told(agent, question.chosen_propensity, law)

    def law(self, question: Question) -> Law:
        """
        Return the law for a question; computed once while nothing changes.

        :raises NotFoundError: where there is no candidate
        :raises QuestionError: where the question does not go with the tenant's mode
        """
        rules = self.rulebook.of(question.tenant)
        agents = self._candidates(question, rules)
        terms, price = self._terms(question, rules)
        asked = (question.task_type, agents, terms, price, self._seen(question))
        key = (self._models.policy.name, *asked)  # several policies may share the sums
        sums = self.judge.sums(question.tenant)
        return sums.once(key, lambda: self._law(self._verdict(question, agents, terms, price)))

    def explain(self, question: Question, agent: str) -> Explanation:
        """
        Return why an agent may have been chosen, from what is believed now.

        :param agent: one of the candidates
        """
        rules = self.rulebook.of(question.tenant)
        agents = self._candidates(question, rules)
        verdict = self._verdict(question, agents, *self._terms(question, rules))
        law = self._law(verdict)
        beliefs = self.judge.beliefs(question.tenant, verdict.eligible, agent)
        return explained(verdict, law, self._shares(verdict.admitted, law), beliefs, agent)

    def _shares(self, admitted: Judgement, law: Law) -> Mapping[str, FloatArray]:
        if law.policy != self._models.policy.name:
            return {"best": greedy(admitted.scores.mean)}
        return self._models.policy.shares(admitted.choice, admitted.utility)

    def _terms(self, question: Question, rules: Rules) -> tuple[Terms, float]:
        price = 0.0
        if self._pacing is not None:
            price = self._pacing.price(question.tenant, rules.budget_usd_per_hour)
        terms = rules.terms.wished(question)
        return (replace(terms, scales=question.scales) if question.scales else terms), price

    def _seen(self, question: Question) -> str:
        """Return what models see of the context: nothing, unless one says that it looks."""
        return json.dumps(question.context, sort_keys=True) if self._reads_context else ""

    def _candidates(self, question: Question, rules: Rules) -> tuple[str, ...]:
        if question.eligible is not None:
            agents = tuple(dict.fromkeys(question.eligible))
        else:
            agents = self.recent(question.tenant)
        named = _named(question, rules)
        if question.eligible is not None and not question.even_retired:
            agents = self._working(question.tenant, agents, named)
        if question.excluded:
            agents = tuple(agent for agent in agents if agent not in question.excluded)
        if named is not None and named not in agents:
            if question.eligible is not None or named in question.excluded:
                raise QuestionError(f"{named!r} is to do the task, but is not eligible")
            agents = (*agents, named)
        if not agents:
            raise NotFoundError(
                "no agent to choose from: send outcomes first, name eligible_agents,"
                " or exclude fewer"
            )
        return agents

    def _working(self, tenant: str, agents: tuple[str, ...], named: str | None) -> tuple[str, ...]:
        """Leave out who is retired, but not whom the caller or the configuration has chosen."""
        retired = self._retired(tenant)
        if not retired:
            return agents
        working = tuple(agent for agent in agents if agent not in retired or agent == named)
        if not working:
            raise QuestionError(
                "all of eligible_agents are retired: name others, or reinstate one",
                "/eligible_agents",
            )
        return working

    def recent(self, tenant: str) -> tuple[str, ...]:
        """Return the agents seen lately and not retired: the candidates where none are named."""
        sums, retired = self.judge.sums(tenant), self._retired(tenant)
        return sums.once(("recent", retired), lambda: self._recent(sums, retired))

    def _recent(self, sums: Sums, retired: Collection[str]) -> tuple[str, ...]:
        oldest = int(self._clock() // DAY_SECONDS) - self._settings.candidate_days
        return tuple(
            agent
            for agent, day in zip(sums.agents, sums.last_seen_days.tolist(), strict=True)
            if day >= oldest and agent != OTHER and agent not in retired
        )

    def _verdict(
        self, question: Question, agents: tuple[str, ...], terms: Terms, price: float
    ) -> Verdict:
        query = Query(question.task_type, agents, question.context)
        return self.judge.verdict(question.tenant, query, terms, price)

    def _law(self, verdict: Verdict) -> Law:
        judged, admitted = verdict.eligible, verdict.admitted
        policy, chosen = self._chosen(admitted)
        law = np.zeros(len(judged.query.agents))
        law[verdict.admission.agents] = floored(chosen, verdict.terms.exploration_floor)
        return Law.of(
            judged.query.agents,
            law,
            judged.scores.mean,
            judged.utility,
            self._view.version,
            verdict.admission.limits_met,
            policy,
        )

    def _chosen(self, admitted: Judgement) -> tuple[str, FloatArray]:
        """Return the policy's name and law; where it fails, who is expected to do best is drawn."""
        policy = self._models.policy

        def ask() -> FloatArray:
            chosen = policy.choose(admitted.choice, admitted.utility)
            return checked_law(chosen, len(admitted.query.agents))

        instead = "the agent with the best expectation is chosen"
        law = self.faults.tried(policy.name, ask, instead)
        return (GREEDY, greedy(admitted.scores.mean)) if law is None else (policy.name, law)

    def expected(self, tenant: str, query: Query, utility: Utility) -> Scores:
        """Return what the query's agents are expected to bring, on the utility's scale."""
        scales = (utility.latency_scale_ms, utility.cost_scale_usd)
        terms = Terms(tuple(sorted(utility.weights.items())), scales=scales)
        return self.judge.verdict(tenant, query, terms, price=0.0).eligible.scores

    def estimate(self, model_type: str, tenant: str, query: Query) -> Estimate:
        """
        Return what a predictor believes of the query's agents.

        :raises NotFoundError: for a model that is not a predictor
        """
        predictor = self._by_name.get(model_type)
        if predictor is None:
            raise NotFoundError(f"there is no predictor {model_type!r}")
        return self.judge.estimate(predictor, tenant, query)

    def known_agents(self, tenant: str) -> Sequence[str]:
        """Return every agent that has outcomes."""
        return [agent for agent in self.judge.sums(tenant).agents if agent != OTHER]

    def unit(self, model_type: str) -> str:
        """Return the unit of a predictor's estimates."""
        return self._by_name[model_type].unit


def _named(question: Question, rules: Rules) -> str | None:
    return named_agent(rules, question.default_agent, question.chosen_agent)
