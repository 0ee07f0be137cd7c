"""Which agent should do the next task?"""

from __future__ import annotations

import time
from math import isnan
from typing import Any

from olearn_core.api.batch import in_turn
from olearn_core.api.operation import Call
from olearn_core.decisions.decision import Decision
from olearn_core.decisions.question import Question
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
    return _predicted(call, call.body)


async def predict_agent_selections(call: Call) -> dict[str, Any]:
    """Draw an agent for each of up to 100 tasks; a bad item spoils no other."""

    async def predict_one(item: bytes) -> dict[str, Any]:
        return _predicted(call, PredictRequest.model_validate_json(item))

    return await in_turn(call.body, predict_one)


def _predicted(call: Call, asked: PredictRequest) -> dict[str, Any]:
    question = Question(call.tenant, asked.task_type or DEFAULT, asked.context or {})
    return _ranking(call.service.decider.decide(question), asked.top_k)


async def decide(call: Call) -> dict[str, Any]:
    """Draw an agent among those that are eligible, or have it chosen as the mode says."""
    return _decided(call, call.body)


async def decide_many(call: Call) -> dict[str, Any]:
    """Draw an agent for each of up to 100 tasks; a bad item spoils no other."""

    async def decide_one(item: bytes) -> dict[str, Any]:
        return _decided(call, DecisionRequest.model_validate_json(item))

    return await in_turn(call.body, decide_one)


def _decided(call: Call, asked: DecisionRequest) -> dict[str, Any]:
    decider, question = call.service.decider, _question(call.tenant, asked)
    decision = decider.preview(question) if asked.preview else decider.decide(question)
    return {
        "agent_name": decision.agent,
        **_ranking(decision, len(decision.ranked)),
        "mode": decision.mode,
        "would_choose": decision.would_choose,
        "limits_met": decision.limits_met,
        "explanation": decision.explanation and decision.explanation.model_dump(),
    }


def _question(tenant: str, asked: DecisionRequest) -> Question:
    return Question(
        tenant,
        asked.task_type,
        asked.context,
        eligible=asked.eligible_agents,
        excluded=asked.excluded_agents,
        weights={str(c): w for c, w in asked.weights.items()} if asked.weights else None,
        preset=asked.preset,
        cheapest_within=asked.cheapest_within,
        limits=asked.limits,
        default_agent=asked.default_agent,
        chosen_agent=asked.chosen_agent,
        chosen_propensity=asked.chosen_propensity,
        explain=asked.explain,
    )


async def predict(call: Call) -> EstimateResponse:
    """Tell what each agent would bring, with the interval of that belief."""
    return _estimated(call, call.body)


async def predict_many(call: Call) -> dict[str, Any]:
    """Tell it for each of up to 100 requests; a bad item spoils no other."""

    async def predict_one(item: bytes) -> dict[str, Any]:
        return _estimated(call, EstimateRequest.model_validate_json(item)).model_dump()

    return await in_turn(call.body, predict_one)


def _estimated(call: Call, asked: EstimateRequest) -> EstimateResponse:
    service, model_type = call.service, call.names.model_type
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
        {
            "agent_name": agent,
            "score": score,
            "rank": rank,
            "probability": None if isnan(probability) else probability,
        }
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
