"""
Deadlines: a request is answered in time, if only by a problem document.

What it has begun goes on behind the answer. Cancelling it could leave a transaction
open that holds the database's lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olearn_core.api.problems import RETRY_AFTER, problem_response

logger = logging.getLogger(__name__)


class Deadlines:
    """
    Answers 503 where the application has not begun to answer in time.

    :param seconds: until then, the reading of the body included
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds
        self._late = problem_response(
            503, f"the request was not answered within {seconds:g} s; try again", (), RETRY_AFTER
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        timer = asyncio.get_running_loop().call_later(
            self._seconds, answer.give_up, lambda: self._late(scope, receive, send)
        )
        answer.timer = timer
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            if answer.apology is None:
                raise
            logger.info("%s ended late, and with an error", scope["path"], exc_info=True)
        finally:
            timer.cancel()
            if answer.apology is not None:
                await answer.apology


class _Answer:
    """
    What is sent: the application's answer, or ours where that comes too late.

    :ivar apology: sends ours, None while there is time
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.timer: asyncio.TimerHandle | None = None
        self.apology: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on while nothing else was answered."""
        if self.apology is not None:
            return
        if self.timer is not None:
            self.timer.cancel()
        await self._send(message)

    def give_up(self, apologise: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Answer in the application's place."""
        self.apology = asyncio.create_task(apologise())
