"""SIGTERM in the middle of a batch: quickly gone, nothing learned twice, the next one goes on."""

from __future__ import annotations

import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from olearn_core.config import KafkaSettings
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from tests.failpoints.fleet import Fleet
from tests.failpoints.learners import Learner, Learners, assert_learned_once
from tests.failpoints.story import taught
from tests.support.events import stream
from tests.support.services import GROUP_SECONDS, eventually, open_database

PROOF = bool(os.environ.get("OLEARN_PROOF"))
STOPS = 200 if PROOF else 3
PARTITIONS = 2
# The others hear of it at a heartbeat, a third of a session; then Tansu waits seconds for joins.
ON_APACHE = os.environ.get("OLEARN_TEST_KAFKA") == "apache"
SESSION_SECONDS, HAND_OVER_SECONDS = (3.0, 2.0) if ON_APACHE else (6.0, 10.0)

pytestmark = [
    pytest.mark.alone,
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.promise("P10"),
    pytest.mark.timeout(7_200 if PROOF else 900),
]


class Stop(NamedTuple):
    """What a SIGTERM came to."""

    exit_seconds: float
    hand_over_seconds: float


async def test_a_learner_that_is_told_to_stop_hands_over_all_it_has_learned(
    tmp_path: Path, postgres_url: str, kafka_broker: Any, kafka_topic: Any
) -> None:
    now = time.time()
    kafka = {
        "bootstrap_servers": kafka_broker.bootstrap,
        "outcome_topic": await kafka_topic(PARTITIONS),
        "session_timeout_ms": round(SESSION_SECONDS * 1_000),
        "group": tmp_path.name,
    }
    settings = {
        "api": {"port": 0},
        "database": {"url": postgres_url},
        "kafka": kafka,
        "versions": {"storage_path": str(tmp_path / "models")},
        # Whatever is saved is saved at the end: SIGTERM always comes between two checkpoints.
        "learning": {"checkpoint_interval_seconds": 1_000.0},
    }
    fleet = Fleet(KafkaSettings(**kafka), stream(4, 200_000, now), per_second=200)
    async with AsyncExitStack() as stack:
        database = await open_database(postgres_url, stack)
        learners = Learners(settings, tmp_path, stack)
        await learners.join()
        async with fleet.working():
            stops = [await _stopped(database, learners) for _ in range(STOPS)]
        (last,) = learners.alive
        await eventually(lambda: _knows(last, taught(fleet.sent)), "all is learned", GROUP_SECONDS)
        assert await learners.end(last, signal.SIGTERM) == 0
        await assert_learned_once(database, fleet.sent, now)
    print(*stops, sep="\n")
    assert max(stop.exit_seconds for stop in stops) < 5.0
    assert max(stop.hand_over_seconds for stop in stops) < HAND_OVER_SECONDS


async def _stopped(database: Database, learners: Learners) -> Stop:
    """Let an heir join, end the older learner, and see how soon the heir has everything."""
    (older,) = learners.alive
    heir = await learners.join()
    await eventually(lambda: _owned(database, heir), "both have partitions", GROUP_SECONDS)
    before = await older.samples()
    await eventually(lambda: _knows(older, before + 50), "it is in the middle of learning")
    shown = await older.samples()
    started = time.monotonic()
    assert await learners.end(older, signal.SIGTERM) == 0
    exit_seconds = time.monotonic() - started
    assert older.took_leave, "the group need not wait for the end of its session"
    saved = sum(header.counters["samples"] for header in await ShardStore(database).headers())
    assert saved >= shown, "what it had learned is saved: nobody needs to learn it again"

    async def handed_over() -> bool:
        return await _owned(database, heir) == PARTITIONS

    await eventually(handed_over, "the heir has all partitions", GROUP_SECONDS)
    return Stop(exit_seconds, time.monotonic() - started)


async def _knows(learner: Learner, samples: int) -> bool:
    return await learner.samples() >= samples


async def _owned(database: Database, learner: Learner) -> int:
    """Return how many shards are a learner's."""
    return sum(learner.owns(header) for header in await ShardStore(database).headers())
