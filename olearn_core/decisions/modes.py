"""
Who chooses: the service (`online`), a default agent (`apprentice`), the caller (`logging_only`).

An apprentice leaves every task to the default agent, learns from what comes of
it, and keeps count of what it would have done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import numpy as np

from olearn_core.decisions.draw import draw
from olearn_core.decisions.law import Law, Ranked
from olearn_core.decisions.terms import Rules
from olearn_core.errors import QuestionError
from olearn_core.schemas import ApprenticeResponse
from olearn_core.times import now_rfc3339


@dataclass(frozen=True, slots=True)
class Act:
    """
    What is done about a task, whoever has chosen it.

    :param ranked: the agent that does it first; its probability is the propensity, NaN
        where nobody knows it
    :param score: expected utility of a draw from the law that was acted upon
    :param would_choose: whom an apprentice would have drawn
    """

    ranked: list[Ranked]
    score: float
    would_choose: str | None = None


def online(law: Law, nonce: bytes) -> Act:
    """Draw from the law."""
    return Act(law.ranked(draw(law.cumulated, nonce)), law.mean_score)


def left_to(agent: str, law: Law, nonce: bytes) -> Act:
    """Leave the task to an agent; the others follow as the law ranks them."""
    others = [(name, score, 0.0) for name, score, _ in law.ranking if name != agent]
    score = law.ranking[law.ranks[law.agents.index(agent)]][1]
    would_choose = law.agents[draw(law.cumulated, nonce)]
    return Act([(agent, score, 1.0), *others], score, would_choose)


def told(agent: str, propensity: float | None, law: Law) -> Act:
    """
    Take down what the caller has chosen; of other agents' chances nothing is known.

    :param propensity: the caller's, None where it has said nothing
    """
    score = law.ranking[law.ranks[law.agents.index(agent)]][1]
    return Act([(agent, score, nan if propensity is None else propensity)], score)


def uniform(law: Law, nonce: bytes) -> Act:
    """Draw from all eligible agents alike."""
    even = np.full(len(law.agents), 1.0 / len(law.agents))
    scores = {name: score for name, score, _ in law.ranking}
    each = np.array([scores[name] for name in law.agents])
    return online(Law.of(law.agents, even, each, law.utility, law.view_version), nonce)


def named_agent(rules: Rules, default_agent: str | None, chosen_agent: str | None) -> str | None:
    """
    Return the agent that the mode makes do the task, None where one is to be drawn.

    :param default_agent: the request's, before the configured one
    :raises QuestionError: where the mode lacks one, or has no use for it
    """
    if rules.mode != "logging_only" and chosen_agent is not None:
        raise QuestionError(
            f"the mode is {rules.mode}: chosen_agent is for logging_only", "/chosen_agent"
        )
    if rules.mode == "apprentice":
        agent = default_agent or rules.default_agent
        if agent is None:
            raise QuestionError(
                "an apprentice needs a default agent: name it here or in [decisions]",
                "/default_agent",
            )
        return agent
    return chosen_agent


@dataclass(slots=True)
class _Record:
    decisions: int = 0
    agreement: float = 0.0
    gain: float = 0.0


class Apprenticeship:
    """
    Counts, by tenant, how this node would have chosen instead of the default agent.

    Expectations under the law are counted, not draws from it, so that the figures
    have no noise of their own.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._since = clock()
        self._records: dict[str, _Record] = {}

    def note(self, tenant: str, agent: str, law: Law) -> None:
        """Count a decision that was left to an agent."""
        record = self._records.setdefault(tenant, _Record())
        _, score, probability = law.ranking[law.ranks[law.agents.index(agent)]]
        record.decisions += 1
        record.agreement += probability
        record.gain += law.mean_score - score

    def report(self, tenant: str, rules: Rules) -> ApprenticeResponse:
        """Return what was counted of a tenant."""
        record = self._records.get(tenant, _Record())
        many = record.decisions
        return ApprenticeResponse(
            mode=rules.mode,
            default_agent=rules.default_agent,
            decisions=many,
            agreement=record.agreement / many if many else None,
            gain=record.gain / many if many else None,
            since=now_rfc3339(self._since),
        )
