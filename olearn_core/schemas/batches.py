"""Many requests in one: a result for each, in their order."""

from __future__ import annotations

from typing import Generic, TypeVar

from olearn_core.schemas.bodies import Answer
from olearn_core.schemas.decisions import DecisionResponse, EstimateResponse, PredictResponse
from olearn_core.schemas.learning import OutcomeResponse
from olearn_core.schemas.problems import Problem

T = TypeVar("T", bound=Answer)


class Result(Answer, Generic[T]):
    """
    What came of one item.

    `status` is what it would have been answered with alone; either `answer` or
    `problem` is that answer's body.
    """

    status: int
    answer: T | None = None
    problem: Problem | None = None


class Results(Answer):
    """How many items succeeded and failed."""

    succeeded: int
    failed: int


class OutcomesResponse(Results):
    """What came of each outcome."""

    results: list[Result[OutcomeResponse]]


class DecisionsResponse(Results):
    """What came of each request for a decision."""

    results: list[Result[DecisionResponse]]


class PredictionsResponse(Results):
    """What came of each request for a ranking."""

    results: list[Result[PredictResponse]]


class EstimatesResponse(Results):
    """What came of each request for estimates."""

    results: list[Result[EstimateResponse]]
