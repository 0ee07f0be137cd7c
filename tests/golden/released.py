"""The state that released versions of olearn have left in databases, restored."""

from __future__ import annotations

import json
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import JSON, Connection, DefaultClause, MetaData, Table, insert, make_url, text

from olearn_core.config import DatabaseSettings
from olearn_core.storage import schema
from olearn_core.storage.database import Database

FOLDER = Path(__file__).parent
REVISIONS = sorted(path.stem.removeprefix("schema_") for path in FOLDER.glob("schema_*.sql"))
CODECS = sorted(FOLDER.glob("codec_*.npz"))


def expectation(revision: str) -> Any:
    """Return what the state of a release says, as it was counted without olearn."""
    return json.loads((FOLDER / f"schema_{revision}.json").read_text())


def cells(revision: str) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return the sums of a release's shards, as the oracle writes them."""
    return {tuple(cell): sums for *cell, sums in expectation(revision)["cells"]}


def restored(revision: str) -> sqlite3.Connection:
    """Return the state of a release in memory."""
    connection = sqlite3.connect(":memory:")
    connection.executescript((FOLDER / f"schema_{revision}.sql").read_text())
    return connection


async def restore(revision: str, url: str) -> None:
    """Make of an empty database one that a release has left, its schema as it was."""
    golden = restored(revision)
    try:
        if url.startswith("sqlite"):
            with sqlite3.connect(str(make_url(url).database)) as target:
                golden.backup(target)
            target.close()
        else:
            await _copy(golden, revision, url)
    finally:
        golden.close()


async def _copy(golden: sqlite3.Connection, revision: str, url: str) -> None:
    """Move the rows into PostgreSQL, under the tables of that release."""
    async with AsyncExitStack() as stack:
        database = await Database.open(DatabaseSettings(url=url), stack)
        async with database.write() as connection:
            await connection.run_sync(_copy_all, golden, revision)


def _copy_all(connection: Connection, golden: sqlite3.Connection, revision: str) -> None:
    command.upgrade(schema._alembic(connection), revision)
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name == "alembic_version":
            continue
        if rows := _rows(golden, table):
            connection.execute(insert(table), rows)
        _count_on(connection, table)


def _count_on(connection: Connection, table: Table) -> None:
    """Let the next number of a table follow those that were copied."""
    for column in table.columns:
        default = column.server_default
        if isinstance(default, DefaultClause) and "nextval" in str(default.arg):
            newest = f'(SELECT max("{column.name}") FROM {table.name})'
            sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
            connection.execute(text(f"SELECT setval({sequence}, coalesce({newest}, 1))"))


def _rows(golden: sqlite3.Connection, table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    found = golden.execute(f"SELECT {quoted} FROM {table.name}").fetchall()
    return [
        {c.name: _value(c, value) for c, value in zip(table.columns, row, strict=True)}
        for row in found
    ]


def _value(column: Any, value: Any) -> Any:
    if value is None:
        return None
    return json.loads(value) if isinstance(column.type, JSON) else value
