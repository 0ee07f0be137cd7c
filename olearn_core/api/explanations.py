"""Why was an agent chosen?"""

from __future__ import annotations

from olearn_core.api.decision_log import found
from olearn_core.api.operation import Call
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.question import Question
from olearn_core.schemas import ExplanationResponse
from olearn_core.storage.decision_log import LoggedDecision
from olearn_core.times import now_rfc3339
from olearn_core.tokens import Decided, eligible_hash


async def explain_decision(call: Call) -> ExplanationResponse:
    """Explain a past decision from its decision_id, by what is believed now."""
    token = call.names.decision_id
    decider, view = call.service.decider, call.service.view
    decided, logged = await found(call, token)
    asked = _proven(decided, decider) if logged is None else _logged(logged)
    explanation = decider.explain(asked, decided.agent)
    return ExplanationResponse(
        **dict(explanation),
        decision_id=token,
        stands_on="decision_id" if logged is None else "log",
        task_type=decided.task_type,
        propensity=decided.known_propensity,
        decided_at=now_rfc3339(decided.issued_at_seconds),
        view_version_then=decided.view_version,
        view_version=view.version,
        view_has_moved=view.version != decided.view_version,
        same_candidates=eligible_hash(asked.eligible or ()) == decided.eligible_hash,
    )


def _logged(logged: LoggedDecision) -> Question:
    """Return what was asked, as it was taken down."""
    utility = logged.utility
    return Question(
        logged.tenant,
        logged.task_type,
        logged.context,
        eligible=tuple(logged.agents),
        weights=utility.weights,
        scales=(utility.latency_scale_ms, utility.cost_scale_usd),
        default_agent=logged.agent,
        even_retired=True,
    )


def _proven(decided: Decided, decider: Decider) -> Question:
    """Return what may have been asked: of the agents seen lately, without a context."""
    agents = tuple(dict.fromkeys((*decider.recent(decided.tenant), decided.agent)))
    return Question(
        decided.tenant,
        decided.task_type,
        {},
        eligible=agents,
        default_agent=decided.agent,
        even_retired=True,
    )
