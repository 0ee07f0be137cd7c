"""`olearn db`: the database's schema."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import typer

from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import print_json

if TYPE_CHECKING:
    from olearn_core.config import DatabaseSettings

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


@app.command()
def upgrade(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Bring the database to the schema that this olearn works with."""
    from olearn_core.config import load_settings, masked_url

    settings = load_settings(config).database
    revision = asyncio.run(_upgrade(settings))
    _answer(masked_url(settings.url), revision, as_json=as_json)


@app.command()
def check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Make sure that the database answers and has the right schema."""
    from olearn_core.cli.checks import check_database
    from olearn_core.config import load_settings, masked_url
    from olearn_core.storage.schema import newest_revision

    settings = load_settings(config).database
    asyncio.run(check_database(settings))
    _answer(masked_url(settings.url), newest_revision(), as_json=as_json)


async def _upgrade(settings: DatabaseSettings) -> str:
    from olearn_core.cli.checks import database_errors
    from olearn_core.storage import schema
    from olearn_core.storage.database import Database

    async with AsyncExitStack() as stack:
        with database_errors(settings):
            return await schema.upgrade(await Database.open(settings, stack))


def _answer(url: str, revision: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"database": url, "schema": revision})
    else:
        typer.echo(f"the database {url} has schema {revision}, as it should")
