"""Migrations: they travel inside the wheel and run on one connection."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from olearn_core.errors import StorageError
from olearn_core.storage.database import Database


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def newest_revision() -> str:
    """Return the schema revision this olearn works with."""
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


async def current_revision(database: Database) -> str | None:
    """Return the database's schema revision, None where it is empty."""
    async with database.read() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


async def upgrade(database: Database) -> str:
    """
    Bring the database to the newest schema, which is returned.

    :raises StorageError: where a newer olearn has made it
    """
    await _refuse_newer(database)
    async with database.write() as connection:
        await connection.run_sync(lambda sync: command.upgrade(_alembic(sync), "head"))
    return newest_revision()


async def check(database: Database) -> None:
    """
    Make sure the schema is the one this olearn works with.

    :raises StorageError: saying which command mends it
    """
    await _refuse_newer(database)
    current, newest = await current_revision(database), newest_revision()
    if current != newest:
        raise StorageError(
            f"the database {database.url} has schema {current or 'none'}, this olearn needs"
            f" {newest}: run `olearn db upgrade`"
        )


async def _refuse_newer(database: Database) -> None:
    current = await current_revision(database)
    if current is not None and current not in _known_revisions():
        raise StorageError(
            f"the database {database.url} has schema {current}, which is newer than the"
            f" {newest_revision()} that this olearn knows: upgrade olearn, or use another database"
        )


def _known_revisions() -> set[str]:
    scripts = ScriptDirectory.from_config(_alembic()).walk_revisions()
    return {script.revision for script in scripts}
