"""`olearn signing-keys`: what decisions are signed with. Secrets are never shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import print_json, print_table, when
from olearn_core.times import now_rfc3339

if TYPE_CHECKING:
    from olearn_core.config import Settings
    from olearn_core.storage.signing_keys import KeyRow, SigningKeys

app = typer.Typer(help="Keys that decisions are signed with.", no_args_is_help=True)

T = TypeVar("T")

Number = Annotated[
    int, typer.Argument(min=0, max=255, help="As `olearn signing-keys list` shows it.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("list")
def list_keys(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the live keys."""
    rows = _with_keys(config, _rows)
    if as_json:
        fields = ((r.number, now_rfc3339(r.created_at), r.signs) for r in rows)
        print_json([dict(zip(("number", "created_at", "signs"), f, strict=True)) for f in fields])
        return
    cells = ((r.number, when(now_rfc3339(r.created_at)), r.signs) for r in rows)
    print_table(("key", "made", "signs"), cells, left=3)


@app.command()
def rotate(config: ConfigFile = None) -> None:
    """Make a new key; nodes sign with it within seconds, decisions of the old one stay good."""
    number = _with_keys(config, lambda keys: keys.rotate())
    typer.echo(f"key {number} signs from now on; retire the old one when its outcomes are in")


@app.command()
def retire(number: Number, yes: Yes = False, config: ConfigFile = None) -> None:
    """Delete a key: decisions signed with it are refused from now on."""
    if not yes:
        typer.confirm(
            f"Outcomes of decisions that key {number} signed are refused then. Go on?", abort=True
        )
    _with_keys(config, lambda keys: keys.retire(number))
    typer.echo(f"key {number} is retired; running nodes know within seconds")


async def _rows(keys: SigningKeys) -> list[KeyRow]:
    await keys.refresh()
    return keys.rows()


def _with_keys(config: ConfigFile, work: Callable[[SigningKeys], Awaitable[T]]) -> T:
    from olearn_core.config import load_settings

    return asyncio.run(_worked(load_settings(config), work))


async def _worked(settings: Settings, work: Callable[[SigningKeys], Awaitable[T]]) -> T:
    """Do something with the keys of the configured database, which has to be there."""
    from olearn_core.cli.checks import check_database, database_errors
    from olearn_core.storage.database import Database
    from olearn_core.storage.signing_keys import SigningKeys

    await check_database(settings.database)
    async with AsyncExitStack() as stack:
        with database_errors(settings.database):
            return await work(SigningKeys(await Database.open(settings.database, stack)))
