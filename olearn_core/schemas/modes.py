"""How a tenant's decisions are made: the apprentice's record, the budget."""

from __future__ import annotations

from olearn_core.schemas.bodies import Answer
from olearn_core.schemas.utility import Mode


class ApprenticeResponse(Answer):
    """
    How the service would have chosen, had it not left the choice to the default agent.

    Of this node since it started. `agreement` is the mean probability with which
    it would have chosen the default agent, `gain` the mean expected utility of
    its choice less the default agent's; both null while there were no decisions.
    """

    mode: Mode
    default_agent: str | None
    decisions: int
    agreement: float | None
    gain: float | None
    since: str


class BudgetResponse(Answer):
    """
    How a tenant's spending is paced, by UTC hours of the outcomes' own time.

    `price` is what the average task's full cost scale takes from the utility now;
    without a budget it is 0.
    """

    budget_usd_per_hour: float | None
    spent_this_hour_usd: float
    spent_last_hour_usd: float
    price: float
