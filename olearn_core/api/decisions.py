"""Which agent should do the next task?"""

from __future__ import annotations

import time
from typing import Any

from olearn_core.api.operation import Call
from olearn_core.decisions.decider import Decision, Question
from olearn_core.events import DEFAULT
from olearn_core.models import Query
from olearn_core.schemas import (
    AgentEstimate,
    DecisionRequest,
    EstimateRequest,
    EstimateResponse,
    PredictRequest,
)
from olearn_core.times import now_rfc3339, rfc3339


async def predict_agent_selection(call: Call) -> dict[str, Any]:
    """Draw an agent and show the best others beside it."""
    asked: PredictRequest = call.body
    question = Question(call.tenant, asked.task_type or DEFAULT, asked.context or {})
    return _ranking(call.service.decider.decide(question), asked.top_k)


async def decide(call: Call) -> dict[str, Any]:
    """Draw an agent among those that are eligible."""
    asked: DecisionRequest = call.body
    question = Question(
        call.tenant,
        asked.task_type,
        asked.context,
        asked.eligible_agents,
        asked.excluded_agents,
        {str(c): w for c, w in asked.weights.items()} if asked.weights else None,
    )
    decision = call.service.decider.decide(question)
    return {"agent_name": decision.agent, **_ranking(decision, len(decision.ranked))}


async def predict(call: Call) -> EstimateResponse:
    """Tell what each agent would bring, with the interval of that belief."""
    asked: EstimateRequest = call.body
    service, model_type = call.service, call.request.path_params["model_type"]
    agents = tuple(dict.fromkeys(asked.agents or service.decider.known_agents(call.tenant)))
    query = Query(asked.task_type, agents, asked.context)
    estimate = service.decider.estimate(model_type, call.tenant, query)
    arrays = (estimate.mean, estimate.low, estimate.high, estimate.sd, estimate.effective_n)
    rows = zip(agents, *(array.tolist() for array in arrays), strict=True)
    names = ("agent_name", "mean", "low", "high", "sd", "effective_n")
    return EstimateResponse(
        model_type=model_type,
        task_type=asked.task_type,
        unit=service.decider.unit(model_type),
        estimates=[AgentEstimate(**dict(zip(names, row, strict=True))) for row in rows],
        as_of=rfc3339(service.view.as_of),
    )


def _ranking(decision: Decision, most: int) -> dict[str, Any]:
    """Return the members of a `PredictResponse`."""
    recommendations = [
        {"agent_name": agent, "score": score, "rank": rank, "probability": probability}
        for rank, (agent, score, probability) in enumerate(decision.ranked[:most], start=1)
    ]
    return {
        "recommendations": recommendations,
        "model_score": decision.model_score,
        "timestamp": now_rfc3339(time.time()),
        "decision_id": decision.decision_id,
        "propensity": decision.propensity,
        "view_version": decision.view_version,
        "as_of": rfc3339(decision.as_of),
    }
