"""The topic of alerts while its broker is away: nothing stalls, and nothing is lost in silence."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from olearn_core.alerts.alert import Alert
from olearn_core.decisions.question import Question
from olearn_core.errors import EventError, SourceError
from olearn_core.schemas import AlertBody
from olearn_core.service.alert_topic import AlertTopic
from olearn_core.sources.publisher import Publisher
from tests.api.conftest import Serving
from tests.servers import free_ports
from tests.servers.fixtures import create_topic
from tests.servers.proxy import Proxy
from tests.servers.tansu import Tansu
from tests.support.services import eventually

OUTAGE_SECONDS = 60.0
EDGES = ("firing", "resolved")
Edge = tuple[str, str]


class Broker(Publisher):
    """A topic that takes what it is told, unless it is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.taken: list[tuple[str, str, str]] = []

    async def start(self, stack: AsyncExitStack) -> None:
        """Do nothing."""

    async def publish(self, key: str, value: bytes) -> int:
        if self.is_away:
            raise SourceError("the broker is away")
        if b"too large" in value:
            raise EventError("the outcome is larger than the Kafka topic takes")
        alert = AlertBody.model_validate_json(value)
        self.taken.append((key, alert.id, alert.state))
        return len(self.taken)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def body(number: int, state: str = "firing", message: str = "") -> AlertBody:
    return AlertBody(
        id=f"drift-{number}",
        dedup_key=f"drift/acme/{number}",
        kind="drift",
        severity="warning",
        state="firing" if state == "firing" else "resolved",
        tenant="acme",
        subject=[str(number)],
        message=message,
        since="",
        node="n",
    )


async def test_what_came_while_the_broker_was_away_is_sent_in_its_order(broker: Broker) -> None:
    topic = AlertTopic(broker)
    broker.is_away = True
    topic.note(body(1))
    topic.note(body(1, "resolved"))
    with pytest.raises(SourceError):
        await topic.flush()
    broker.is_away = False
    await topic.flush()
    await topic.flush()
    key = "drift/acme/1"
    assert broker.taken == [(key, "drift-1", "firing"), (key, "drift-1", "resolved")]
    assert topic.lost == 0


async def test_where_too_many_wait_the_oldest_is_named_and_counted(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    topic = AlertTopic(broker, most_waiting=2)
    for number in range(3):
        topic.note(body(number))
    await topic.flush()
    assert [alert_id for _, alert_id, _ in broker.taken] == ["drift-1", "drift-2"]
    assert topic.lost == 1
    assert "drift/acme/0 is firing: more than 2 wait" in caplog.text


async def test_one_that_the_topic_never_takes_does_not_stop_the_others(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    topic = AlertTopic(broker)
    topic.note(body(1, message="too large"))
    topic.note(body(2))
    await topic.flush()
    assert [alert_id for _, alert_id, _ in broker.taken] == ["drift-2"]
    assert topic.lost == 1
    assert "drift/acme/1" in caplog.text


async def test_at_shutdown_the_rest_is_sent_or_named(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    topic = AlertTopic(broker)
    topic.note(body(1))
    await topic.finish()
    assert len(broker.taken) == 1
    broker.is_away = True
    topic.note(body(2))
    await topic.finish()
    assert topic.lost == 1
    assert "drift/acme/2 is firing: the service stops, and the broker is away" in caplog.text


def test_all_nodes_give_the_same_key_to_what_they_all_see() -> None:
    drift = Alert("drift", ("ada", "a/b", "success"), 1.0, "", "acme")
    later = Alert("drift", ("ada", "a/b", "success"), 2.0, "again", "acme")
    assert drift.dedup_key("node-1") == later.dedup_key("node-2") == "drift/acme/ada/a%2Fb/success"
    lag = Alert("lag", (), 1.0, "")
    assert lag.dedup_key("node-1") == "lag/@node-1"
    assert lag.dedup_key("node-2") == "lag/@node-2"


@pytest.mark.kafka
@pytest.mark.timeout(4 * OUTAGE_SECONDS)
async def test_an_outage_stalls_nobody_and_is_told_when_it_is_over(
    serving: Serving, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    with Tansu(tmp_path, advertised=port) as tansu, Proxy(tansu.port, port) as proxy:
        kafka = await topics(proxy.bootstrap)
        async with serving(kafka=kafka, alerts={"interval_seconds": 0.02}) as api:
            book = api.service.alerts.book
            proxy.cut()
            await eventually(lambda: book.firing, seconds=OUTAGE_SECONDS)
            shown = (await api.get("/alerts")).json()["firing"]
            assert shown[0]["kind"] == "fault"
            question = Question("default", "code", {}, ["ada", "bob"])
            assert api.service.decider.decide(question).agent in ("ada", "bob")
            proxy.heal()
            await eventually(lambda: not book.firing, seconds=OUTAGE_SECONDS)
            over = [entry.id for entry in book.recent]
            expected = {(alert_id, state) for alert_id in over for state in EDGES}
            told = await told_by(kafka["alerts_topic"], proxy.bootstrap, expected)
            assert api.service.telling.lost_alerts == 0
    for ended in over:
        assert [state for alert_id, state in told if alert_id == ended] == list(EDGES)


@pytest.mark.kafka
@pytest.mark.timeout(4 * OUTAGE_SECONDS)
async def test_a_service_that_stops_during_an_outage_names_what_was_not_told(
    serving: Serving, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    with Tansu(tmp_path, advertised=port) as tansu, Proxy(tansu.port, port) as proxy:
        kafka = await topics(proxy.bootstrap)
        async with serving(kafka=kafka, alerts={"interval_seconds": 0.02}) as api:
            proxy.cut()
            await eventually(lambda: api.service.alerts.book.firing, seconds=OUTAGE_SECONDS)
    assert api.service.telling.lost_alerts > 0
    assert "is firing: the service stops, and" in caplog.text


async def topics(servers: str) -> dict[str, str]:
    """Return settings with topics of their own, for outcomes and for alerts."""
    outcomes, alerts = [await create_topic(servers, 1) for _ in range(2)]
    found = {"bootstrap_servers": servers, "outcome_topic": outcomes}
    return found | {"group": outcomes, "alerts_topic": alerts}


async def told_by(topic: str, servers: str, expected: set[Edge]) -> list[Edge]:
    """Return what a topic tells, repeats left out, once all that is expected is there."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    told: dict[Edge, None] = {}

    async def all_told() -> bool:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                alert = AlertBody.model_validate_json(record.value)
                assert record.key == alert.dedup_key.encode()
                told[alert.id, alert.state] = None
        return expected <= told.keys()

    try:
        await eventually(all_told, lambda: f"{expected - told.keys()}", OUTAGE_SECONDS)
    finally:
        await consumer.stop()
    return list(told)
