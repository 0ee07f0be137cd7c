"""One way to write, one to read, whatever the database."""

from __future__ import annotations

import asyncio
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from olearn_core.config import DatabaseSettings
from olearn_core.errors import StorageError
from olearn_core.statistics import Bucket, Cell, Statistics
from olearn_core.storage import schema
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.outcome_log import OutcomeLog
from olearn_core.storage.signing_keys import SigningKeys
from olearn_core.storage.tables import metadata, outcome_log


async def test_the_migrations_make_the_tables_that_the_code_speaks_of(database: Database) -> None:
    def described(connection) -> dict[str, set[str]]:
        inspector = inspect(connection)
        return {
            name: {column["name"] for column in inspector.get_columns(name)}
            for name in inspector.get_table_names()
            if name != "alembic_version"
        }

    async with database.read() as connection:
        found = await connection.run_sync(described)
    assert found == {name: set(table.c.keys()) for name, table in metadata.tables.items()}


async def test_upgrading_twice_is_no_harm(database: Database) -> None:
    assert await schema.upgrade(database) == schema.newest_revision()
    await schema.check(database)


async def test_a_database_without_the_schema_is_refused_saying_what_mends_it(
    database_url: str,
) -> None:
    async with AsyncExitStack() as stack:
        database = await Database.open(DatabaseSettings(url=database_url), stack)
        with pytest.raises(StorageError, match="olearn db upgrade"):
            await schema.check(database)
        await schema.upgrade(database)
        await schema.check(database)
        async with database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StorageError, match="has schema 9999"):
            await schema.check(database)


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(insert(outcome_log).values(value=b"x", created_at_ms=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await OutcomeLog(database).bounds() == (1, 1)


async def test_readers_see_one_snapshot(database: Database) -> None:
    log = OutcomeLog(database)
    await log.append([b"one"])
    async with database.read() as connection:
        count = select(outcome_log.c.offset)
        before = (await connection.execute(count)).all()
        await log.append([b"two"])
        assert (await connection.execute(count)).all() == before
    assert len(await log.read(0, 10)) == 2


async def test_readers_cannot_write_on_postgres(database: Database) -> None:
    if database.is_sqlite:
        return
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.read() as connection:
            await connection.execute(insert(outcome_log).values(value=b"x", created_at_ms=1))


async def test_writers_that_read_first_wait_for_their_turn(database: Database) -> None:
    log = OutcomeLog(database)

    async def write(i: int) -> None:
        async with database.write() as connection:
            if database.is_sqlite:
                await connection.execute(select(outcome_log.c.offset))
            await connection.execute(
                insert(outcome_log).values(value=str(i).encode(), created_at_ms=i)
            )

    await asyncio.gather(*(write(i) for i in range(40)))
    assert len(await log.read(0, 100)) == 40


async def test_a_sqlite_file_is_its_owner_s_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "olearn.db"
    async with AsyncExitStack() as stack:
        settings = DatabaseSettings(url=f"sqlite+aiosqlite:///{path}")
        database = await Database.open(settings, stack)
        await schema.upgrade(database)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {0o600}
        async with database.read() as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys")
            said = [(await connection.exec_driver_sql(f"PRAGMA {p}")).scalar() for p in pragmas]
            assert said == ["wal", 2, 1]


async def test_all_nodes_sign_with_the_same_keys(database: Database) -> None:
    nodes = [SigningKeys(database) for _ in range(4)]
    await asyncio.gather(*(node.load() for node in nodes))
    assert len({node.newest().secret for node in nodes}) == 1
    assert nodes[0].all().keys() == {1}
    assert len(nodes[0].newest().secret) == 32


async def test_adjustments_of_one_model_and_tenant_add_up(database: Database) -> None:
    store = AdjustmentStore(database)
    assert await store.newest() == 0
    cell = Cell("t", "code", "ada", "", Bucket(0, 1))
    table = Statistics.of(["executions"], [cell], np.array([[3]], dtype=np.int64))
    await store.add("m", "t", table, "one")
    await store.add("m", "t", table, "two")
    await store.add("m", "other", table, "three")
    await store.add("n", "t", table.negated(), "four")
    assert await store.newest() == 4
    loaded = await store.load(["executions", "success"])
    assert {key: total.totals()["executions"] for key, total in loaded.items()} == {
        ("m", "t"): 6,
        ("m", "other"): 3,
        ("n", "t"): -3,
    }


async def test_an_adjustment_of_columns_that_are_not_asked_for_is_cut(database: Database) -> None:
    store = AdjustmentStore(database)
    cell = Cell("t", "code", "ada", "", Bucket(0, 1))
    table = Statistics.of(["a", "b"], [cell], np.array([[1, 2]], dtype=np.int64))
    await store.add("m", "t", table, "x")
    loaded = await store.load(["b"])
    assert loaded["m", "t"].totals() == {"b": 2}
