"""The agents that no other one outdoes, whatever the weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from olearn_core.decisions.judge import Judge
from olearn_core.models import Estimate, Query
from olearn_core.schemas import Component, ComponentInterval, ParetoAgent, ParetoResponse
from olearn_core.statistics import FloatArray
from olearn_core.times import rfc3339

HIGHER_IS_BETTER: Mapping[Component, bool] = {
    "success": True,
    "quality": True,
    "latency": False,
    "cost": False,
}


def pareto(judge: Judge, tenant: str, query: Query, as_of: float) -> ParetoResponse:
    """
    Return the query's agents, each with those that dominate it by posterior means.

    Components that nobody reports are left out.

    :param as_of: of the view, Unix seconds
    """
    estimates: dict[Component, Estimate] = {
        component: judge.estimate(judge.by_component[component], tenant, query)
        for component in HIGHER_IS_BETTER
        if component in judge.by_component and judge.has_data(judge.by_component[component], tenant)
    }
    dominated = _dominated(estimates, query)
    agents = [
        ParetoAgent(
            agent_name=agent,
            components={c: _interval(estimate, place) for c, estimate in estimates.items()},
            dominated_by=dominated[place],
        )
        for place, agent in enumerate(query.agents)
    ]
    return ParetoResponse(
        task_type=query.task_type,
        units={component: judge.by_component[component].unit for component in estimates},
        efficient=[agent.agent_name for agent in agents if not agent.dominated_by],
        agents=agents,
        as_of=rfc3339(as_of),
    )


def _interval(estimate: Estimate, place: int) -> ComponentInterval:
    mean, low, high = (float(a[place]) for a in (estimate.mean, estimate.low, estimate.high))
    return ComponentInterval(mean=mean, low=low, high=high)


def _dominated(estimates: Mapping[Component, Estimate], query: Query) -> list[list[str]]:
    """Return for each agent who is better in one component and worse in none."""
    if not estimates:
        return [[] for _ in query.agents]
    goods: FloatArray = np.stack(
        [e.mean if HIGHER_IS_BETTER[c] else -e.mean for c, e in estimates.items()], axis=1
    )
    return [
        [
            name
            for name, other in zip(query.agents, goods, strict=True)
            if np.all(other >= own) and np.any(other > own)
        ]
        for own in goods
    ]
