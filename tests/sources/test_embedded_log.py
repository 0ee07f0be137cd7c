"""The embedded log has one owner at a time, by a lease in its database."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import update

from olearn_core.sources.embedded import LEASE, PARTITION
from olearn_core.storage.database import Database
from olearn_core.storage.leases import Leases
from olearn_core.storage.tables import leases
from tests.sources.conftest import Embedded
from tests.support.services import eventually


@pytest.fixture
async def embedded(database: Database, quick_lease: None):
    async with AsyncExitStack() as stack:
        yield Embedded(stack, database)


async def test_a_second_process_gets_nothing_while_the_first_lives(embedded: Embedded) -> None:
    first = await embedded.joined()
    await first.owns_all()
    second = await embedded.joined()
    await eventually(lambda: second.owner.told, "it is told that nothing is its own")
    await asyncio.sleep(1.0)  # more than two leases
    assert second.owner.told == [("assigned", [])]
    assert first.owner.owned == {PARTITION}


async def test_a_lease_that_is_not_renewed_passes_on_when_it_is_over(embedded: Embedded) -> None:
    await Leases(embedded.database, "dead").hold(LEASE, 0.5)
    heir = await embedded.joined()
    assert heir.owner.owned == set()
    await heir.owns_all()


async def test_an_owner_whose_lease_was_taken_is_told(embedded: Embedded) -> None:
    first = await embedded.joined()
    await first.owns_all()
    first.source.resume(PARTITION, 1)
    stolen = {"holder": "thief", "expires_at": time.time() + 60}
    async with embedded.database.write() as connection:
        await connection.execute(update(leases).values(stolen))
    await eventually(lambda: ("revoked", [PARTITION]) in first.owner.told)
    await embedded.written(b"unread")
    assert await first.source.fetch(10, 0.1) == {}, "it reads no more"


async def test_leases_are_exclusive_renewable_and_given_back(database: Database) -> None:
    mine, yours = Leases(database, "mine"), Leases(database, "yours")
    assert await mine.hold("x", 60)
    assert await mine.hold("x", 60), "renewed"
    assert not await yours.hold("x", 60)
    await yours.release("x")
    assert not await yours.hold("x", 60), "only its holder can give it back"
    await mine.release("x")
    assert await yours.hold("x", 60)


async def test_of_many_who_want_a_lease_at_once_one_gets_it(database: Database) -> None:
    all_of_them = [Leases(database, str(i)) for i in range(8)]
    held = await asyncio.gather(*(one.hold("x", 60) for one in all_of_them))
    assert sum(held) == 1
