"""Telling the other nodes that this one is there, and how far it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.learning.views.lags import Lags
from olearn_core.learning.workers.worker import Worker
from olearn_core.storage.database import brief
from olearn_core.storage.nodes import Node, NodeLag, NodeState, NodeStore
from olearn_core.times import came

logger = logging.getLogger(__name__)

TELL_SECONDS = 2.0
ALIVE_SECONDS = 10.0
MOST_PROBLEMS = 10
LONGEST_PROBLEM = 300

Say = Callable[[], NodeState]


class Presence:
    """
    Writes this node's row for as long as it runs.

    :param role: of the node, see `[service] role`
    :ivar store: rows of all nodes
    """

    def __init__(self, store: NodeStore, instance: str, role: str) -> None:
        self.store = store
        self.instance = instance
        self._role = role
        self._version = version("olearn")
        self._started_at = time.time()

    async def tell_until(self, stop: asyncio.Event, say: Say) -> None:
        """Tell every two seconds; the row goes away with a graceful stop."""
        await self._borne(self._tell(say))
        while not await came(stop, TELL_SECONDS):
            await self._borne(self._tell(say))
        await self._borne(self.store.leave(self.instance))

    async def _tell(self, say: Say) -> None:
        now = time.time()
        mine = (self.instance, self._role, self._version, say(), self._started_at, now)
        await self.store.tell(Node(*mine))

    async def _borne(self, step: Awaitable[None]) -> None:
        """A database that is away must not end the learning beside it."""
        try:
            await step
        except (SQLAlchemyError, OSError) as error:
            logger.info("could not tell that this node is there: %s", brief(error))


def node_state(worker: Worker, lags: Lags, problems: Sequence[str]) -> NodeState:
    """Return what a node with this worker says of itself."""
    ends = {shard.partition: end for shard, end in worker.ends()}
    return NodeState(
        partitions=sorted(map(str, worker.partitions)),
        lags={
            str(lag.partition): NodeLag(ends[lag.partition], lag.records, lag.seconds)
            for lag in lags.of_partitions()
        },
        problems=[problem[:LONGEST_PROBLEM] for problem in problems[:MOST_PROBLEMS]],
    )
