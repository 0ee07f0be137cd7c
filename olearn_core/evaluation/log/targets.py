"""Laws of choice that are held against the one that ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from olearn_core.errors import ConfigError
from olearn_core.evaluation.log.learner import LogLearner
from olearn_core.models import Policy
from olearn_core.statistics import FloatArray
from olearn_core.storage.decision_log import LoggedDecision

LOGGED = "logged"
UNIFORM = "uniform"
ALWAYS = "always:"


class Target:
    """
    A law to evaluate: `logged`, `uniform`, `always:AGENT`, or a policy's.

    :raises ConfigError: where there is no such policy
    """

    def __init__(self, name: str, policies: Mapping[str, Policy[Any]]) -> None:
        self.name = name
        self.agent = name.removeprefix(ALWAYS) if name.startswith(ALWAYS) else None
        if self.agent is None and name not in (LOGGED, UNIFORM, *policies):
            known = ", ".join((*sorted(policies), LOGGED, UNIFORM, f"{ALWAYS}AGENT"))
            raise ConfigError(f"there is no policy {name!r} to evaluate, but {known}")

    def law(self, decision: LoggedDecision, learner: LogLearner) -> FloatArray | None:
        """
        Return its probabilities for a decision's agents, None where it has no choice there.

        A policy's stand on what the learner has learned so far.
        """
        if self.name == LOGGED:
            return np.asarray(decision.law, dtype=np.float64)
        if self.name == UNIFORM:
            return np.full(len(decision.agents), 1.0 / len(decision.agents))
        if self.agent is not None:
            if self.agent not in decision.agents:
                return None
            return np.array([float(agent == self.agent) for agent in decision.agents])
        return learner.law(self.name, decision)
