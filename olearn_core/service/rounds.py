"""What recurs beside learning: each round is borne when it fails, and walked again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.errors import OlearnError
from olearn_core.storage.database import brief

logger = logging.getLogger(__name__)


class Round(NamedTuple):
    """
    A step that is taken again and again.

    :param subject: what the step does, as the end of "could not ..."
    :param seconds: the pause between two steps
    """

    subject: str
    seconds: float
    step: Callable[[], Awaitable[None]]


async def walk(round_: Round) -> None:
    """
    Take the steps of a round until cancelled.

    A broker or database that is away must not end the learning beside it.
    """
    troubled = False
    while True:
        try:
            await round_.step()
            troubled = False
        except (OlearnError, SQLAlchemyError, OSError) as error:
            level = logging.INFO if troubled else logging.WARNING
            logger.log(level, "could not %s: %s; trying again", round_.subject, brief(error))
            troubled = True
        await asyncio.sleep(round_.seconds)
