"""Adjustments become visible in the order of their ids, so that nobody who polls misses one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import insert, text

from olearn_core.errors import CorruptArtifactError
from olearn_core.storage.adjustments import AdjustmentStore, NewAdjustment
from olearn_core.storage.database import Database
from olearn_core.storage.tables import adjustments
from tests.support.keepers import columns_of, one_row
from tests.support.services import eventually, open_database

MODEL = "success_prediction"
COLUMNS = columns_of(MODEL)


async def test_all_of_a_model_and_tenant_add_up(database: Database) -> None:
    store = AdjustmentStore(database)
    assert await store.newest() == 0
    for tenant in ("default", "default", "acme"):
        await store.add(MODEL, tenant, one_row(COLUMNS), "imported")
    assert await store.newest() == 3
    loaded = await store.load(COLUMNS)
    counts = {key: table.totals()["executions"] for key, table in loaded.items()}
    assert counts == {(MODEL, "default"): 2, (MODEL, "acme"): 1}


async def test_one_that_was_computed_from_too_little_is_not_inserted(database: Database) -> None:
    store = AdjustmentStore(database)
    new = [NewAdjustment(MODEL, "default", one_row(COLUMNS), "", rollback_id=1)]
    await store.add(MODEL, "default", one_row(COLUMNS), "imported")
    assert not await store.roll_back(new, 0, {})
    assert await store.newest() == 1
    assert await store.roll_back(new, 1, {})
    assert await store.newest() == 2


@pytest.mark.postgres
async def test_whoever_comes_second_waits_for_the_first(postgres_url: str) -> None:
    """Where ids were given at once, the second could show itself before the first."""
    async with AsyncExitStack() as stack:
        database = await open_database(postgres_url, stack)
        store = AdjustmentStore(database)
        first = NewAdjustment(MODEL, "default", one_row(COLUMNS), "first").row()
        async with database.write() as connection:
            await connection.execute(insert(adjustments).values(**first))
            second = asyncio.create_task(store.add(MODEL, "default", one_row(COLUMNS), "second"))

            async def waits() -> bool:
                async with database.read() as reading:
                    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    return bool((await reading.execute(query)).scalar_one())

            await eventually(waits)
            assert not second.done()
            assert await store.newest() == 0
        await second
        assert await store.newest() == 2


async def test_a_changed_byte_is_noticed(database: Database) -> None:
    store = AdjustmentStore(database)
    row = NewAdjustment(MODEL, "default", one_row(COLUMNS), "").row()
    sums = bytearray(row["sums"])
    sums[len(sums) // 2] ^= 1
    async with database.write() as connection:
        await connection.execute(insert(adjustments).values(**row | {"sums": bytes(sums)}))
    with pytest.raises(CorruptArtifactError):
        await store.load(COLUMNS)
