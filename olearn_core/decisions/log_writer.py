"""Writing decisions down without keeping anybody waiting for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.errors import OlearnError
from olearn_core.storage.database import brief
from olearn_core.storage.decision_log import LoggedDecision
from olearn_core.times import came

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
BATCH = 500
MOST_WAITING = 20_000
TOLD_SECONDS = 3_600.0

Sink = Callable[[Sequence[LoggedDecision]], Awaitable[None]]


class DecisionWriter:
    """
    Holds decisions until the log has them, and hands them over in batches.

    A decision never waits for its log: what has no room any more is left out
    and counted. A batch that failed is handed over again, so a log may see a
    decision twice; its nonce tells.

    :param sink: writes a batch, None where no log is kept
    :ivar lost: decisions that were left out
    """

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink
        self._waiting: dict[str, LoggedDecision] = {}
        self._flushing = asyncio.Lock()
        self._failure: str | None = None
        self._lost_at = 0.0
        self.lost = 0

    def note(self, decision: LoggedDecision) -> None:
        """Have a decision written soon."""
        if self._sink is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            if not self.lost:
                logger.warning("a decision is left out of the log: %s wait already", MOST_WAITING)
            self._lose(1)
            return
        self._waiting[decision.nonce] = decision

    @property
    def waits(self) -> int:
        """How many decisions wait to be written."""
        return len(self._waiting)

    def waiting(self, nonce: str) -> LoggedDecision | None:
        """Return a decision that is not written yet, None where there is none."""
        return self._waiting.get(nonce)

    def start(self, stack: AsyncExitStack) -> None:
        """Write what is left when the stack unwinds: decisions are made until then."""
        stack.push_async_callback(self.flush)

    async def write_until(self, stop: asyncio.Event) -> None:
        """Write what has come, again and again until told to stop."""
        while not await came(stop, FLUSH_SECONDS):
            await self.flush()

    async def flush(self) -> None:
        """Write what is waiting, as far as the log takes it."""
        if self._sink is None:
            return
        async with self._flushing:
            while self._waiting:
                batch = list(islice(self._waiting.values(), BATCH))
                if not await self._written(batch, self._sink):
                    return
                for decision in batch:
                    self._waiting.pop(decision.nonce)

    async def _written(self, batch: Sequence[LoggedDecision], sink: Sink) -> bool:
        try:
            await sink(batch)
        except (OlearnError, SQLAlchemyError, OSError) as error:
            if self._failure is None:
                logger.warning("decisions are not written to their log: %s", brief(error))
            self._failure = brief(error)
            return False
        except Exception:
            logger.exception("%s decisions cannot be written to their log", len(batch))
            self._lose(len(batch))
        self._failure = None
        return True

    def _lose(self, count: int) -> None:
        self.lost += count
        self._lost_at = time.monotonic()

    @property
    def problem(self) -> str | None:
        """What operators should know, None where all is well."""
        found = []
        if self._failure is not None:
            found.append(f"{len(self._waiting)} decisions wait to be written: {self._failure}")
        if self.lost and time.monotonic() - self._lost_at < TOLD_SECONDS:
            found.append(f"{self.lost} decisions were left out since the start: see the log")
        return "; ".join(found) or None
