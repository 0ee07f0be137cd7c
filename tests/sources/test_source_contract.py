"""What every source of outcomes promises, and every log that they can be written to."""

from __future__ import annotations

import asyncio

from tests.sources.conftest import Embedded, Log
from tests.support.services import eventually


async def test_nothing_is_delivered_before_it_is_asked_for(log: Log) -> None:
    await log.written(b"one", b"two")
    reading = await log.joined()
    assert await reading.owns_all() == [log.partition]
    for _ in range(3):
        assert await reading.source.fetch(1_000, 0.1) == {}


async def test_records_come_in_their_order_from_the_offset_that_was_named(log: Log) -> None:
    offsets = await log.written(*(str(i).encode() for i in range(20)))
    assert offsets == list(range(offsets[0], offsets[0] + 20)), "offsets ascend one by one"
    reading = await log.joined()
    await reading.owns_all()
    first = await reading.source.earliest_offset(log.partition)
    assert first == await reading.source.first_offset(log.partition) == offsets[0]

    reading.source.resume(log.partition, offsets[5])
    found = (await reading.read(15))[log.partition]
    assert [(r.offset, r.value) for r in found] == [
        (offset, str(i).encode()) for i, offset in enumerate(offsets) if i >= 5
    ]
    assert all(abs(record.timestamp - found[0].timestamp) < 60_000 for record in found)
    assert reading.source.end_offset(log.partition) == offsets[-1] + 1

    reading.source.resume(log.partition, offsets[0])
    again = (await reading.read(20))[log.partition]
    assert [record.offset for record in again] == offsets, "it goes back where it is told to"


async def test_a_paused_partition_is_silent_until_it_is_resumed(log: Log) -> None:
    offsets = await log.written(b"one", b"two")
    reading = await log.joined()
    await reading.owns_all()
    reading.source.resume(log.partition, offsets[0])
    await reading.read(2)
    reading.source.pause(log.partition)
    await log.written(b"three")
    for _ in range(3):
        assert await reading.source.fetch(1_000, 0.1) == {}
    reading.source.resume(log.partition, offsets[1])
    found = (await reading.read(2))[log.partition]
    assert [record.value for record in found] == [b"two", b"three"]


async def test_no_more_records_than_asked_for(log: Log) -> None:
    offsets = await log.written(*(str(i).encode() for i in range(10)))
    reading = await log.joined()
    await reading.owns_all()
    reading.source.resume(log.partition, offsets[0])
    seen: list[int] = []
    while len(seen) < 10:
        fetched = await reading.source.fetch(3, 0.1)
        batch = [record.offset for records in fetched.values() for record in records]
        assert len(batch) <= 3
        seen += batch
    assert seen == offsets


async def test_a_record_written_while_somebody_waits_is_delivered_at_once(log: Log) -> None:
    reading = await log.joined()
    await reading.owns_all()
    reading.source.resume(log.partition, await reading.source.first_offset(log.partition))
    waiting = asyncio.create_task(reading.read(1))
    await log.written(b"now")
    async with asyncio.timeout(5):
        assert [r.value for r in (await waiting)[log.partition]] == [b"now"]


async def test_when_an_owner_leaves_the_next_one_is_assigned(log: Log) -> None:
    first = await log.joined()
    await first.owns_all()
    second = await log.joined()
    await first.leave()
    await second.owns_all()
    assert second.owner.told[-1] == ("assigned", [log.partition])


async def test_a_crowd_of_publishers_gets_an_offset_each(log: Log) -> None:
    publisher = await log.publisher()
    values = [str(i).encode() for i in range(300)]
    offsets = await asyncio.gather(*(publisher.publish("k", value) for value in values))
    assert sorted(offsets) == list(range(min(offsets), min(offsets) + 300))
    reading = await log.joined()
    await reading.owns_all()
    reading.source.resume(log.partition, min(offsets))
    found = (await reading.read(300))[log.partition]
    assert {r.offset: r.value for r in found} == dict(zip(offsets, values, strict=True))


async def test_what_was_published_outlives_the_publisher(log: Log) -> None:
    offsets = await log.written(b"durable")
    if isinstance(log, Embedded):
        await log.database.close()
    reading = await log.joined()
    await reading.owns_all()
    reading.source.resume(log.partition, offsets[0])
    assert [r.value for r in (await reading.read(1))[log.partition]] == [b"durable"]


async def test_mirroring_offsets_is_never_an_error(log: Log) -> None:
    reading = await log.joined()
    await reading.owns_all()
    await reading.source.mirror({log.partition: 0})
    await eventually(lambda: True)
