"""
The service: everything made in one place, started and stopped in one order.

One stop event, one task group, one exit stack. Whoever runs the service owns
the signals.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import Settings
from olearn_core.decisions.decider import Decider
from olearn_core.errors import OlearnError, SourceError
from olearn_core.events import DEFAULT
from olearn_core.learning.checkpoint import Checkpointer
from olearn_core.learning.loading import ShardLoader
from olearn_core.learning.progress import Progress
from olearn_core.learning.reading import Reader
from olearn_core.learning.shard import Shard, ShardState
from olearn_core.learning.versions import VersionKeeper
from olearn_core.learning.view import View
from olearn_core.learning.worker import Worker
from olearn_core.plugins import Models, Plugins
from olearn_core.sources.embedded import EmbeddedLog
from olearn_core.sources.intake import Intake
from olearn_core.sources.kafka import KafkaSource
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.sources.publisher import Publisher
from olearn_core.sources.source import Source
from olearn_core.storage import schema
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database, brief
from olearn_core.storage.export import Exporter
from olearn_core.storage.leases import Leases
from olearn_core.storage.ledger import Ledger
from olearn_core.storage.outcome_log import OutcomeLog
from olearn_core.storage.retention import Retention
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.signing_keys import SigningKeys

logger = logging.getLogger(__name__)

MIRROR_SECONDS = 1.0
METRICS_SECONDS = 10.0


class RunState(StrEnum):
    """Where a service is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Service:
    """
    A learner and what decides by it.

    :ivar warnings: what was found wrong at the start and mended
    """

    def __init__(self, settings: Settings, plugins: Plugins, database: Database) -> None:
        self.settings = settings
        self.plugins = plugins
        self.models: Models = plugins.models(settings.decisions.policy, settings.models)
        self.database = database
        self.instance = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self.keys = SigningKeys(database)
        self.ledger = Ledger(database)
        self.state = RunState.STARTING
        self.warnings: list[str] = []
        leases = Leases(database, self.instance)
        shards = ShardStore(database)
        self.source, self.publisher = _log(settings, database, leases)
        self.metrics_publisher = _metrics_publisher(settings)
        self.intake = Intake(self.publisher)
        self.view = View(shards, AdjustmentStore(database), self.models.column_names)
        self.worker = self._worker(shards)
        self.view.follow(self.worker)
        self.progress = Progress(self.view, self.worker, self.ledger)
        self.decider = Decider(self.view, self.models, settings.decisions, self.keys.newest)
        self.retention = Retention(
            database, leases, settings.retention, settings.learning, EmbeddedLog.name
        )
        self.versions = VersionKeeper(
            database,
            leases,
            self.models.predictors,
            self.models.policy,
            self.models.column_names,
            Exporter(settings.versions.storage_path),
        )

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
        if settings.database.upgrades_on_start:
            await schema.upgrade(database)
        await schema.check(database)
        service = cls(settings, plugins, database)
        await service._start(stack)
        return service

    async def _start(self, stack: AsyncExitStack) -> None:
        await self.keys.load()
        self.warnings = await self.versions.check()
        if isinstance(self.source, EmbeddedLog):
            await self.source.start(stack, self.worker)
        else:
            await self.publisher.start(stack)
            await self.source.start(stack, self.worker)
        if self.metrics_publisher is not None:
            await self.metrics_publisher.start(stack)
        await self.view.poll()

    def _worker(self, shards: ShardStore) -> Worker:
        learning = self.settings.learning
        names = self.models.column_names
        return Worker(
            self.source,
            ShardLoader(shards, self.source, names, learning, self.instance),
            Checkpointer(shards, self.source.name, learning),
            self._shard,
            learning,
        )

    def _shard(self, state: ShardState) -> Shard:
        required = self.settings.decisions.require_decision_token
        reader = Reader(state.partition, self.keys.all, require_token=required)
        return Shard(state, self.models.columns, reader, self.settings.learning)

    async def run(self, stop: asyncio.Event) -> None:
        """Learn and save until told to stop; the last batch is learned and saved."""
        self.state = RunState.RUNNING
        async with asyncio.TaskGroup() as tasks:
            poll_seconds = self.settings.learning.poll_interval_seconds
            beside = [
                tasks.create_task(self._poll_forever(poll_seconds), name="view"),
                tasks.create_task(self._mirror_forever(), name="mirror"),
                tasks.create_task(self._publish_metrics_forever(), name="metrics"),
            ]
            # These write: they end by themselves, for a transaction that is cancelled may
            # hold SQLite's lock until its cursor is collected.
            interval = self.settings.versions.save_interval_seconds
            tasks.create_task(self.versions.save_until(stop, interval), name="versions")
            tasks.create_task(self.retention.prune_until(stop), name="retention")
            await self.worker.run(stop)
            self.state = RunState.STOPPING
            for task in beside:
                task.cancel()
        await self._farewell()

    async def _poll_forever(self, seconds: float) -> None:
        while True:
            try:
                await self.view.poll()
            except (OlearnError, SQLAlchemyError, OSError) as error:
                logger.warning("the view is not up to date: %s", brief(error))
            await asyncio.sleep(seconds)

    async def _mirror_forever(self) -> None:
        while True:
            await asyncio.sleep(MIRROR_SECONDS)
            await self.worker.mirror()

    async def _publish_metrics_forever(self) -> None:
        while self.metrics_publisher is not None:
            await asyncio.sleep(METRICS_SECONDS)
            try:
                metrics = await self.progress.metrics(DEFAULT)
                body = metrics.model_dump_json().encode()
                await self.metrics_publisher.publish(self.instance, body)
            except (OlearnError, SQLAlchemyError) as error:
                logger.warning("metrics were not published: %s", brief(error))

    async def _farewell(self) -> None:
        try:
            await self.versions.save_if_learned()
            await self.worker.mirror()
        except (OlearnError, SQLAlchemyError, OSError) as error:
            logger.warning("no version saved at shutdown: %s", brief(error))

    @property
    def problems(self) -> list[str]:
        """What is wrong now, worst first; empty where all is well."""
        subjects = self.view.problems | self.worker.problems
        found = [f"{subject}: {problem}" for subject, problem in subjects.items()]
        broken = {n: p for s in self.worker.shards.values() for n, p in s.broken_columns.items()}
        found += [f"column {name} adds nothing: {problem}" for name, problem in broken.items()]
        failed = [f"plugin {p.name}: {p.problem}" for p in self.plugins.infos if p.problem]
        return [*found, *failed, *self.warnings]

    @property
    def is_ready(self) -> bool:
        """Whether decisions stand on everything that was learned."""
        return (
            self.state == RunState.RUNNING and self.view.as_of > 0 and self.worker.loaded.is_set()
        )


def _log(settings: Settings, database: Database, leases: Leases) -> tuple[Source, Publisher]:
    if settings.kafka.in_use:
        if not settings.kafka.bootstrap_servers:
            raise SourceError("Kafka is enabled, but [kafka] bootstrap_servers is empty")
        return KafkaSource(settings.kafka), KafkaPublisher(settings.kafka)
    embedded = EmbeddedLog(OutcomeLog(database), leases)
    return embedded, embedded


def _metrics_publisher(settings: Settings) -> KafkaPublisher | None:
    topic = settings.kafka.metrics_topic
    return KafkaPublisher(settings.kafka, topic) if settings.kafka.in_use and topic else None
