"""The parts of a service: every object is made here, once, and handed down."""

from __future__ import annotations

import os
import socket

import olearn_core
from olearn_core.alerts.watch import Alerts
from olearn_core.auth.authenticator import Authenticator
from olearn_core.config import Settings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.foresight import Foresight
from olearn_core.decisions.log_writer import DecisionWriter
from olearn_core.decisions.pacing import Pacing
from olearn_core.decisions.validation import Validation
from olearn_core.learning.shards.loading import ShardLoader
from olearn_core.learning.shards.recent import RecentOutcomes
from olearn_core.learning.versions.rollback import Rollbacks
from olearn_core.learning.versions.versions import VersionKeeper
from olearn_core.learning.views.agent_records import RecordKeeper
from olearn_core.learning.views.lags import Lags
from olearn_core.learning.views.progress import Progress
from olearn_core.learning.views.returns import default_outcome
from olearn_core.learning.views.tenant_progress import of_tenant
from olearn_core.learning.views.view import View
from olearn_core.learning.workers.checkpoint import Checkpointer
from olearn_core.learning.workers.worker import Worker
from olearn_core.live.follower import Follower
from olearn_core.live.hub import Hub
from olearn_core.metrics.instruments import Instruments
from olearn_core.plugins import Models, Plugins
from olearn_core.schemas import MetricsResponse
from olearn_core.service.agent_readings import AgentReadings
from olearn_core.service.ailments import Ailments
from olearn_core.service.findings import Findings
from olearn_core.service.polling import Polling
from olearn_core.service.presence import Presence
from olearn_core.service.shard_maker import ShardMaker
from olearn_core.service.telling import Telling
from olearn_core.service.vital_signs import VitalSigns
from olearn_core.sources.configured import outcome_log, topic_publisher
from olearn_core.sources.embedded import EmbeddedLog
from olearn_core.sources.intake import Intake
from olearn_core.sources.kafka_decisions import KafkaDecisions
from olearn_core.statistics import IntArray
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.dead_letters import DeadLetterStore, Wanted
from olearn_core.storage.decision_log import DecisionLog
from olearn_core.storage.export import Exporter
from olearn_core.storage.leases import Leases
from olearn_core.storage.ledger import Ledger
from olearn_core.storage.nodes import NodeStore
from olearn_core.storage.retention import Retention
from olearn_core.storage.retired_agents import RetiredAgents
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.signing_keys import SigningKeys
from olearn_core.tracing.configured import spans_for


