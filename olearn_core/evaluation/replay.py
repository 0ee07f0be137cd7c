"""Replaying recorded tasks as if they were being done now."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from olearn_core.client import OlearnClient, RefusedError
from olearn_core.errors import OlearnError
from olearn_core.evaluation.outcomes import outcome
from olearn_core.evaluation.sender import Sender
from olearn_core.evaluation.tasks import Task


class Chooser(StrEnum):
    """Who chooses the agents."""

    RANDOM = "random"
    ASK = "ask"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Job:
    """
    One outcome to send.

    :param agent: None where the service is to choose
    """

    task: Task
    agent: str | None


def jobs(tasks: Sequence[Task], chooser: Chooser, seed: int, limit: int | None = None) -> list[Job]:
    """
    Return what is to be sent, in this order.

    :param limit: most tasks taken, None for all
    """
    if chooser is Chooser.ALL:
        return [Job(task, agent) for task in tasks[:limit] for agent in task.outcomes]
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    shuffled = rng.sample(tasks, len(tasks))[:limit]
    if chooser is Chooser.ASK:
        return [Job(task, None) for task in shuffled]
    return [Job(task, rng.choice(sorted(task.outcomes))) for task in shuffled]


@dataclass(slots=True)
class Sent:
    """
    What was sent.

    :ivar by_agent: outcomes taken, by agent
    :ivar successes: their success summed up, by agent
    :ivar failures: outcomes not taken, by reason
    """

    by_agent: Counter[str] = field(default_factory=Counter)
    successes: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def taken(self) -> int:
        """How many outcomes the log has."""
        return self.by_agent.total()

    @property
    def rate(self) -> float:
        """Outcomes taken in a second."""
        return self.taken / self.seconds if self.seconds else 0.0

    def add(self, agent: str, success: float) -> None:
        """Count one outcome."""
        self.by_agent[agent] += 1
        self.successes[agent] = self.successes.get(agent, 0.0) + success


class Replay:
    """
    Sends jobs, several at once.

    A refused outcome is counted and the others go on; where nobody answers
    any more, the replay ends.

    :param run: begins every event_id, so that runs are told apart
    :param client: whom to ask for decisions
    :param on_sent: called after each job
    """

    def __init__(
        self, run: str, sender: Sender, client: OlearnClient, on_sent: Callable[[], None]
    ) -> None:
        self._run = run
        self._sender = sender
        self._client = client
        self._on_sent = on_sent
        self._broken = False
        self.sent = Sent()

    async def send(
        self, todo: Sequence[Job], concurrency: int, per_second: float | None = None
    ) -> Sent:
        """
        Send all; return what was sent.

        :param per_second: most outcomes a second, None for as fast as it goes
        """
        started = time.perf_counter()
        queue = enumerate(todo)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(concurrency, len(todo))):
                tasks.create_task(self._work(queue, started, per_second))
        self.sent.seconds = time.perf_counter() - started
        return self.sent

    async def _work(
        self, queue: Iterator[tuple[int, Job]], started: float, per_second: float | None
    ) -> None:
        for number, job in queue:
            if per_second:
                due = started + number / per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self._broken:
                return
            await self._counted(job)
            self._on_sent()

    async def _counted(self, job: Job) -> None:
        try:
            agent = await self._send(job)
        except OlearnError as error:
            self._broken |= not isinstance(error, RefusedError)
            self.sent.failures[str(error)] += 1
        else:
            self.sent.add(agent, job.task.outcomes[agent].success)

    async def _send(self, job: Job) -> str:
        task, agent, decision_id = job.task, job.agent, None
        if agent is None:
            decision = await self._client.decide(
                task.task_type, task.context, eligible_agents=list(task.outcomes)
            )
            agent, decision_id = decision.agent_name, decision.decision_id
        fields = outcome(
            f"{self._run}-{task.task_id}-{agent}",
            task.task_type,
            agent,
            task.outcomes[agent],
            context=task.context,
            decision_id=decision_id,
        )
        await self._sender.send(fields)
        return agent
