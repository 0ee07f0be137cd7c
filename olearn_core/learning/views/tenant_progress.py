"""How learning goes for one tenant: what of the metrics would tell of others, from its own sums."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from olearn_core.learning.views.view import View
from olearn_core.schemas import MetricsResponse

HOUR_SECONDS = 3_600
MILLI = 1_000


def of_tenant(
    whole: MetricsResponse, view: View, tenant: str, dead_letters: int
) -> MetricsResponse:
    """
    Return the metrics as a tenant may see them.

    The ledger does not tell tenants apart, so rates and scores stand on the hours of event
    time: the current one with the one before, against the two before these. What counts the
    service's own steps (updates, repeats, refused tokens, lag) stays.

    :param dead_letters: how many the tenant has
    """
    hour, since = _now()
    executions, success = (view.hourly(tenant, column) for column in ("executions", "success"))
    score = _score(executions, success, (hour, hour - 1))
    before = _score(executions, success, (hour - 2, hour - 3))
    return whole.model_copy(
        update={
            "samples_processed": _total(view, tenant),
            "samples_per_second": _sum(executions, (hour, hour - 1)) / since,
            "current_model_score": score,
            "improvement_rate": None if score is None or not before else score / before - 1,
            "dead_letters": dead_letters,
        }
    )


def _now() -> tuple[int, float]:
    """Return the current hour since 1970, and the seconds since the one before it began."""
    hour, seconds = divmod(time.time(), HOUR_SECONDS)
    return int(hour), HOUR_SECONDS + seconds


def _score(
    executions: Mapping[int, int], success: Mapping[int, int], hours: Iterable[int]
) -> float | None:
    hours = tuple(hours)
    count = _sum(executions, hours)
    return _sum(success, hours) / MILLI / count if count else None


def _sum(by_hour: Mapping[int, int], hours: Iterable[int]) -> int:
    return sum(by_hour.get(hour, 0) for hour in hours)


def _total(view: View, tenant: str) -> int:
    if "executions" not in view.columns:
        return 0
    _, _, sums = view.exact(tenant)
    return int(sums[:, :, view.columns.index("executions")].sum())
