"""
Makes the golden state of a release: ``python -m tests.golden.make FOLDER``.

Run it with the code of the release, once, and keep what it writes for ever: it is
what databases in the field look like. Two shards, learned in parts so that there are
bases, deltas, dedup segments, dead letters, versions, a signing key, an adjustment, decisions.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from olearn_core.learning.versions.versions import VersionKeeper
from olearn_core.models import Utility
from olearn_core.plugins import Plugins
from olearn_core.sources.source import Partition
from olearn_core.statistics import BASE, Bucket, Cell, Statistics, Tier, content_hash, to_bytes
from olearn_core.statistics.codec import SCHEMA_VERSION
from olearn_core.storage import schema
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.decision_log import DecisionLog, LoggedDecision
from olearn_core.storage.export import Exporter
from olearn_core.storage.leases import Leases
from olearn_core.storage.tables import signing_keys
from olearn_core.tokens import Decided, SigningKey, eligible_hash, sign
from tests.support import oracle
from tests.support.events import POISON, outcome, rfc3339
from tests.support.services import open_database
from tests.support.workers import NOW, WrittenLog, learning

PARTITIONS = (Partition("outcomes", 0), Partition("outcomes", 1))
KEY = SigningKey(1, b"of the golden state, and of nothing else")
PER_PART = 60
HOURS_AGO = (0, 1, 72, 24 * 120)
CODEC = Statistics.of(
    ("executions", "success"),
    [
        Cell("acme", "read", "研究者", "", Bucket(Tier.HOUR, 488_888)),
        Cell("acme", "read", "ada", "domain=law", Bucket(Tier.DAY, 20_370)),
        Cell("default", "write", "bob", "", BASE),
    ],
    np.array([[3, -2_000], [2**61, 1], [0, 7]], dtype=np.int64),
)


def outcomes(partition: int, part: int) -> list[bytes]:
    """Return one part of a partition's records: all kinds, repeats and poison among them."""
    rng = random.Random(f"{partition}/{part}")
    records: list[bytes] = []
    for number in range(PER_PART):
        event_id = f"{partition}-{part}-{number}"
        kind = rng.random()
        if records and kind < 0.05:
            records.append(rng.choice(records))
        elif kind < 0.1:
            records.append(rng.choice(POISON))
        elif kind < 0.2:
            rating = {"agent_name": "ada", "status": ..., "timestamp": rfc3339(NOW)}
            records.append(outcome(event_id=event_id, quality_score=0.25, **rating))
        else:
            records.append(execution(rng, event_id))
    return [*records, decided(partition, part)]


def execution(rng: random.Random, event_id: str) -> bytes:
    return outcome(
        event_id=event_id,
        tenant_id=rng.choice(("default", "default", "acme")),
        agent_name=rng.choice(("ada", "dürer")),
        task_type=rng.choice(("code", "plan")),
        timestamp=rfc3339(NOW - rng.choice(HOURS_AGO) * 3_600),
        status=rng.choice(("success", "failure", "partial", "timeout", "pending")),
        latency_ms=round(rng.lognormvariate(6, 1), 3),
        cost_usd=rng.lognormvariate(-5, 1),
        context=rng.choice(({}, {"domain": "law"})),
    )


def token(partition: int, part: int) -> str:
    """Return the decision that one outcome of a part belongs to."""
    nonce = f"{partition}/{part}".encode().ljust(12, b".")
    eligible = eligible_hash(["ada", "bob"])
    return sign(KEY, Decided(nonce, 0.5, 1, int(NOW), eligible, "default", "code", "ada"))


def decided(partition: int, part: int) -> bytes:
    decision = token(partition, part)
    event_id = f"decided-{partition}-{part}"
    return outcome(event_id=event_id, decision_id=decision, timestamp=rfc3339(NOW))


def write(log: WrittenLog, part: int) -> None:
    for partition in PARTITIONS:
        log.write(*outcomes(partition.number, part), partition=partition)


async def learn(database: Database, log: WrittenLog, **options: object) -> None:
    """Learn what the log has by now, and save it."""
    async with learning(database, log, keys={1: KEY}, batch_size=20, **options) as rig:
        await rig.caught_up()


