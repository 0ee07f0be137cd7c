"""A law of choice, with all that is the same for each of its draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from olearn_core.decisions.draw import cumulated
from olearn_core.models import Utility
from olearn_core.statistics import FloatArray
from olearn_core.tokens import eligible_hash

Ranked = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Law:
    """
    A law of choice over agents, with what it rests on.

    :param probabilities: exactly what is drawn from, floor included
    :param listed: the same as a list
    :param scores: expected utility of each agent
    :param utility: what counted
    :param cumulated: their running sums
    :param ranking: agent, score and probability, by falling probability; the
        score is the agent's expected utility
    :param ranks: place of each agent in the ranking
    :param mean_score: expected utility of a draw
    :param view_version: of the view that it stands on
    :param limits_met: whether any agent keeps the limits, None where there are none
    :param policy: whose law it is
    """

    agents: tuple[str, ...]
    probabilities: FloatArray
    listed: Sequence[float]
    scores: Sequence[float]
    utility: Utility
    cumulated: Sequence[float]
    ranking: list[Ranked]
    ranks: Sequence[int]
    mean_score: float
    eligible_hash: bytes
    view_version: int
    limits_met: bool | None = None
    policy: str = ""

    @classmethod
    def of(
        cls,
        agents: tuple[str, ...],
        probabilities: FloatArray,
        scores: FloatArray,
        utility: Utility,
        view_version: int,
        limits_met: bool | None = None,
        policy: str = "",
    ) -> Self:
        """Return the law with everything that its draws need."""
        listed, score_list = probabilities.tolist(), scores.tolist()
        rows = list(zip(agents, score_list, listed, strict=True))
        order = np.lexsort((-scores, -probabilities))  # who is not drawn follows by score
        return cls(
            agents=agents,
            probabilities=probabilities,
            listed=listed,
            scores=score_list,
            utility=utility,
            cumulated=cumulated(probabilities),
            ranking=[rows[i] for i in order.tolist()],
            ranks=np.argsort(order).tolist(),
            mean_score=float(probabilities @ scores),
            eligible_hash=eligible_hash(agents),
            view_version=view_version,
            limits_met=limits_met,
            policy=policy,
        )

    def ranked(self, chosen: int) -> list[Ranked]:
        """Return the ranking with a drawn agent at its head."""
        rank = self.ranks[chosen]
        return [self.ranking[rank], *self.ranking[:rank], *self.ranking[rank + 1 :]]
