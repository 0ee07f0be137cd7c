"""
Budgets: a price on cost that holds a tenant's spending near a target per hour.

The price follows the overspending as an integral controller does,

    price <- max(0, price + ETA * (spent - target) / target),

a step for each hour of the last two days and one for the part of this hour that
has passed. What was spent is read from the hours' buckets of the shared sums. So
the price is a pure function of what all nodes see: they agree on it within a
poll, and a node that starts anew has it at once. Hours in which little was spent
bring the price down to 0, not below: what they left is not carried over.

Costs count when their outcomes are learned, in the hour that the outcome names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from olearn_core.learning.views.view import View
from olearn_core.schemas import BudgetResponse
from olearn_core.statistics.buckets import HOUR_SECONDS, HOURS_KEPT

ETA = 2.0
MOST_PRICE = 5.0
PRICE_STEPS = 200  # so that laws are kept while the price hardly moves
REST_SECONDS = 1.0
MICRO_USD = 1e6


def price_of(spent_usd: Mapping[int, float], target_usd: float, now_seconds: float) -> float:
    """
    Return the price after these hours' spending.

    :param spent_usd: by hours since 1970
    :param target_usd: per hour, positive
    """
    hour_now, into_hour = divmod(now_seconds, HOUR_SECONDS)
    price = 0.0
    for hour in range(int(hour_now) - HOURS_KEPT + 1, int(hour_now)):
        price = _stepped(price, spent_usd.get(hour, 0.0) / target_usd - 1.0)
    passed = into_hour / HOUR_SECONDS
    return _stepped(price, spent_usd.get(int(hour_now), 0.0) / target_usd - passed)


def _stepped(price: float, overspent: float) -> float:
    return min(MOST_PRICE, max(0.0, price + ETA * overspent))


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    price: float


class Pacing:
    """
    Knows the price of every tenant that has a budget.

    :param clock: Unix seconds
    """

    def __init__(self, view: View, clock: Callable[[], float] = time.time) -> None:
        self._view = view
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def price(self, tenant: str, target_usd: float | None) -> float:
        """Return the price now, brought up to date once a second; 0 without a budget."""
        if target_usd is None:
            return 0.0
        kept = self._kept.get(tenant)
        if kept is None or abs(self._clock() - kept.at) >= REST_SECONDS:
            return self._renewed(tenant, target_usd, self._spent(tenant))
        return kept.price

    def report(self, tenant: str, target_usd: float | None) -> BudgetResponse:
        """Return a tenant's spending and price."""
        hour, spent = int(self._clock() // HOUR_SECONDS), self._spent(tenant)
        return BudgetResponse(
            budget_usd_per_hour=target_usd,
            spent_this_hour_usd=spent.get(hour, 0.0),
            spent_last_hour_usd=spent.get(hour - 1, 0.0),
            price=0.0 if target_usd is None else self._renewed(tenant, target_usd, spent),
        )

    def _renewed(self, tenant: str, target_usd: float, spent: Mapping[int, float]) -> float:
        now = self._clock()
        price = round(price_of(spent, target_usd, now) * PRICE_STEPS) / PRICE_STEPS
        self._kept[tenant] = _Kept(now, price)
        return price

    def _spent(self, tenant: str) -> dict[int, float]:
        hours = self._view.hourly(tenant, "cost").items()
        return {hour: micro_usd / MICRO_USD for hour, micro_usd in hours}
