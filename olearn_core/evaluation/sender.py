"""Ways of handing outcomes over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any, ClassVar

from olearn_core.client import OlearnClient

CONNECTIONS = 8


class Sender(ABC):
    """
    Where replayed outcomes go.

    :cvar concurrency: outcomes that are under way at once, unless told otherwise
    """

    concurrency: ClassVar[int]

    @abstractmethod
    async def send(self, fields: Mapping[str, Any]) -> None:
        """
        Hand one outcome over; it is durable when this returns.

        :raises OlearnError: where it is not taken
        """


class HttpSender(Sender):
    """
    Sends to the HTTP API.

    A pool of connections looks through all of them at each request, so many
    small pools cost less than a large one.
    """

    concurrency = 128

    def __init__(self, clients: Sequence[OlearnClient]) -> None:
        self._clients = cycle(clients)

    @classmethod
    async def open(cls, url: str, concurrency: int, stack: AsyncExitStack) -> HttpSender:
        """Make the pools; they are closed when the stack unwinds."""
        pools = -(-concurrency // CONNECTIONS)
        clients = [OlearnClient(url, connections=CONNECTIONS) for _ in range(pools)]
        for client in clients:
            stack.push_async_callback(client.close)
        return cls(clients)

    async def send(self, fields: Mapping[str, Any]) -> None:
        """Post, and wait until the log has it."""
        await next(self._clients).report(fields)
