"""Decisions beside the embedded log: by nonce, by time, each once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from olearn_core.config import LearningSettings, RetentionSettings
from olearn_core.models import Utility
from olearn_core.storage.database import Database
from olearn_core.storage.decision_log import (
    DecisionLog,
    LoggedDecision,
    decode_decision,
    encode_decision,
    loggable,
)
from olearn_core.storage.leases import Leases
from olearn_core.storage.retention import Retention
from olearn_core.storage.shards import ShardStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def decision(number: int, age_days: float = 0.0) -> LoggedDecision:
    return LoggedDecision(
        nonce=f"{number:024x}",
        tenant="acme",
        task_type="code",
        context={"domain": "law", "length": 7, "urgent": True, "share": 0.5},
        agents=["ada", "bob"],
        law=[0.875, 0.125],
        scores=[0.7, 0.6],
        agent="bob",
        propensity=0.125,
        utility=Utility({"success": 0.6, "cost": 0.4}, 900.0, 0.02),
        policy="agent_selection",
        mode="online",
        view_version=12,
        issued_at=NOW - timedelta(days=age_days),
    )


async def test_a_decision_is_found_by_its_nonce_as_it_was(database: Database) -> None:
    log = DecisionLog(database)
    await log.append([decision(1), decision(2)])
    assert await log.get(decision(2).nonce) == decision(2)
    assert await log.get(decision(3).nonce) is None


async def test_decisions_have_offsets_in_the_order_of_their_coming(database: Database) -> None:
    log = DecisionLog(database)
    assert await log.bounds() == (1, 1)
    await log.append([decision(1, age_days=1), decision(2, age_days=3)])
    await log.append([decision(1, age_days=1), decision(3)])
    first, end = await log.bounds()
    records = await log.read(first, 10)
    nonces = [decode_decision(record.value or b"").nonce for record in records]
    assert nonces == [decision(number).nonce for number in (1, 2, 3)]
    assert [record.offset for record in records] == sorted({r.offset for r in records})
    assert records[-1].offset == end - 1
    assert [r.offset for r in await log.read(records[1].offset, 1)] == [records[1].offset]


async def test_a_batch_that_is_written_twice_is_there_once(database: Database) -> None:
    log = DecisionLog(database)
    await log.append([decision(1)])
    await log.append([decision(1), decision(2)])
    assert await log.since(0.0) == [decision(1), decision(2)]


async def test_decisions_come_in_the_order_of_their_time(database: Database) -> None:
    log = DecisionLog(database)
    await log.append([decision(1, age_days=1), decision(2, age_days=3), decision(3, age_days=2)])
    since = (NOW - timedelta(days=2.5)).timestamp()
    assert [logged.nonce for logged in await log.since(since)] == [
        decision(3).nonce,
        decision(1).nonce,
    ]


async def test_old_decisions_are_deleted_at_their_age(database: Database) -> None:
    log = DecisionLog(database)
    await log.append([decision(1, age_days=1.9), decision(2, age_days=2.1)])
    settings = RetentionSettings(decision_log_days=2)
    leases = Leases(database, "me")
    retention = Retention(database, leases, settings, LearningSettings(), "embedded")
    assert (await retention.prune(NOW.timestamp()))["decisions"] == 1
    assert [logged.nonce for logged in await log.since(0.0)] == [decision(1).nonce]


async def test_decisions_that_are_not_counted_yet_are_kept(database: Database) -> None:
    log = DecisionLog(database)
    await log.append([decision(1, age_days=9), decision(2, age_days=9), decision(3)])
    header = await ShardStore(database).claim("embedded-decisions", "decisions", 0, "me", "all")
    second = (await log.read(0, 10))[1].offset
    await ShardStore(database).begin(header, second)
    settings = RetentionSettings(decision_log_days=2)
    leases = Leases(database, "me")
    retention = Retention(database, leases, settings, LearningSettings(), "embedded")
    assert (await retention.prune(NOW.timestamp()))["decisions"] == 1
    assert [logged.nonce for logged in await log.since(0.0)] == [
        decision(2).nonce,
        decision(3).nonce,
    ]


def test_what_is_sent_is_read_back() -> None:
    assert decode_decision(encode_decision(decision(1))) == decision(1)


def test_of_a_context_only_what_is_flat_and_short_is_kept() -> None:
    context = {
        "kept": "x" * 256,
        "long": "x" * 257,
        "deep": {"a": 1},
        "list": [1],
        "nothing": None,
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 2**70,
        "k" * 129: 1,
        7: "no name",
        "half": "a \ud83d",
        "flag": False,
    }
    assert loggable(context) == {"kept": "x" * 256, "flag": False}
    assert len(loggable({str(number): number for number in range(100)})) == 32
