"""Dead letters in the database: found, counted, and noted as retried."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from olearn_core.errors import NotFoundError
from olearn_core.storage.database import Database
from olearn_core.storage.dead_letters import DeadLetterStore, Wanted
from olearn_core.storage.tables import dead_letters

NOW = 1_800_000_000.0
ALL = Wanted()


def letter(offset: int, **fields: Any) -> dict[str, Any]:
    where = {"source": "kafka", "topic": "t", "partition": 0, "offset": offset}
    what = {"reason": "is empty", "pointer": "/status", "created_at": NOW}
    payload = {"payload_head": b"{}", "payload_bytes": 2, "payload_sha256": ""}
    return where | what | payload | {"retried_at": None} | fields


async def store_of(database: Database, *letters: dict[str, Any]) -> DeadLetterStore:
    async with database.write() as connection:
        await connection.execute(insert(dead_letters), list(letters))
    return DeadLetterStore(database)


async def offsets(store: DeadLetterStore, wanted: Wanted) -> list[int]:
    return [found.offset for found in await store.page(wanted, 100)]


async def test_pages_go_from_the_newest_to_the_oldest(database: Database) -> None:
    store = await store_of(database, *(letter(offset) for offset in range(7)))
    seen: list[int] = []
    before = None
    while page := await store.page(ALL, 3, before):
        assert len(page) <= 3
        assert before is None or page[0].id < before
        seen += [found.offset for found in page]
        before = page[-1].id
    assert seen == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(reason="RANGE"), [4, 3]),
        (Wanted(reason="100%"), [4]),
        (Wanted(reason="_"), [0]),
        (Wanted(reason="Quality_"), [0]),
        (Wanted(reason="straße"), [2]),
        (Wanted(topic="other"), [1]),
        (Wanted(topic="oth"), []),
        (Wanted(since=NOW - 60), [4, 3, 2, 1]),
        (Wanted(retried=True), [3]),
        (Wanted(retried=False), [4, 2, 1, 0]),
        (Wanted(reason="range", retried=False), [4]),
        (ALL, [4, 3, 2, 1, 0]),
    ],
)
async def test_letters_are_found_by_what_is_known_of_them(
    database: Database, wanted: Wanted, found: list[int]
) -> None:
    store = await store_of(
        database,
        letter(0, created_at=NOW - 61, pointer="/quality_score"),
        letter(1, topic="other"),
        letter(2, reason="Straße"),
        letter(3, reason="out of range", retried_at=NOW),
        letter(4, reason="100% out of Range"),
    )
    assert await offsets(store, wanted) == found
    assert (await store.counts(wanted)).total == len(found)


async def test_they_are_counted_by_reason_the_most_frequent_first(database: Database) -> None:
    store = await store_of(
        database,
        letter(0, reason="rare"),
        *(letter(offset, reason="frequent") for offset in range(1, 4)),
        letter(4, reason="frequent", retried_at=NOW),
    )
    counts = await store.counts(ALL)
    assert (counts.total, counts.not_retried) == (5, 4)
    assert list(counts.by_reason.items()) == [("frequent", 4), ("rare", 1)]
    none = await store.counts(Wanted(topic="nowhere"))
    assert (none.total, none.not_retried, none.by_reason) == (0, 0, {})


async def test_a_retry_is_noted_with_its_time(database: Database) -> None:
    store = await store_of(database, letter(0), letter(1))
    newest, oldest = await store.page(ALL, 2)
    await store.mark_retried(oldest.id, NOW + 5)
    assert (await store.get(oldest.id)).retried_at == NOW + 5
    assert (await store.get(newest.id)).retried_at is None


async def test_a_letter_knows_whether_all_of_its_record_is_kept(database: Database) -> None:
    store = await store_of(database, letter(0), letter(1, payload_bytes=5_000))
    head, whole = await store.page(ALL, 2)
    assert not head.is_whole
    assert whole.is_whole
    assert whole.payload_head == b"{}"


async def test_a_letter_that_is_not_there(database: Database) -> None:
    store = DeadLetterStore(database)
    with pytest.raises(NotFoundError, match="no dead letter 7"):
        await store.get(7)
    await store.mark_retried(7, NOW)  # it was deleted meanwhile, which is no harm
