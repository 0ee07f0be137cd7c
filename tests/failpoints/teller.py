"""
Workers that live through a story, in processes that fail where they are told to.

``python -m tests.failpoints.teller`` reads a plan a line, forks a process for it,
waits until that has ended or stands still, and writes how.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError
from sqlalchemy.exc import OperationalError

from olearn_core.config import DatabaseSettings, KafkaSettings
from olearn_core.sources.kafka import KafkaSource
from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from tests.failpoints.failpoints import (
    Fail,
    Failpoints,
    fail,
    freeze,
    leave,
)
from tests.failpoints.story import COLUMNS, PARTITIONS, Session, Story, empty_log, write
from tests.support.workers import Rig, WrittenLog

DONE, NOT_REACHED, REFUSED = 0, 4, 5
PATIENCE_SECONDS = 150

FAILURES: dict[str, Fail] = {
    "": lambda _: None,
    "exit": leave,
    "hang": freeze,
    "exception": fail,
}


class MirroredLog(WrittenLog):
    """A written log whose offsets are mirrored by the Kafka source's own code."""

    def __init__(self, failpoints: Failpoints) -> None:
        super().__init__()
        self.partitions = empty_log().partitions
        self._failpoints = failpoints
        self._kafka = KafkaSource(KafkaSettings(bootstrap_servers="nowhere:1"))
        self._kafka._consumer = SimpleNamespace(commit=self._commit)

    def resume(self, partition: Partition, offset: int) -> None:
        self._failpoints.hit("before resuming")
        super().resume(partition, offset)
        self._failpoints.hit("after resuming")

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        await self._kafka.mirror(offsets)

    async def _commit(self, offsets: Any) -> None:
        try:
            self._failpoints.hit("before mirroring")
            self._failpoints.hit("after mirroring")
        except (OSError, OperationalError) as error:
            raise KafkaConnectionError(error) from error


class Teller:
    """Lives through a story and fails on the way."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self.failpoints = Failpoints(plan["name"], plan["nth"], self._fail)
        self._now = 0.0
        self._rig: Rig | None = None
        self._waking: asyncio.Task[None] | None = None

    def _fail(self, waiting: Any) -> None:
        FAILURES[self._plan["mode"]](waiting)
        if self._plan["mode"] == "hang" and self._rig is not None:
            # What a client finds out that has slept too long: its partitions are gone.
            lost = self._rig.worker.revoked(PARTITIONS)
            self._waking = asyncio.get_running_loop().create_task(lost)

    async def tell(self) -> int:
        """Live through all sessions; the first one that was interrupted is the last."""
        story = Story(self._plan["seed"])
        log = MirroredLog(self.failpoints)
        async with AsyncExitStack() as stack:
            settings = DatabaseSettings(url=self._plan["url"])
            database = await Database.open(settings, stack)
            self.failpoints.watch(database)
            for session in story.sessions:
                await self._live(session, database, log)
                if self._waking is not None:
                    await self._waking
                    return DONE
        return DONE if self.failpoints.fired or not self._plan["name"] else NOT_REACHED

    async def _live(self, session: Session, database: Database, log: WrittenLog) -> None:
        self._now = session.nows[0]
        self._rig = rig = Rig(
            database, log, clock=lambda: self._now, columns=COLUMNS, **session.learning
        )
        await rig.start(None)
        await rig.caught_up()
        for part, self._now in zip(session.parts, session.nows, strict=True):
            if self._waking is None:
                write(log, part)
            await rig.caught_up()
            await rig.worker.mirror()
        await rig.stop()
        assert self._waking or not rig.worker.problems, rig.worker.problems


class Refusals(logging.Handler):
    """Counts how often a worker was told that somebody else owns what it had."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self.count += "fenced" in message or "Another worker owns" in message


def child(plan: Mapping[str, Any]) -> None:
    """Do what the plan says, and end."""
    signal.alarm(PATIENCE_SECONDS)
    random.seed(repr(plan))
    logger, refusals = logging.getLogger("olearn_core"), Refusals()
    logger.addHandler(refusals)
    code = 1
    try:
        code = asyncio.run(Teller(plan).tell())
        if code == DONE and refusals.count:
            code = REFUSED
    except BaseException:  # noqa: BLE001 - it is the end of a process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork for every plan; a plan with a process id is to wake that one."""
    for line in sys.stdin:
        plan = json.loads(line)
        if "wake" in plan:
            pid = plan["wake"]
            os.kill(pid, signal.SIGCONT)
        elif not (pid := os.fork()):
            child(plan)
        _, status = os.waitpid(pid, os.WUNTRACED)
        print(json.dumps([pid, status]), flush=True)


if __name__ == "__main__":
    main()
