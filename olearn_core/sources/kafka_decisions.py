"""Decisions to Kafka, for whoever evaluates them later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from olearn_core.errors import SourceError
from olearn_core.sources.publisher import Publisher
from olearn_core.storage.decision_log import LoggedDecision, encode_decision

WRITE_SECONDS = 5.0


class KafkaDecisions:
    """
    Writes decisions to a topic, keyed as their outcomes are.

    :param publisher: of that topic
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def append(self, batch: Sequence[LoggedDecision]) -> None:
        """
        Send all of them, and wait until the broker has them.

        :raises SourceError: where it does not take them in time; it may have some
        """
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await asyncio.gather(*map(self._send, batch))
        except TimeoutError as error:
            raise SourceError(f"Kafka takes no decisions for {WRITE_SECONDS:g} s") from error

    async def _send(self, decision: LoggedDecision) -> None:
        await self._publisher.publish(decision.nonce, encode_decision(decision))
