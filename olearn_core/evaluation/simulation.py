"""A simulated fleet at work: decisions asked of a service, outcomes reported to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from olearn_core.client import OlearnClient
from olearn_core.evaluation.fleet import AGENTS, Fleet
from olearn_core.evaluation.outcomes import outcome

REPORTS_UNDER_WAY = 24

OnChosen = Callable[[int, int], None]


class Simulation:
    """
    Asks for decisions one after the other; outcomes are reported meanwhile.

    :param on_chosen: called with each task's number and the index of its agent
    :ivar chosen: index of the agent chosen for each task, -1 where none is yet
    :ivar latency_ms: of each decision, as the client sees it
    """

    def __init__(self, fleet: Fleet, client: OlearnClient, on_chosen: OnChosen) -> None:
        self._fleet = fleet
        self._client = client
        self._on_chosen = on_chosen
        self._room = asyncio.Semaphore(REPORTS_UNDER_WAY)
        self.chosen: NDArray[np.intp] = np.full(fleet.size, -1, dtype=np.intp)
        self.latency_ms = np.zeros(fleet.size)
        self.seconds = 0.0

    async def run(self) -> None:
        """Do every task of the fleet."""
        started = time.perf_counter()
        async with asyncio.TaskGroup() as reports:
            for number in range(self._fleet.size):
                await self._room.acquire()
                agent, decision_id = await self._decide(number)
                reports.create_task(self._report(number, agent, decision_id))
                self._on_chosen(number, agent)
        self.seconds = time.perf_counter() - started

    async def _decide(self, number: int) -> tuple[int, str]:
        asked = time.perf_counter()
        decision = await self._client.decide(
            self._fleet.task_type(number), eligible_agents=self._fleet.available(number)
        )
        self.latency_ms[number] = 1e3 * (time.perf_counter() - asked)
        self.chosen[number] = AGENTS.index(decision.agent_name)
        return int(self.chosen[number]), decision.decision_id

    async def _report(self, number: int, agent: int, decision_id: str) -> None:
        fields = outcome(
            f"simulated-{number}",
            self._fleet.task_type(number),
            AGENTS[agent],
            self._fleet.execute(number, agent),
            decision_id=decision_id,
        )
        try:
            await self._client.report(fields)
        finally:
            self._room.release()
