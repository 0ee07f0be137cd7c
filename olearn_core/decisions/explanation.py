"""Why an agent was chosen: closed forms over what is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from olearn_core.decisions.best import probability_best
from olearn_core.decisions.contributions import compared, effects
from olearn_core.decisions.judge import Verdict
from olearn_core.decisions.law import Law
from olearn_core.decisions.normal import normal_cdf
from olearn_core.schemas import ComponentBelief, Explanation, LimitBelief
from olearn_core.statistics import FloatArray

FLOOR = "floor"


def explained(
    verdict: Verdict,
    law: Law,
    shares: Mapping[str, FloatArray],
    beliefs: Sequence[ComponentBelief],
    agent: str,
) -> Explanation:
    """
    Return why one of the eligible agents may have been chosen.

    :param shares: what the policy's law is made of, of the admitted agents
    :param beliefs: what is believed of the agent
    """
    judged = verdict.eligible
    place, found = law.agents.index(agent), effects(judged)
    runner_up = next((name for name, _, _ in law.ranking if name != agent), None)
    second = None if runner_up is None else law.agents.index(runner_up)
    return Explanation(
        agent_name=agent,
        expected_utility=float(judged.scores.mean[place]),
        probability=float(law.probabilities[place]),
        shares=_shares(verdict, shares, agent),
        probability_best=probability_best(judged.scores, place),
        is_exploration=law.ranking[0][0] != agent,
        against_average=compared(found, place, None, None),
        against_runner_up=None if second is None else compared(found, place, second, runner_up),
        components=list(beliefs),
        limits=_limits(verdict, place),
        cost_price=judged.utility.cost_price,
    )


def _shares(verdict: Verdict, shares: Mapping[str, FloatArray], agent: str) -> dict[str, float]:
    """Return what makes up the agent's probability, with the exploration floor."""
    agents = verdict.admitted.query.agents
    if agent not in agents:
        return dict.fromkeys([*shares, FLOOR], 0.0)
    floor, place = verdict.terms.exploration_floor, agents.index(agent)
    given = {name: (1.0 - floor) * float(share[place]) for name, share in shares.items()}
    return {**given, FLOOR: floor / len(agents)}


def _limits(verdict: Verdict, place: int) -> list[LimitBelief]:
    estimates = verdict.eligible.estimates
    return [
        LimitBelief(
            name=limit.name,
            probability=float(normal_cdf(np.atleast_1d(deviates[place]))[0]),
            required=limit.required,
        )
        for limit in verdict.terms.limits
        for deviates in [limit.deviates(estimates[limit.component])]
    ]
