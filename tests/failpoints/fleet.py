"""A fleet of agents that goes on working, so that there is always something to learn."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from olearn_core.config import KafkaSettings
from olearn_core.sources.kafka_publisher import KafkaPublisher

AT_ONCE = 10


class Fleet:
    """
    Agents that go on working: their outcomes come in all the time.

    :ivar sent: what the broker has taken
    """

    def __init__(self, settings: KafkaSettings, records: list[bytes], per_second: int) -> None:
        self._settings = settings
        self._records = records
        self._pause_seconds = 10 / per_second
        self.sent: list[bytes] = []
        self._enough = asyncio.Event()

    async def work(self) -> None:
        """Send ten at a time, repeats to the same partition, until told that it is enough."""
        async with AsyncExitStack() as stack:
            publisher = KafkaPublisher(self._settings)
            await publisher.start(stack)
            for start in range(0, len(self._records), 10):
                if self._enough.is_set():
                    return
                part = self._records[start : start + 10]
                keys = [hashlib.sha256(record).hexdigest() for record in part]
                sent = (publisher.publish(key, r) for key, r in zip(keys, part, strict=True))
                await asyncio.gather(*sent)
                self.sent += part
                await asyncio.sleep(self._pause_seconds)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work until the block is left."""
        task = asyncio.create_task(self.work())
        try:
            yield
        finally:
            self._enough.set()
            await task
