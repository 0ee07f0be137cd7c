"""What a predictor believes of some agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from olearn_core.statistics import FloatArray

Family = Literal["normal", "beta", "lognormal"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    Beliefs about agents on one kind of task; arrays in the order of the query's agents.

    :param mean: expected value of the next outcome, in the predictor's unit
    :param sd: standard deviation of that expectation as a whole, for display
    :param contrast_sd: the same without the parts common to all agents (such as
        the task type's difficulty): what policies compare
    :param effective_n: outcomes the estimate stands on, pooled ones counted by weight
    :param low: lower end of the central 90 % interval of the expectation
    :param high: its upper end
    :param family: the law of single outcomes, where the predictor knows it
    :param parameters: of that law, arrays like `mean` (lognormal: `mu`, `sigma`, `mu_sd`)
    :param parts: what the mean is made of, for explanations: effects by name (`agent`,
        `task_type`, …), on its scale; with a level that all agents share they add up to it
    """

    mean: FloatArray
    sd: FloatArray
    contrast_sd: FloatArray
    effective_n: FloatArray
    low: FloatArray
    high: FloatArray
    family: Family | None = None
    parameters: Mapping[str, FloatArray] = field(default_factory=dict)
    parts: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """
    What is asked: these agents, on a task of this type, in this context.

    :param agents: candidates, each once; unknown names are newcomers
    """

    task_type: str
    agents: tuple[str, ...]
    context: Mapping[str, Any] = field(default_factory=dict)


def empty_like(query: Query) -> FloatArray:
    """Return zeros in the order of the query's agents."""
    return np.zeros(len(query.agents))
