"""How learning goes: totals, rates, and whether choices get better."""

from __future__ import annotations

import time

import numpy as np

from olearn_core.learning.views.lags import Lags
from olearn_core.learning.views.view import View
from olearn_core.learning.workers.worker import Worker
from olearn_core.schemas import MetricsResponse, PerformanceSummary
from olearn_core.storage.ledger import Ledger, Period
from olearn_core.times import rfc3339
from olearn_core.tokens import REFUSALS

HOUR_SECONDS = 3_600
RATE_SECONDS = 60


class Progress:
    """Reads the view, the worker and the ledger."""

    def __init__(self, view: View, worker: Worker, ledger: Ledger, lags: Lags) -> None:
        self._view = view
        self._worker = worker
        self._lags = lags
        self._ledger = ledger

    async def metrics(self, tenant: str) -> MetricsResponse:
        """Return the metrics; last-hour figures come from the ledger, by commit time."""
        now = time.time()
        hour = await self._ledger.period(now - HOUR_SECONDS, now + 1)
        before = await self._ledger.period(now - 2 * HOUR_SECONDS, now - HOUR_SECONDS)
        minute = await self._ledger.period(now - RATE_SECONDS, now + 1)
        counters = self._view.counters()
        seen = self.summary(tenant, "executions")
        returns = self._view.returns(tenant)
        failed = self._worker.failed_updates
        return MetricsResponse(
            total_updates=counters.get("updates", 0) + failed,
            successful_updates=counters.get("updates", 0),
            failed_updates=failed,
            avg_update_time_ms=hour.mean_update_ms,
            p95_update_time_ms=await self._ledger.update_ms_quantile(0.95, now - HOUR_SECONDS),
            samples_processed=counters.get("samples", 0),
            samples_per_second=minute.samples / RATE_SECONDS,
            current_model_score=hour.score,
            improvement_rate=_improvement(before, hour),
            agent_count=seen.total_agents,
            task_patterns=seen.task_patterns,
            duplicates=counters.get("duplicates", 0),
            dead_letters=counters.get("dead_letters", 0),
            token_refusals={kind: counters.get(f"token_{kind}", 0) for kind in REFUSALS},
            decided=int(returns.decided.sum()),
            joined=int(returns.joined.sum()),
            dangling_share=returns.dangling_share,
            lag=self._worker.lag(),
            lag_seconds=self._lags.seconds,
            as_of=rfc3339(self._view.as_of),
        )

    async def score(self) -> tuple[float | None, float | None]:
        """Return the mean success of the last hour, and its relative change against that before."""
        now = time.time()
        hour = await self._ledger.period(now - HOUR_SECONDS, now + 1)
        before = await self._ledger.period(now - 2 * HOUR_SECONDS, now - HOUR_SECONDS)
        return hour.score, _improvement(before, hour)

    def summary(self, tenant: str, count: str) -> PerformanceSummary:
        """Return how many agents, and pairs of agent and task type, have counted outcomes."""
        _, _, sums = self._view.exact(tenant)
        columns = self._view.columns
        if count not in columns or not sums.size:
            return PerformanceSummary(total_agents=0, task_patterns=0)
        seen = sums[:, :, columns.index(count)] > 0
        return PerformanceSummary(
            total_agents=int(np.any(seen, axis=0).sum()), task_patterns=int(seen.sum())
        )


def _improvement(before: Period, now: Period) -> float | None:
    if not before.score or now.score is None:
        return None
    return (now.score - before.score) / before.score
