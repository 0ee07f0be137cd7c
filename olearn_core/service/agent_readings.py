"""What each agent has done, for Prometheus: as many names as it can bear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np

from olearn_core.config import MetricsSettings
from olearn_core.learning.views.tenants import History
from olearn_core.learning.views.view import View
from olearn_core.metrics.capped import Capped
from olearn_core.metrics.families import Reading
from olearn_core.statistics import FloatArray

COLUMNS = ("executions", "success", "latency_n", "latency", "cost")
SUCCESS_STEPS = 1e3
LATENCY_STEPS = 1e4
COST_STEPS = 1e6


class AgentReadings:
    """
    Adds up each agent's sums over its task types.

    Tenants and agents keep the label that they got first, so that every series only grows.
    """

    def __init__(self, view: View, settings: MetricsSettings) -> None:
        self._view = view
        self._most_agents = settings.most_agents
        self._tenants = Capped(settings.most_tenants)
        self._agents: dict[str, Capped] = {}

    async def read(self) -> list[Reading]:
        """Return the readings of the tenants that are told apart."""
        found: list[Reading] = []
        for tenant in sorted(self._view.tenants):
            if tenant in self._tenants:
                rows = self._view.history(tenant, COLUMNS)
                # Adding up many rows takes long; they are copies, so a thread may do it.
                found += self._told(tenant, *await asyncio.to_thread(_added, rows))
        return found

    def _told(self, tenant: str, names: Sequence[str], sums: FloatArray) -> Iterator[Reading]:
        yield Reading("olearn_agents", float(len(names)), (tenant,))
        label = self._agents.setdefault(tenant, Capped(self._most_agents))
        by_label: dict[str, FloatArray] = {}
        for at in np.argsort(-sums[:, 0], kind="stable").tolist():
            name = label(names[at])
            by_label[name] = by_label.get(name, np.zeros(len(COLUMNS))) + sums[at]
        for name, row in by_label.items():
            yield from _of_agent((tenant, name), row.tolist())


def _added(rows: History) -> tuple[Sequence[str], FloatArray]:
    """Return agents with executions, and their sums, shape (agents, COLUMNS)."""
    sums = np.zeros((len(rows.agents), len(COLUMNS)), dtype=np.int64)
    np.add.at(sums, rows.places[:, 1], rows.values)
    seen = np.flatnonzero(sums[:, 0] > 0)
    return [rows.agents[at] for at in seen.tolist()], sums[seen].astype(np.float64)


def _of_agent(labels: tuple[str, str], row: Sequence[float]) -> Iterator[Reading]:
    executions, success, latency_n, latency, cost = row
    yield Reading("olearn_agent_executions_total", executions, labels)
    yield Reading("olearn_agent_success_total", success / SUCCESS_STEPS, labels)
    yield Reading("olearn_agent_latency_seconds", latency_n, labels, latency / LATENCY_STEPS)
    yield Reading("olearn_agent_cost_usd_total", cost / COST_STEPS, labels)
