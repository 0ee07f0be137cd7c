"""Looking a decision up by its id."""

from __future__ import annotations

from olearn_core.api.operation import Call
from olearn_core.errors import NotFoundError, TokenError
from olearn_core.schemas import EligibleAgent, LoggedDecisionResponse, UtilityBody
from olearn_core.storage.decision_log import DecisionLog, LoggedDecision
from olearn_core.times import now_rfc3339
from olearn_core.tokens import Decided, verify


async def show_decision(call: Call) -> LoggedDecisionResponse:
    """Return what was asked and drawn, and the law; or what the decision_id itself proves."""
    decision_id = call.names.decision_id
    decided, logged = await found(call, decision_id)
    return _proven(decision_id, decided) if logged is None else _described(decision_id, logged)


async def found(call: Call, decision_id: str) -> tuple[Decided, LoggedDecision | None]:
    """
    Return what the tenant's decision_id says, and its row where the database has one.

    It has none where the log of decisions is a Kafka topic, or the row was deleted.

    :raises NotFoundError: where it is not ours, or another tenant's
    """
    service = call.service
    try:
        decided = verify(service.keys.all(), decision_id)
    except TokenError as error:
        raise NotFoundError(f"there is no such decision: {error}") from error
    if decided.tenant != call.tenant:
        raise NotFoundError("there is no such decision")
    nonce = decided.nonce.hex()
    unwritten = service.decision_writer.waiting(nonce)
    return decided, unwritten or await DecisionLog(service.database).get(nonce)


def _described(decision_id: str, logged: LoggedDecision) -> LoggedDecisionResponse:
    rows = zip(logged.agents, logged.law, logged.scores, strict=True)
    is_known, utility = logged.propensity is not None, logged.utility
    return LoggedDecisionResponse(
        decision_id=decision_id,
        stands_on="log",
        nonce=logged.nonce,
        task_type=logged.task_type,
        context=logged.context,
        eligible_agents=[
            EligibleAgent(
                agent_name=agent, probability=probability if is_known else None, score=score
            )
            for agent, probability, score in rows
        ],
        agent_name=logged.agent,
        propensity=logged.propensity,
        utility=UtilityBody(
            weights=dict(utility.weights),
            latency_scale_ms=utility.latency_scale_ms,
            cost_scale_usd=utility.cost_scale_usd,
        ),
        policy=logged.policy,
        mode=logged.mode,
        view_version=logged.view_version,
        issued_at=now_rfc3339(logged.issued_at.timestamp()),
    )


def _proven(decision_id: str, decided: Decided) -> LoggedDecisionResponse:
    return LoggedDecisionResponse(
        decision_id=decision_id,
        stands_on="decision_id",
        nonce=decided.nonce.hex(),
        task_type=decided.task_type,
        agent_name=decided.agent,
        propensity=decided.known_propensity,
        view_version=decided.view_version,
        issued_at=now_rfc3339(decided.issued_at_seconds),
    )
