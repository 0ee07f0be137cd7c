"""The contract of a log that outcomes can be written to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AsyncExitStack


class Publisher(ABC):
    """Where `POST /outcomes` puts what it receives."""

    @abstractmethod
    async def start(self, stack: AsyncExitStack) -> None:
        """Connect, and disconnect when the stack unwinds."""

    @abstractmethod
    async def publish(self, key: str, value: bytes) -> int:
        """
        Append an outcome; return its offset once it is durable.

        Equal keys share a partition.

        :raises SourceError: where the log does not take it; nothing was stored then,
            or a repeat of it will be recognised by its event_id
        """
