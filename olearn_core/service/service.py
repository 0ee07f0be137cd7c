"""
The service: its parts, started and stopped in one order.

One stop event, one task group, one exit stack. Whoever runs the service owns
the signals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from enum import StrEnum
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import Settings
from olearn_core.errors import OlearnError, StorageError
from olearn_core.events import DEFAULT
from olearn_core.learning.workers.watchdog import Watchdog
from olearn_core.plugins import Plugins
from olearn_core.service.parts import Parts
from olearn_core.service.presence import node_state
from olearn_core.service.rounds import Round, walk
from olearn_core.sources.embedded import EmbeddedLog
from olearn_core.storage import schema
from olearn_core.storage.database import Database, brief
from olearn_core.storage.nodes import NodeState

logger = logging.getLogger(__name__)

MIRROR_SECONDS = 1.0
PROBE_SECONDS = 1.0
FINDINGS_SECONDS = 5.0
KEYS_SECONDS = 5.0
RETIRED_SECONDS = 0.5
FIT_SECONDS = 0.25
METRICS_SECONDS = 10.0
WATCHDOG_SECONDS = 120.0


class RunState(StrEnum):
    """Where a service is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Service(Parts):
    """A learner and what decides by it."""

    def __init__(self, settings: Settings, plugins: Plugins, database: Database) -> None:
        super().__init__(settings, plugins, database)
        self.state = RunState.STARTING

    @classmethod
    async def open(
        cls, settings: Settings, stack: AsyncExitStack, plugins: Plugins | None = None
    ) -> Self:
        """
        Make a service that is ready to run; everything is closed when the stack unwinds.

        :raises OlearnError: saying what is missing, before anything is learned
        """
        plugins = plugins or Plugins.found(settings.plugins.disabled)
        database = await Database.open(settings.database, stack)
        try:
            if settings.database.upgrades_on_start:
                await schema.upgrade(database)
            await schema.check(database)
            service = cls(settings, plugins, database)
            await service._start(stack)
        except SQLAlchemyError as error:
            away = f"the database {database.url} went away during the start"
            raise StorageError(f"{away}: {brief(error)}") from error
        return service

    async def _start(self, stack: AsyncExitStack) -> None:
        stack.push_async_callback(asyncio.to_thread, self.spans.close)
        await self.keys.load()
        await self.retired.refresh()
        self.ailments.warnings = await self.versions.check()
        await self._start_log(stack)
        if self.metrics_publisher is not None:
            await self.metrics_publisher.start(stack)
        if self.decision_publisher is not None and self.answers:
            await self.decision_publisher.start(stack)
        self.decision_writer.start(stack)
        await self.polling.start()
        await self.telling.start(stack)

    async def _start_log(self, stack: AsyncExitStack) -> None:
        listener = self.worker if self.learns else None
        if isinstance(self.source, EmbeddedLog):
            await self.source.start(stack, listener)
            return
        if self.answers:
            await self.publisher.start(stack)
        if listener is not None:
            await self.source.start(stack, listener)

    async def run(self, stop: asyncio.Event) -> None:
        """Learn and save until told to stop; the last batch is learned and saved."""
        self.state = RunState.RUNNING
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(walk(r), name=r.subject) for r in self._rounds()]
            # These write: they end by themselves, for a transaction that is cancelled may
            # hold SQLite's lock until its cursor is collected.
            interval = self.settings.versions.save_interval_seconds
            tasks.create_task(self.versions.save_until(stop, interval), name="versions")
            tasks.create_task(self.retention.prune_until(stop), name="retention")
            tasks.create_task(self.decision_writer.write_until(stop), name="decisions")
            tasks.create_task(self.presence.tell_until(stop, self._said), name="presence")
            tasks.create_task(self.authenticator.watch_until(stop), name="credentials")
            await self._learn(stop)
            self.state = RunState.STOPPING
            for task in beside:
                task.cancel()
        await self._farewell()

    async def _learn(self, stop: asyncio.Event) -> None:
        if not self.learns:
            await stop.wait()
            return
        watchdog = Watchdog(lambda: self.worker.turns, WATCHDOG_SECONDS)
        with watchdog.watching():
            await self.worker.run(stop)
            with suppress(TimeoutError):
                async with asyncio.timeout(MIRROR_SECONDS):
                    await self.worker.mirror()
            await self.source.stop()  # first of all: others take over while we tidy up

    def _rounds(self) -> Iterable[Round]:
        """Return what goes on beside learning; it only reads, and may be cancelled."""
        alerts = self.settings.alerts
        yield Round(
            "read what others learned",
            self.settings.learning.poll_interval_seconds,
            self.polling.poll,
        )
        yield Round("fit estimates", FIT_SECONDS, self.foresight.refresh)
        yield Round("read who is retired", RETIRED_SECONDS, self.retired.refresh)
        yield Round("read the ledger", FINDINGS_SECONDS, self.findings.look)
        yield Round("read the signing keys", KEYS_SECONDS, self.keys.refresh)
        yield from self.telling.rounds(alerts.interval_seconds)
        yield Round("look for drift", alerts.drift_interval_seconds, self.alerts.look_for_drift)
        if self.learns:
            yield Round("mirror offsets", MIRROR_SECONDS, self.worker.mirror)
            yield Round("probe the source", PROBE_SECONDS, self._probe)
        if (provider := self.authenticator.provider) is not None:
            seconds = self.settings.jwt.jwks_lifespan_seconds
            yield Round("read the identity provider's keys", seconds, provider.refresh)
        if self.metrics_publisher is not None:
            yield Round("publish metrics", METRICS_SECONDS, self._publish_metrics)

    def _said(self) -> NodeState:
        """Return what this node tells the others of itself."""
        return node_state(self.worker, self.lags, self.problems)

    async def _probe(self) -> None:
        await self.worker.probe()
        self.lags.look()

    async def _publish_metrics(self) -> None:
        if self.metrics_publisher is not None:
            metrics = await self.progress.metrics(DEFAULT)
            await self.metrics_publisher.publish(self.instance, metrics.model_dump_json().encode())

    async def _farewell(self) -> None:
        await self.telling.farewell()
        try:
            await self.versions.save_if_learned()
        except (OlearnError, SQLAlchemyError, OSError) as error:
            logger.warning("no version saved at shutdown: %s", brief(error))

    @property
    def problems(self) -> list[str]:
        """What is wrong now, worst first; empty where all is well."""
        return self.ailments.sentences

    @property
    def is_ready(self) -> bool:
        """Whether decisions stand on everything that was learned."""
        loaded = self.worker.loaded.is_set() or not self.learns
        return self.state == RunState.RUNNING and self.view.as_of > 0 and loaded