class Parts:
    """
    What a service is made of; nothing is started yet.

    :ivar ailments: what is wrong
    :ivar findings: what the ledger tells of the last day: lost records, resets
    :ivar polling: what keeps the view up to date
    """

    def __init__(self, settings: Settings, plugins: Plugins, database: Database) -> None:
        self.settings = settings
        self.plugins = plugins
        self.models: Models = plugins.models(settings.decisions.policy, settings.models)
        self.database = database
        self.instance = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self.keys = SigningKeys(database)
        self.authenticator = Authenticator(database, settings.auth, settings.jwt)
        self.ledger = Ledger(database)
        self.instruments = Instruments(settings.metrics)
        self.spans = spans_for(settings.tracing, self.instance, olearn_core.__version__)
        self.findings = Findings(self.ledger)
        self.recent = RecentOutcomes()
        leases = Leases(database, self.instance)
        shards = ShardStore(database)
        self.source, self.publisher = outcome_log(settings.kafka, database, leases)
        self.metrics_publisher = topic_publisher(settings.kafka, settings.kafka.metrics_topic)
        self.decision_publisher = topic_publisher(settings.kafka, settings.kafka.decisions_topic)
        self.decision_writer = self._decision_writer()
        self.shard_maker = ShardMaker(
            settings, self.source, self.models.table_columns, self.keys, self.recent.note
        )
        self.intake = Intake(
            self.publisher, self.shard_maker.tenants_of(settings.kafka.outcome_topic)
        )
        self.view = View(
            shards,
            AdjustmentStore(database),
            self.models.column_names,
            most_source_share=settings.learning.most_source_share,
            wait_seconds=60.0 * settings.decisions.reward_wait_minutes,
            default=self._default_outcome(),
        )
        self.worker = self._worker(shards)
        self.view.follow(self.worker)
        self.polling = Polling(self.view, self.worker.notice)
        self.lags = Lags(self.worker)
        self.progress = Progress(self.view, self.worker, self.ledger, self.lags)
        self.records = RecordKeeper(self.view)
        self.validation = Validation(self.view)
        self.retired = RetiredAgents(database)
        self.presence = Presence(NodeStore(database), self.instance, settings.service.role)
        self.pacing = Pacing(self.view)
        self.alerts = Alerts(self.view, settings.alerts)
        self.agent_readings = AgentReadings(self.view, settings.metrics)
        self.foresight = Foresight(self.view, self.models)
        self.decider = Decider(
            self.foresight,
            self.models,
            settings.decisions,
            self.keys.newest,
            self.decision_writer.note,
            self.pacing,
            watch=self.alerts.note,
            measure=self.instruments.note_decision,
            spans=self.spans,
            retired=self.retired.names,
        )
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
        self.rollbacks = Rollbacks(
            database, self.versions, self.models.predictors, self.models.column_names
        )
        self.ailments = Ailments(
            self.view,
            self.polling,
            self.worker,
            self.authenticator,
            self.decision_writer,
            self.decider.faults,
            self.alerts,
            self.findings,
            plugins,
        )
        hub = Hub(settings.api.most_stream_readers, settings.api.most_streams_of_one)
        self.follower = Follower(hub, self.versions.store, DeadLetterStore(database))
        vital_signs = VitalSigns(
            self.view,
            self.worker,
            self.lags,
            self.ledger,
            self.follower,
            self.instruments,
            lambda: self.ailments.faults,
            settings.alerts,
        )
        alerts_publisher = topic_publisher(settings.kafka, settings.kafka.alerts_topic)
        self.telling = Telling(
            self.instance,
            hub,
            self.follower,
            self.metrics,
            self.alerts,
            vital_signs,
            self.view,
            alerts_publisher,
        )

    @property
    def learns(self) -> bool:
        """Whether this node is a learner."""
        return self.settings.service.role != "api"

    @property
    def answers(self) -> bool:
        """Whether this node takes outcomes and decides."""
        return self.settings.service.role != "learner"

    def _decision_writer(self) -> DecisionWriter:
        """Return a writer to Kafka where that is told, beside the embedded log otherwise."""
        if self.decision_publisher is not None:
            return DecisionWriter(KafkaDecisions(self.decision_publisher).append)
        kept = not self.settings.kafka.in_use
        return DecisionWriter(DecisionLog(self.database).append if kept else None)

    def _default_outcome(self) -> IntArray | None:
        """Return what is learned of a decision without outcome: a success of so much."""
        reward = self.settings.decisions.default_reward
        return None if reward is None else default_outcome(self.models.columns, reward)

    def _worker(self, shards: ShardStore) -> Worker:
        learning = self.settings.learning
        names = [column.name for column in self.models.table_columns]
        return Worker(
            self.source,
            ShardLoader(shards, self.source, names, learning, self.instance),
            Checkpointer(
                shards, self.source.name, learning, self.instruments.note_update, self.spans
            ),
            self.shard_maker.shard,
            learning,
            prepare=self.shard_maker.know_keys,
            gives_way=lambda: self.foresight.was_asked_lately,
        )

    async def metrics(self, tenant: str, confined_to: str | None) -> MetricsResponse:
        """Tell how learning goes: for an operator of the whole service, else of the tenant."""
        whole = await self.progress.metrics(tenant)
        if confined_to is None:
            return whole
        letters = await DeadLetterStore(self.database).counts(Wanted(tenant=confined_to))
        return of_tenant(whole, self.view, confined_to, letters.total)
