"""A bad record is a dead letter once, with its reason; its neighbours are learned."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from olearn_core.errors import EventError
from olearn_core.events import Outcome, decode_outcome
from olearn_core.learning.shards.shard import Shard
from olearn_core.storage.database import Database
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.storage.tables import dead_letters
from tests.promises.by_hand import fresh_shard, learn
from tests.promises.poison import CORPUS, REFUSED, Poison, cloud, good
from tests.promises.proof import examples, size
from tests.support.events import outcome
from tests.support.workers import NOW, WrittenLog, assert_ledger_chains, learning

pytestmark = pytest.mark.promise("P7")

SLICE = 250
HEAD_BYTES = 4_096


def letters(shard: Shard) -> Sequence[Any]:
    return shard.tick.dead_letters if shard.tick else []


# ---- each by itself


@pytest.mark.parametrize("poison", CORPUS, ids=lambda poison: poison.name)
def test_each_kind_of_poison_ends_where_it_should(poison: Poison) -> None:
    """Between two good records, in one slice with them."""
    before, after = outcome(event_id="before"), outcome(event_id="after")
    shard = learn(fresh_shard(), [before, poison.value, after])
    pointers = [letter.pointer for letter in letters(shard)]
    assert pointers == ([] if poison.pointer is None else [poison.pointer])
    assert shard.table.totals()["executions"] == (3 if poison.pointer is None else 2)
    assert all(letter.offset == 1 and letter.reason.strip() for letter in letters(shard))


def test_the_corpus_is_large_and_names_each_case_once() -> None:
    assert len(REFUSED) >= 60
    assert len({poison.name for poison in CORPUS}) == len(CORPUS)


# ---- all through a worker and a database


def surrounded() -> list[bytes | None]:
    """Return the corpus, each case among three good records, so that no breaker opens."""
    values: list[bytes | None] = []
    for number, poison in enumerate(CORPUS):
        values += [outcome(event_id=f"{number}-{i}") for i in range(3)]
        values.insert(len(values) - 1, poison.value)
    return values


async def test_all_kinds_of_poison_are_kept_and_their_neighbours_learned(
    database: Database,
) -> None:
    """Whatever a payload holds, the database takes its dead letter."""
    log, values = WrittenLog(), surrounded()
    log.write(*values)  # type: ignore[arg-type]
    async with learning(database, log, batch_size=64) as rig:
        await rig.caught_up()
        assert rig.worker.problems == {}
        learned = len(CORPUS) - len(REFUSED) + 3 * len(CORPUS)
        assert rig.table.totals()["executions"] == learned
        assert rig.shard.counters()["dead_letters"] == len(REFUSED)
    async with database.read() as connection:
        rows = (await connection.execute(select(dead_letters).order_by("offset"))).mappings().all()
    expected = [
        (offset, value, CORPUS[offset // 4].pointer)
        for offset, value in enumerate(values)
        if offset % 4 == 2 and CORPUS[offset // 4].pointer is not None
    ]
    assert [(row["offset"], row["pointer"]) for row in rows] == [(o, p) for o, _, p in expected]
    for row, (_, value, _) in zip(rows, expected, strict=True):
        payload = value or b""
        assert row["reason"].strip()
        assert row["payload_head"] == payload[:HEAD_BYTES]
        assert row["payload_bytes"] == len(payload)
        assert row["payload_sha256"] == hashlib.sha256(payload).hexdigest()
    await assert_ledger_chains(database)


@pytest.mark.parametrize("timestamp", [-(2**63), -1, 0, 1, 2**53, 2**63 - 1])
def test_a_record_s_own_time_may_be_anything(timestamp: int) -> None:
    shard = fresh_shard()
    shard.learn([LoggedRecord(0, outcome(event_id="x"), timestamp)], NOW)
    assert shard.table.totals()["executions"] == 1


@pytest.mark.parametrize(
    "header",
    [("ce_id", b"\xff\xfe"), ("ce_id", b""), ("ce_id", None), ("", b"x"), ("ce_id", b"x" * 99_999)],
)
def test_a_header_may_be_anything(header: tuple[str, bytes]) -> None:
    shard = fresh_shard()
    shard.learn([LoggedRecord(0, outcome(), int(NOW * 1_000), [header])], NOW)
    assert shard.table.totals()["executions"] == 1


# ---- fuzz

VALID = [
    good(
        event_id="e", latency_ms=12.5, cost_usd=0.01, quality_score=0.5, context={"domain": "law"}
    ),
    good(status=..., success=True, timestamp="2025-10-09T08:53:20+02:00", action_type="plan"),
    good(status="timeout", tenant_id="acme", decision_id="abc", duration_ms=1, tags=["a", None]),
    cloud(time="2025-10-09T08:53:20Z"),
]
TOKENS = [
    *(
        b"{}",
        b"[]",
        b'""',
        b"null",
        b"true",
        b"-1",
        b"1e400",
        b"1e-400",
        b"NaN",
        b"\\u0000",
        b"\\ud800",
    ),
    *(
        b'"agent_name"',
        b'"status"',
        b'"data"',
        b'"context"',
        b'"specversion"',
        b":",
        b",",
        b'"',
        b"\\",
    ),
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xf0\x9f\x98\x80",
        b"9" * 400,
        b"[" * 2_000,
        b'{"a":' * 2_000,
    ),
]


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """Yield valid and bad records, cut, spliced, doubled and littered with odd tokens."""
    rng = random.Random(seed)
    grown = [*VALID, *(p.value for p in CORPUS if p.value and len(p.value) < 2_000)]
    for _ in range(count):
        value = rng.choice(VALID if rng.random() < 0.7 else grown)
        for _ in range(rng.choice((1, 1, 2, 4))):
            value = mutated(rng, value, grown)
        yield value


def mutated(rng: random.Random, value: bytes, others: Sequence[bytes]) -> bytes:
    start, end = sorted(rng.randrange(len(value) + 1) for _ in range(2))
    match rng.randrange(6):
        case 0:
            return value[:start] + value[end:]
        case 1:
            return value[:end] + value[start:]
        case 2:
            return value[:start] + rng.choice(TOKENS) + value[start:]
        case 3:
            return value[:start] + rng.choice(TOKENS) + value[end:]
        case 4:
            return value[:start] + bytes([rng.randrange(256)]) + value[start + 1 :]
        case _:
            return value[:start] + rng.choice(others)[start:]


def decoded(value: bytes) -> Outcome | None:
    """Return the outcome, None where it is refused; nothing else may come of any bytes."""
    try:
        found = decode_outcome(value)
    except EventError as error:
        assert error.reason.strip()
        return None
    assert_sane(found)
    return found


def assert_sane(found: Outcome) -> None:
    """What was accepted says what an outcome has to say, within its bounds."""
    assert found.agent_name
    assert found.status is not None or found.quality_score is not None
    for amount in (found.latency_ms, found.cost_usd):
        assert amount is None or (amount >= 0 and math.isfinite(amount))
    assert found.quality_score is None or 0 <= found.quality_score <= 1
    assert found.timestamp is None or found.timestamp.tzinfo is not None


@pytest.mark.timeout(3_600)
def test_mutated_records_are_outcomes_or_dead_letters(
    record_proof: Callable[[str, object], None],
) -> None:
    """Through the whole of learning: each is counted in exactly one way."""
    count, accepted = size(100_000, 3_000_000), 0
    shard = fresh_shard(most_agents=100, most_task_types=100)
    batch: list[bytes] = []
    for number, value in enumerate(mutants(7, count), 1):
        accepted += decoded(value) is not None
        batch.append(value)
        if len(batch) == SLICE or number == count:
            assert_each_counted_once(shard, batch)
            batch = []
    record_proof("mutated records decoded and learned", count)
    assert count / 50 < accepted < count / 2, "both ways are tried"


def assert_each_counted_once(shard: Shard, batch: Sequence[bytes]) -> None:
    start = shard.next_offset
    learn(shard, batch)
    assert shard.tick is not None
    counts, refused = shard.tick.counts, [letter.offset for letter in letters(shard)]
    assert counts["received"] == len(batch)
    learned = counts["samples"] + counts["duplicates"] + counts["not_taught"]
    assert learned + len(refused) == len(batch)
    assert refused == sorted(set(refused))
    assert all(start <= offset < shard.next_offset for offset in refused)
    shard.tick = None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(Outcome.__struct_fields__), json_values, min_size=1, max_size=6
)


@examples(250, 30_000)
@given(fields)
def test_any_json_in_any_field_is_an_outcome_or_refused(changed: dict[str, Any]) -> None:
    value = good(**changed)
    assert_each_counted_once(fresh_shard(), [value])
    decoded(value)


@examples(500, 50_000)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_outcome_or_refused(value: bytes) -> None:
    assert decoded(value) is None
