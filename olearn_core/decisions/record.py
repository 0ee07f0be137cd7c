"""A decision as the log keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isnan
from typing import Any

from olearn_core.decisions.law import Law
from olearn_core.decisions.modes import Act
from olearn_core.schemas import Mode
from olearn_core.storage.decision_log import FORMAT, LoggedDecision, loggable
from olearn_core.tokens import Decided


def logged(
    decided: Decided,
    law: Law,
    act: Act,
    context: Mapping[str, Any],
    rule: tuple[str, Mode],
    issued_at: float,
) -> LoggedDecision:
    """
    Return what is taken down of a decision.

    Its law is the one acted upon: all on the default agent of an apprentice; of what
    a caller has chosen, no more than the chosen agent's propensity is known, or not even that.

    :param rule: the policy's name, and who chooses
    :param issued_at: Unix seconds
    """
    policy, mode = rule
    drawn_from = law.listed
    if mode != "online":
        chances = {agent: chance for agent, _, chance in act.ranked}
        drawn_from = [_known(chances.get(agent, 0.0)) for agent in law.agents]
    return LoggedDecision(
        nonce=decided.nonce.hex(),
        tenant=decided.tenant,
        task_type=decided.task_type,
        context=loggable(context),
        agents=law.agents,
        law=drawn_from,
        scores=law.scores,
        agent=decided.agent,
        propensity=decided.known_propensity,
        utility=law.utility,
        policy=policy,
        mode=mode,
        view_version=law.view_version,
        issued_at=datetime.fromtimestamp(issued_at, UTC),
        format=FORMAT,
    )


def _known(chance: float) -> float:
    return 0.0 if isnan(chance) else chance
