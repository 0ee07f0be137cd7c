"""A decision as the log has it."""

from __future__ import annotations

from typing import Literal

from olearn_core.schemas.bodies import Answer

StandsOn = Literal["log", "decision_id"]


class EligibleAgent(Answer):
    """
    An agent that could have been drawn: how likely, and with what expected utility.

    `probability` is null where a caller has chosen and has not said how likely that was.
    """

    agent_name: str
    probability: float | None
    score: float


class UtilityBody(Answer):
    """What counted: weights, and where latency and cost count fully."""

    weights: dict[str, float]
    latency_scale_ms: float
    cost_scale_usd: float


class LoggedDecisionResponse(Answer):
    """
    A decision: what was asked, the law, and what was drawn from it.

    `stands_on` says where that is from. The `log` in the database has all of it. Where it
    does not have the decision (it was deleted at its age, or the log is a Kafka topic), the
    signed `decision_id` proves what it holds itself, `issued_at` to the second, and the rest
    is null.
    """

    decision_id: str
    stands_on: StandsOn
    nonce: str
    task_type: str
    context: dict[str, str | int | float | bool] | None = None
    eligible_agents: list[EligibleAgent] | None = None
    agent_name: str
    propensity: float | None
    utility: UtilityBody | None = None
    policy: str | None = None
    mode: str | None = None
    view_version: int
    issued_at: str
