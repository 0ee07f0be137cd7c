"""A decision: who does the task, and how likely that was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olearn_core.decisions.law import Ranked
from olearn_core.schemas import Explanation, Mode


@dataclass(slots=True)
class Decision:
    """
    The agent that does the task and how likely it was.

    :param ranked: agents, that one first, the others by falling probability
    :param propensity: None where the caller has chosen, and has not said how likely that was
    :param would_choose: whom an apprentice would have drawn
    :param limits_met: whether any agent keeps the limits, None where there are none
    """

    decision_id: str
    ranked: Sequence[Ranked]
    propensity: float | None
    model_score: float
    view_version: int
    as_of: float
    mode: Mode = "online"
    would_choose: str | None = None
    limits_met: bool | None = None
    explanation: Explanation | None = None

    @property
    def agent(self) -> str:
        """The agent that does the task."""
        return self.ranked[0][0]
