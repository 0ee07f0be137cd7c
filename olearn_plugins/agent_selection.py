"""Which agent should do the next task?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from olearn_core import Choice, FloatArray, ModelOptions, Policy, Sums, Utility, hookimpl, standard
from olearn_plugins.law import probability_best
from olearn_plugins.thrift import probability_cheapest

USUAL_TASKS = 12
DOUBT = 0.5  # standard deviations that a cheap agent's margin is wider by
BEST_EXPLORED = 0.25  # of the usual variance, where the cheapest is wanted


class AgentSelectionOptions(ModelOptions):
    """
    Options of `agent_selection`.

    :param curiosity: how much of the estimates' variance is explored, for one
        agent; with K agents a K-th of it. Plain Thompson sampling, which explores
        all of it, learns longer than most fleets live
    :param newcomer_share: of the choices, kept for newcomers while there are any
    :param newcomer_history: outcomes for each candidate from which on there are
        newcomers; before that all are new, and the estimates tell better whom to try
    :param newcomer_executions: an agent with fewer may be a newcomer
    :param newcomer_trials: below these it is one; from there on only where it is
        less than one standard deviation behind the best
    """

    curiosity: float = Field(default=1.5, gt=0)
    newcomer_share: float = Field(default=0.10, ge=0, lt=1)
    newcomer_history: float = Field(default=100.0, ge=0)
    newcomer_executions: int = Field(default=50, ge=0)
    newcomer_trials: int = Field(default=5, ge=0)


class AgentSelection(Policy[AgentSelectionOptions]):
    """Choose each agent as often as it is likely to be the best."""

    name = "agent_selection"
    columns = (standard.EXECUTIONS,)
    Options = AgentSelectionOptions

    def choose(self, choice: Choice, utility: Utility) -> FloatArray:
        """
        Return P(best) of each agent under a narrowed posterior, newcomers helped on.

        Where the utility asks for the cheapest within a margin of the best, it is
        the probability of being that one.
        """
        law, newcomers = self._parts(choice, utility)
        mixed: FloatArray = law + newcomers
        return mixed

    def shares(self, choice: Choice, utility: Utility) -> Mapping[str, FloatArray]:
        """Return what each agent's own merit gives it, and what being new does."""
        law, newcomers = self._parts(choice, utility)
        name = "best" if utility.cheapest_within is None else "cheapest"
        return {name: law, "newcomers": newcomers}

    def _parts(self, choice: Choice, utility: Utility) -> tuple[FloatArray, FloatArray]:
        law = self._merit(choice, utility)
        newcomers = self._newcomers(choice).astype(np.float64)
        count = newcomers.sum()
        share = self.options.newcomer_share if count else 0.0
        return (1.0 - share) * law, share / max(1.0, count) * newcomers

    def _merit(self, choice: Choice, utility: Utility) -> FloatArray:
        factor = self._variance_factor(len(choice.query.agents), _active_tasks(choice.sums))
        mean, whole_sd = choice.scores.mean, choice.scores.contrast_sd
        cost = choice.estimates.get("cost")
        if utility.cheapest_within is None or cost is None:
            return probability_best(mean, whole_sd * math.sqrt(factor))
        # What may be the best but is not known to be would only raise the bar: it is
        # explored less, and the cheap ones by the benefit of the doubt instead.
        sd = whole_sd * math.sqrt(factor * BEST_EXPLORED)
        within = utility.cheapest_within + DOUBT * whole_sd
        return probability_cheapest(mean, sd, cost.mean, within)

    def _variance_factor(self, agents: int, tasks: int) -> float:
        """The more agents and task types there are, the less can each pair be tried."""
        factor = self.options.curiosity / agents * math.sqrt(USUAL_TASKS / max(1, tasks))
        return min(1.0, factor)

    def _newcomers(self, choice: Choice) -> NDArray[np.bool_]:
        few = choice.executions < self.options.newcomer_executions
        if few.all() or choice.executions.mean() < self.options.newcomer_history:
            return np.zeros_like(few)
        mean, sd = choice.scores.mean, choice.scores.contrast_sd
        untried = choice.executions < self.options.newcomer_trials
        newcomers: NDArray[np.bool_] = few & (untried | (mean + sd >= mean.max()))
        return newcomers


def _active_tasks(sums: Sums) -> int:
    """Return how many task types have outcomes."""
    return sums.once(
        "agent_selection", lambda: int(np.any(sums.column("executions") > 0, axis=1).sum())
    )


@hookimpl
def olearn_register_models() -> Sequence[type[Policy[Any]]]:
    """Register the model."""
    return [AgentSelection]
