"""Asking brokers that are far away, and may not be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from olearn_core.times import loop_seconds
from tests.simulation.broker import Broker
from tests.simulation.loop import current_process, travel

T = TypeVar("T")

BACKOFF_SECONDS = 0.25


class Client:
    """Asks the brokers, from the process that made it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.process = current_process()

    async def ask(self, question: Callable[[], T]) -> T:
        """
        Send a question once.

        :raises KafkaConnectionError: where it or its answer does not arrive
        """
        await self.hop()
        answer = question()
        await self.hop()
        return answer

    async def hop(self) -> None:
        await travel(self.broker.latency())
        if not self.broker.is_reachable(self.process):
            raise KafkaConnectionError("no route to the broker")

    async def ask_on(self, question: Callable[[], T], timeout_seconds: float) -> T:
        """
        Ask until there is an answer.

        :raises KafkaTimeoutError: where that takes too long
        """
        deadline = loop_seconds() + timeout_seconds
        while loop_seconds() < deadline:
            try:
                return await self.ask(question)
            except KafkaConnectionError:
                await travel(BACKOFF_SECONDS)
        raise KafkaTimeoutError("the broker does not answer")


class SimulatedAdmin(Client):
    """What KafkaSource uses of AIOKafkaAdminClient."""

    async def start(self) -> None:
        await self.ask(lambda: None)

    async def describe_cluster(self) -> dict[str, Any]:
        return await self.ask(lambda: {"cluster_id": self.broker.cluster_id})

    async def close(self) -> None:
        return


def started(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a task; that it fails is a fault of the simulation, which has to be heard of."""
    task = asyncio.create_task(coroutine)
    task.add_done_callback(_complain)
    return task


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        about = {"message": "the simulation failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(about)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