async def fill(database: Database, folder: Path) -> WrittenLog:
    """Learn three parts: one that lies in bases, two that lie in deltas; save versions."""
    log = WrittenLog()
    async with database.write() as connection:
        row = {"number": KEY.number, "secret": KEY.secret, "created_at": NOW}
        await connection.execute(insert(signing_keys).values(**row))
    versions = keeper(database, folder)
    write(log, 0)
    await learn(database, log, base_interval_seconds=1e-9)
    await versions.save()
    for part in (1, 2):
        write(log, part)
        await learn(database, log)
    await AdjustmentStore(database).add("success_prediction", "acme", adjustment(), "golden")
    await DecisionLog(database).append(logged_decisions())
    await versions.save()
    return log


def keeper(database: Database, folder: Path) -> VersionKeeper:
    models = Plugins.found().models("agent_selection", {})
    return VersionKeeper(
        database,
        Leases(database, "golden"),
        models.predictors,
        models.policy,
        models.column_names,
        Exporter(folder / "models"),
    )


def logged_decisions() -> list[LoggedDecision]:
    """Return decisions as a service logs them, one for each outcome that bears a token."""
    return [
        LoggedDecision(
            nonce=f"{partition.number}/{part}".encode().ljust(12, b".").hex(),
            tenant="default",
            task_type="code",
            context={"domain": "law"},
            agents=["ada", "bob"],
            law=[0.5, 0.5],
            scores=[0.7, 0.6],
            agent="ada",
            propensity=0.5,
            utility=Utility({"success": 1.0}),
            policy="agent_selection",
            mode="online",
            view_version=1,
            issued_at=datetime.fromtimestamp(NOW + part, UTC),
        )
        for partition in PARTITIONS
        for part in range(3)
    ]


def adjustment() -> Statistics:
    cell = Cell("acme", "code", "ada", "", BASE)
    return Statistics.of(("executions", "success"), [cell], np.array([[10, 9_000]]))


def expectation(log: WrittenLog, revision: str) -> dict[str, object]:
    """Return what the state says, counted without olearn."""
    records = [record for part in log.partitions.values() for record in part]
    return {
        "revision": revision,
        "cells": [[*cell, sums] for cell, sums in sorted(oracle.expected(records, NOW).items())],
        "adjustments": [["success_prediction", "acme", {"executions": 10, "success": 9_000}]],
        "logged_decisions": [decision.nonce for decision in logged_decisions()],
        "dead_letters": sum(oracle.readable(record) is None for record in records),
        "partitions": {str(p.number): part(values) for p, values in log.partitions.items()},
        "codec_hash": content_hash(CODEC),
    }


def part(records: Sequence[bytes]) -> dict[str, object]:
    """Return where a partition stands, and everything that it must know again."""
    events = [event for record in records if (event := oracle.readable(record))]
    taught = [event for event in events if event.get("status") != "pending"]
    return {
        "next_offset": len(records),
        "last": records[-1].decode(),
        "executions": _ids(e for e in taught if "status" in e and "decision_id" not in e),
        "ratings": _ids(e for e in taught if "status" not in e),
        "decisions": sorted({e["decision_id"] for e in taught if "decision_id" in e}),
    }


def _ids(events) -> list[list[str]]:
    return sorted({(e.get("tenant_id", "default"), e["event_id"]) for e in events})


async def make(folder: Path) -> None:
    """Write the dump of the database, what to expect of it, and one table by itself."""
    path = folder / "golden.db"
    async with AsyncExitStack() as stack:
        database = await open_database(f"sqlite+aiosqlite:///{path}", stack)
        log = await fill(database, folder)
    revision = schema.newest_revision()
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    (folder / f"schema_{revision}.sql").write_text(dump + "\n")
    expected = json.dumps(expectation(log, revision), ensure_ascii=False, indent=1)
    (folder / f"schema_{revision}.json").write_text(expected + "\n")
    (folder / f"codec_{SCHEMA_VERSION}.npz").write_bytes(to_bytes(CODEC, label="für immer"))


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
