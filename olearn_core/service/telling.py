"""What a service tells as it happens: the live stream, and the alerts' way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack

from olearn_core.alerts.watch import Alerts
from olearn_core.learning.views.view import View
from olearn_core.live.follower import Follower
from olearn_core.live.hub import METRICS, Hub, Reader
from olearn_core.live.pulse import Measure, Pulse
from olearn_core.schemas import AlertBody, SnapshotEvent
from olearn_core.service.alert_topic import AlertTopic
from olearn_core.service.rounds import Round
from olearn_core.service.vital_signs import VitalSigns
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.times import rfc3339

FOLLOW_SECONDS = 0.5
BEAT_SECONDS = 1.0
TOPIC_SECONDS = 1.0


class Telling:
    """
    Tells readers, the topic of alerts and whoever asks what is going on.

    :param node: who says so
    :param measure: returns the metrics of a tenant, as one may see them who is confined or not
    :param publisher: to the topic of alerts, None for nowhere
    :ivar hub: what readers follow
    """

    def __init__(
        self,
        node: str,
        hub: Hub,
        follower: Follower,
        measure: Measure,
        alerts: Alerts,
        vital_signs: VitalSigns,
        view: View,
        publisher: KafkaPublisher | None,
    ) -> None:
        self._node = node
        self.hub = hub
        self._follower = follower
        self._pulse = Pulse(hub, measure)
        self._alerts = alerts
        self._vital_signs = vital_signs
        self._view = view
        self._publisher = publisher
        self._topic = AlertTopic(publisher) if publisher else None
        self._looked_at = 0.0

    async def start(self, stack: AsyncExitStack) -> None:
        """
        See where everything stands, and connect to the topic of alerts.

        :raises OlearnError: where the database or the broker does not answer
        """
        if self._publisher is not None:
            await self._publisher.start(stack)
        await self._follower.start(self._view.headers)

    def rounds(self, alert_seconds: float) -> Iterator[Round]:
        """Return what is done again and again, beside learning."""
        yield Round("look for alerts", alert_seconds, self.look_for_alerts)
        yield Round("follow what was saved", FOLLOW_SECONDS, self._follow)
        yield Round("tell readers the metrics", BEAT_SECONDS, self._pulse.beat)
        if self._topic is not None:
            yield Round("send alerts", TOPIC_SECONDS, self._topic.flush)

    async def look_for_alerts(self) -> None:
        """Look, and tell everybody what has begun and what is over."""
        vitals = await self._vital_signs.read()
        for edge in self._alerts.look(vitals):
            body = edge.body(self._node)
            self.hub.publish("alert", body, body.tenant)
            if self._topic is not None:
                self._topic.note(body)
        self._looked_at = vitals.at

    async def farewell(self) -> None:
        """Send the alerts that still wait, as far as the broker takes them at once."""
        if self._topic is not None:
            await self._topic.finish()

    @property
    def lost_alerts(self) -> int:
        """How many alerts the topic was never told."""
        return self._topic.lost if self._topic else 0

    @property
    def looked_at(self) -> str | None:
        """When alerts were looked for last."""
        return rfc3339(self._looked_at)

    def firing(self, tenant: str | None) -> list[AlertBody]:
        """Return the alerts that a tenant may know of, the worst first; None is for all."""
        return self._alerts.firing(tenant, self._node)

    def resolved(self, tenant: str | None) -> list[AlertBody]:
        """Return those that are over, newest first."""
        return self._alerts.recent(tenant, self._node)

    async def snapshot(self, reader: Reader, topics: Collection[str], missed: int) -> SnapshotEvent:
        """Return how things are now, for a reader, of these topics."""
        metrics = None
        if METRICS in topics:
            metrics = await self._pulse.now(reader.tenant, reader.confined_to)
        return SnapshotEvent(
            metrics=metrics,
            alerts=self.firing(reader.confined_to),
            view_version=self._view.version,
            missed=missed,
            as_of=rfc3339(self._view.as_of),
        )

    async def _follow(self) -> None:
        await self._follower.look(self._view.headers)
