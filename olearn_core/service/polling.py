"""Polling the database for what other nodes learned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.errors import OlearnError
from olearn_core.learning.views.view import View
from olearn_core.learning.workers.problems import Problems
from olearn_core.storage.database import brief
from olearn_core.storage.shards import ShardHeader
from olearn_core.times import rfc3339

SUBJECT = "database"
SILENCE_SECONDS = 3.0


class Polling:
    """
    Keeps the view up to date and knows when the database fell silent.

    :param notice: told of the headers after each poll
    """

    def __init__(self, view: View, notice: Callable[[Sequence[ShardHeader]], None]) -> None:
        self._view = view
        self._notice = notice
        self._polled_at = time.monotonic()
        self._found = Problems()

    async def start(self) -> None:
        """
        Poll for the first time.

        :raises StorageError: where the database does not answer
        """
        await self._view.poll()
        self._polled_at = time.monotonic()

    async def poll(self) -> None:
        """Read what other nodes saved; a failure becomes the problem that is shown."""
        try:
            self._notice(await self._view.poll())
        except (OlearnError, SQLAlchemyError, OSError) as error:
            self._found.note(SUBJECT, f"{self._silence()}: {brief(error)}")
        else:
            self._found.clear_of(SUBJECT)
            self._polled_at = time.monotonic()

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with the database; a question that hangs says nothing by itself."""
        silent = time.monotonic() - self._polled_at > SILENCE_SECONDS
        return dict(self._found) or ({SUBJECT: self._silence()} if silent else {})

    def _silence(self) -> str:
        seen = rfc3339(self._view.as_of) or "never"
        return f"does not answer since {seen}, decisions stand on what was known then"
