"""
Estimates made before they are asked for.

What was learned changes the sums several times a second, and each change costs the
predictors their fits: milliseconds, for which whoever asks next would have to wait.
Where there are many, new sums are fitted beside the old ones, one predictor at a time,
while decisions go on by the old; then all change at once. Where there are few, each is
made of the newest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from olearn_core.decisions.knowledge import Knowledge
from olearn_core.events import DEFAULT
from olearn_core.models import Predictor, Query, Sums
from olearn_core.plugins import Models
from olearn_core.statistics import Weighting
from olearn_core.times import give_way

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5
BUSY_CALLS = 100  # between two refreshes: about a dozen decisions
ASKED_SECONDS = 2.0
MOST_TENANTS = 20

Key = tuple[str, Weighting, str]


@dataclass(slots=True)
class _Tenant:
    """
    What a tenant's decisions stand on.

    :param calls: how often it was asked since the last refresh
    :param asked: what was asked for: models, weightings and counts
    :param fitted_at: when the fitted sums were known to be the newest
    """

    asked_at: float
    fitted_at: float = -inf
    calls: int = 0
    asked: set[Key] = field(default_factory=set)
    fitted: Mapping[Key, Sums] = field(default_factory=dict)


class Foresight:
    """
    Knowledge that is fitted already; as the view knows it where nobody refreshes.

    :param clock: seconds that only grow
    """

    def __init__(
        self, view: Knowledge, models: Models, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._view = view
        self._models = models
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}
        self._asked_at = -inf

    @property
    def columns(self) -> Sequence[str]:
        """Names of the table's columns."""
        return self._view.columns

    @property
    def version(self) -> int:
        """A number that grows with what is learned."""
        return self._view.version

    @property
    def as_of(self) -> float:
        """Unix seconds up to which all is known."""
        return self._view.as_of

    def sums(self, tenant: str, model: str, weighting: Weighting, count: str) -> Sums:
        """
        Return a tenant's sums, weighted for one model: those that are fitted, while they are new.

        :param count: column that counts the model's events
        """
        now, known, key = self._clock(), self._tenants.get(tenant), (model, weighting, count)
        if known is None:
            known = self._tenants[tenant] = _Tenant(now)
        known.asked_at = self._asked_at = now
        known.calls += 1
        if key in known.fitted and now - known.fitted_at < PATIENCE_SECONDS:
            return known.fitted[key]
        known.asked.add(key)
        return self._view.sums(tenant, model, weighting, count)

    @property
    def was_asked_lately(self) -> bool:
        """Whether anybody is deciding now."""
        return self._clock() - self._asked_at < ASKED_SECONDS

    async def refresh(self) -> None:
        """Fit what is new of the tenants that are asked for often."""
        since = self._clock() - ASKED_SECONDS
        asked = [(name, one) for name, one in self._tenants.items() if one.asked_at >= since]
        asked = sorted(asked, key=lambda pair: -pair[1].asked_at)[:MOST_TENANTS]
        self._tenants = dict(asked)
        for name, known in asked:
            is_busy, known.calls = known.calls >= BUSY_CALLS, 0
            if not is_busy:
                known.fitted = {}
                continue
            began = self._clock()
            new = {}
            for key in tuple(known.asked):
                new[key] = self._view.sums(name, *key)
                await give_way()
            old = known.fitted
            await self._fit({key: sums for key, sums in new.items() if sums is not old.get(key)})
            known.fitted, known.fitted_at = new, began

    async def _fit(self, new: Mapping[Key, Sums]) -> None:
        """Have each predictor do what it does once for all questions."""
        for predictor in self._models.predictors:
            key = (predictor.name, predictor.options.weighting, predictor.count.name)
            if key in new and new[key].agents:
                _try(predictor, new[key])
                await give_way()  # decisions have the old ones


def _try(predictor: Predictor[Any], sums: Sums) -> None:
    try:
        predictor.estimate(sums, Query(DEFAULT, sums.agents))
    except Exception as error:  # noqa: BLE001 - a stranger's code; whoever asks will see it
        logger.debug("%s could not be fitted: %s", predictor.name, error)
