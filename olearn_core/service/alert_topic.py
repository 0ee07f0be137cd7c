"""Alerts to their Kafka topic: none is lost in silence while the broker is away."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from olearn_core.errors import EventError, OlearnError
from olearn_core.schemas import AlertBody
from olearn_core.sources.publisher import Publisher
from olearn_core.storage.database import brief

logger = logging.getLogger(__name__)

MOST_WAITING = 1_000
LAST_SECONDS = 1.0


class AlertTopic:
    """
    Sends each alert when it begins and when it is over, in that order, at least once.

    The record's key is the alert's `dedup_key`, so the topic can be compacted.

    :ivar lost: how many were given up, because too many waited or one was too large
    """

    def __init__(self, publisher: Publisher, most_waiting: int = MOST_WAITING) -> None:
        self._publisher = publisher
        self._most_waiting = most_waiting
        self._waiting: deque[AlertBody] = deque()
        self.lost = 0

    def note(self, alert: AlertBody) -> None:
        """Have an alert sent soon; where too many wait, the oldest is given up."""
        self._waiting.append(alert)
        if len(self._waiting) > self._most_waiting:
            why = f"more than {self._most_waiting} wait for the broker"
            self._give_up(self._waiting.popleft(), why)

    async def flush(self) -> None:
        """
        Send what is waiting.

        :raises SourceError: where the topic does not take it; the next time tries again
        """
        while self._waiting:
            alert = self._waiting[0]
            try:
                await self._publisher.publish(alert.dedup_key, alert.model_dump_json().encode())
            except EventError as error:
                self._give_up(alert, str(error))
            if self._waiting and self._waiting[0] is alert:
                self._waiting.popleft()

    async def finish(self) -> None:
        """Send what is waiting, as far as the topic takes it at once; say what stays behind."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self.flush()
        except (OlearnError, OSError) as error:
            why = brief(error) or "the broker does not answer"
            for alert in self._waiting:
                self._give_up(alert, f"the service stops, and {why}")

    def _give_up(self, alert: AlertBody, why: str) -> None:
        self.lost += 1
        logger.warning(
            "the alerts' topic is not told that %s is %s: %s", alert.dedup_key, alert.state, why
        )
