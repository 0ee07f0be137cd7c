"""One outage at a time, and how a service bears it: what it says and takes, when it resumes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import func, select

from olearn_core.storage.database import Database
from olearn_core.storage.tables import learning_events
from tests.nemesis import verdict
from tests.nemesis.fleet import Life, Worker
from tests.nemesis.log import read_back
from tests.nemesis.oracle import Oracle
from tests.nemesis.parameters import Parameters
from tests.nemesis.producer import Producer
from tests.nemesis.stage import Stage
from tests.support.credentials import HEADERS
from tests.support.services import eventually, open_database

REQUEST_SECONDS = 5.0
SETTLE_SECONDS = 2.0
NOTICE_SECONDS = 20.0
RESUME_SECONDS = 60.0


@dataclass(frozen=True)
class Outage:
    """
    What one outage did to a service.

    :param degraded_seconds: from its beginning until ``/status`` says so
    :param cpu_share: of one core, from two seconds after that until its end
    :param grown_bytes: by how much the resident memory grew
    :param answers: how many requests for the model were answered meanwhile
    :param resumed_seconds: from its end until something was learned again
    :param healthy_seconds: from its end until ``/status`` says so
    """

    kind: str
    seconds: float
    degraded_seconds: float
    cpu_share: float
    grown_bytes: int
    answers: int
    resumed_seconds: float
    healthy_seconds: float


class Patient:
    """A service that learns and answers while a producer sends, to be disturbed."""

    def __init__(self, stage: Stage, worker: Worker, database: Database, url: str) -> None:
        self.stage = stage
        self.worker = worker
        self.database = database
        self._client = httpx2.AsyncClient(
            base_url=f"{url}/api/learning", headers=HEADERS, timeout=REQUEST_SECONDS
        )

    @property
    def life(self) -> Life:
        """Its process; there is only one."""
        return self.worker.life

    async def close(self) -> None:
        """Ask no more."""
        await self._client.aclose()

    async def status(self) -> dict[str, Any]:
        """Return what it says of itself."""
        return (await self._client.get("/status")).raise_for_status().json()

    async def is_(self, health: str) -> bool:
        """Tell whether it says that of itself."""
        return (await self.status())["status"] == health

    async def model(self) -> Any:
        """Ask for what it has learned."""
        return (await self._client.get("/agents/performance")).raise_for_status().json()

    async def newest_update(self) -> float:
        """Return when something was learned last, Unix seconds."""
        newest = select(func.max(learning_events.c.created_at))
        async with self.database.read() as connection:
            return float((await connection.execute(newest)).scalar() or 0.0)

    async def bears(
        self, kind: str, begin: Callable[[], None], end: Callable[[], None], seconds: float
    ) -> Outage:
        """Begin an outage, end it, and return what became of the service."""
        memory = self.life.resident_bytes()
        began = time.monotonic()
        begin()
        await eventually(
            lambda: self.is_("degraded"), "it says that it is degraded", NOTICE_SECONDS
        )
        degraded_seconds = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        watched, used = time.monotonic(), self.life.cpu_seconds()
        answers = await self._asked_until(watched + seconds)
        cpu_share = (self.life.cpu_seconds() - used) / (time.monotonic() - watched)
        grown_bytes = self.life.resident_bytes() - memory
        ended, healed_at = time.monotonic(), time.time()
        end()
        resumed_seconds = await self._resumed(healed_at) - healed_at
        await eventually(lambda: self.is_("healthy"), "it is healthy again", RESUME_SECONDS)
        return Outage(
            kind=kind,
            seconds=ended - began,
            degraded_seconds=degraded_seconds,
            cpu_share=cpu_share,
            grown_bytes=grown_bytes,
            answers=answers,
            resumed_seconds=resumed_seconds,
            healthy_seconds=time.monotonic() - ended,
        )

    async def _asked_until(self, end: float) -> int:
        """Ask once a second: it goes on answering from what it knows."""
        answers = 0
        while time.monotonic() < end:
            assert await self.model()
            answers += 1
            await asyncio.sleep(1.0)
        return answers

    async def _resumed(self, since: float) -> float:
        async def again() -> float:
            newest = await self.newest_update()
            return newest if newest > since else 0.0

        return float(await eventually(again, "it learns again", RESUME_SECONDS))


@asynccontextmanager
async def patient(parameters: Parameters, folder: Path) -> AsyncIterator[Patient]:
    """Run a service on a stage with a producer; at the end, nothing may be lost or doubled."""
    with Stage(parameters, folder) as stage:
        await stage.prepare()
        async with AsyncExitStack() as stack:
            database = await open_database(stage.url, stack)
            worker = stage.worker("patient", role="all")
            stack.push_async_callback(worker.stop)
            await worker.start()
            found = Patient(stage, worker, database, await worker.answers())
            stack.push_async_callback(found.close)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                producer = Producer(stage.bootstrap, stage.topic, parameters)
                tasks.create_task(producer.run(stop))
                await eventually(lambda: found.is_("healthy"), "it is healthy", RESUME_SECONDS)
                await found._resumed(0.0)
                try:
                    yield found
                finally:
                    stop.set()
            await _must_be_whole(found)


async def _must_be_whole(patient: Patient) -> None:
    stage, oracle = patient.stage, Oracle()
    partitions = stage.parameters.partitions
    ends = await read_back(stage.bootstrap, stage.topic, partitions, oracle)

    async def whole() -> bool:
        return not await verdict.violations(patient.database, oracle, ends)

    try:
        await eventually(whole, "", RESUME_SECONDS)
    except AssertionError:
        raise AssertionError(await verdict.violations(patient.database, oracle, ends)) from None
