"""A policy: from estimates to probabilities of choice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

import numpy as np

from olearn_core.models.estimate import Estimate, Query
from olearn_core.models.options import ModelOptions
from olearn_core.models.sums import Sums
from olearn_core.statistics import Column, FloatArray

OptionsT = TypeVar("OptionsT", bound=ModelOptions)


@dataclass(frozen=True, slots=True)
class Utility:
    """
    What counts in a choice: a weighted mean of scores between 0 and 1.

    :param weights: by component (success, quality, latency, cost), each >= 0
    :param latency_scale_ms: latency at which its score reaches 0
    :param cost_scale_usd: cost at which its score reaches 0
    :param cheapest_within: where given, not the best agent is wanted but the cheapest
        whose expected utility lies so near that of the best; `estimates` hold the cost
    :param cost_price: utility that a cost of `cost_scale_usd` takes away, to keep a budget
    """

    weights: Mapping[str, float] = field(default_factory=lambda: {"success": 1.0})
    latency_scale_ms: float = 10_000.0
    cost_scale_usd: float = 0.01
    cheapest_within: float | None = None
    cost_price: float = 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """
    Estimates on the utility's scale, arrays in the order of the query's agents.

    :param mean: expected utility
    :param contrast_sd: its standard deviation, parts common to all agents left out
    """

    mean: FloatArray
    contrast_sd: FloatArray


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What a policy is given to choose from.

    :param estimates: by component
    :param scores: the estimates combined by the utility
    :param executions: outcomes known of each agent, over all task types
    :param sums: the tenant's sums, for policies that declare columns
    """

    query: Query
    estimates: Mapping[str, Estimate]
    scores: Scores
    executions: FloatArray
    sums: Sums


class Policy(ABC, Generic[OptionsT]):
    """
    Turns beliefs into a law of choice.

    Drawing, the exploration floor, logging and signing stay in the core, so
    the returned probabilities are all a policy decides.

    :cvar reads_context: whether `choose` looks at the query's context
    :cvar columns: what it reads of the sums itself, beside the predictors
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]] = ()
    reads_context: ClassVar[bool] = False
    Options: type[ModelOptions] = ModelOptions

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @abstractmethod
    def choose(self, choice: Choice, utility: Utility) -> FloatArray:
        """
        Return the probability of each agent of the query, shape (agents,).

        Pure, non-negative, summing to 1 (the core checks to 1e-6).
        """

    def shares(self, choice: Choice, utility: Utility) -> Mapping[str, FloatArray]:
        """
        Return what the law is made of, by name, for explanations; it adds up to `choose`.

        Override it where there is more than one part.
        """
        return {"best": self.choose(choice, utility)}


def uniform(query: Query) -> FloatArray:
    """Return the law that knows nothing."""
    return np.full(len(query.agents), 1.0 / len(query.agents))
