"""Why an agent was chosen."""

from __future__ import annotations

from olearn_core.schemas.bodies import Answer
from olearn_core.schemas.decision_log import StandsOn


class Contribution(Answer):
    """
    What one part of one component's estimate adds to a difference of expected utilities.

    `part` is `agent` (how it does everywhere), `task_type` (on this one more or
    less than elsewhere), `context`, a part that a plugin names, or `rest`
    (a component without parts, and what its curvature adds).
    """

    component: str
    part: str
    utility: float


class Comparison(Answer):
    """
    How far the agent's expected utility lies above another's, and where that is from.

    `agent_name` is null for the average eligible agent. The contributions add up
    to `difference`.
    """

    agent_name: str | None
    difference: float
    contributions: list[Contribution]


class ComponentBelief(Answer):
    """
    What is believed of the agent in one component, with the central 90 % interval.

    `prior_share` is how much of the estimate is not from this agent's own
    outcomes on this task type.
    """

    component: str
    unit: str
    mean: float
    low: float
    high: float
    effective_n: float
    prior_share: float


class LimitBelief(Answer):
    """How likely the agent keeps a limit, and how likely it must."""

    name: str
    probability: float
    required: float


class Explanation(Answer):
    """
    Why an agent was chosen, from what is believed now.

    `probability_best` is P(its expected utility is the highest) by the whole of
    the posterior; a policy may act upon less of the uncertainty. `shares` splits
    `probability`, that of the law, by what gives it: the policy's own parts and
    `floor`. A draw is exploration where another agent was more probable.
    """

    agent_name: str
    expected_utility: float
    probability: float
    shares: dict[str, float]
    probability_best: float
    is_exploration: bool
    against_average: Comparison
    against_runner_up: Comparison | None
    components: list[ComponentBelief]
    limits: list[LimitBelief]
    cost_price: float


class ExplanationResponse(Explanation):
    """
    A past decision explained by what is believed now.

    `stands_on` says what it is asked with. The `log` has the decision's own candidates,
    context, weights and scales. A `decision_id` alone holds none of them: the agents seen
    lately stand for the candidates (`same_candidates` says whether they are the same),
    nothing for the context, and the tenant's configuration for the rest.
    """

    decision_id: str
    stands_on: StandsOn
    task_type: str
    propensity: float | None
    decided_at: str
    view_version_then: int
    view_version: int
    view_has_moved: bool
    same_candidates: bool
