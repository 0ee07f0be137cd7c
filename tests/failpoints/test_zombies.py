"""A learner that slept while somebody else took its partitions over can never overwrite it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from olearn_core.config import KafkaSettings
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from tests.failpoints.fleet import Fleet
from tests.failpoints.learners import Learner, Learners, assert_learned_once, saved
from tests.support.events import stream
from tests.support.services import GROUP_SECONDS, eventually, open_database

PROOF = bool(os.environ.get("OLEARN_PROOF"))
PAUSES = 24 if PROOF else 2
PARTITIONS = 4

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.promise("P3"),
    pytest.mark.timeout(3_600 if PROOF else 900),
]


async def test_a_learner_that_wakes_after_its_session_is_refused(
    tmp_path: Path, postgres_url: str, kafka_broker: Any, kafka_topic: Any
) -> None:
    now = time.time()
    kafka = {
        "bootstrap_servers": kafka_broker.bootstrap,
        "outcome_topic": await kafka_topic(PARTITIONS),
        "session_timeout_ms": 2_000,
        "group": tmp_path.name,
    }
    settings = {
        "api": {"port": 0},
        "database": {"url": postgres_url},
        "kafka": kafka,
        "versions": {"storage_path": str(tmp_path / "models")},
        # It has something to save whenever it is put to sleep.
        "learning": {"checkpoint_interval_seconds": 0.5},
    }
    fleet = Fleet(KafkaSettings(**kafka), stream(3, 100_000, now), per_second=300)
    async with AsyncExitStack() as stack:
        database = await open_database(postgres_url, stack)
        learners = Learners(settings, tmp_path, stack)
        await learners.join()
        await learners.join()
        async with fleet.working():
            for number in range(PAUSES):
                await _sleep_and_wake(database, learners.alive[number % 2])
        await saved(database, len(fleet.sent))
        refusals = [learner.refusals for learner in learners.alive]
        print(f"{PAUSES} pauses, refused saves: {refusals}")
        assert sum(refusals) >= 1, "nobody has tried to save what was not its own any more"
        for learner in list(learners.alive):
            assert await learners.end(learner, signal.SIGTERM) == 0
        await assert_learned_once(database, fleet.sent, now)


async def _sleep_and_wake(database: Database, sleeper: Learner) -> None:
    """Stop a learner until others have saved all of its partitions, then let it go on."""
    store = ShardStore(database)

    async def owned() -> dict[int, int | None]:
        headers = await store.headers()
        return {h.id: h.next_offset for h in headers if sleeper.owns(h)}

    await eventually(owned, "it has partitions", GROUP_SECONDS)
    sleeper.send(signal.SIGSTOP)
    lost = await owned()

    async def moved_on() -> bool:
        headers = await store.headers()
        return all(
            not sleeper.owns(h) and (h.next_offset or 0) > (lost[h.id] or 0)
            for h in headers
            if h.id in lost
        )

    await eventually(moved_on, "somebody else goes on with them", GROUP_SECONDS)
    sleeper.send(signal.SIGCONT)
    await eventually(owned, "it has partitions again", GROUP_SECONDS)
