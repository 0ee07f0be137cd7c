"""`olearn keys`: API keys. A key is shown once, when it is made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from olearn_core.cli.ages import age
from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import print_json, print_table, when
from olearn_core.times import now_rfc3339

if TYPE_CHECKING:
    from olearn_core.auth.api_keys import ApiKeys
    from olearn_core.config import Settings
    from olearn_core.storage.api_keys import ApiKeyRow

app = typer.Typer(help="API keys: who may call the service.", no_args_is_help=True)

T = TypeVar("T")

DEFAULT_TENANT = "default"
OPERATOR = "*"
COLUMNS = ("key", "tenant", "scopes", "label", "state", "made", "expires", "last used")


class ScopeName(StrEnum):
    """What a key allows."""

    READ = "read"
    PREDICT = "predict"
    FEEDBACK = "feedback"
    ADMIN = "admin"


Tenant = Annotated[str | None, typer.Option(metavar="NAME", help="Whose key it is.")]
Operator = Annotated[
    bool, typer.Option("--operator", help="For all tenants and the service itself.")
]
Scopes = Annotated[
    list[ScopeName] | None,
    typer.Option("--scope", help="What it allows; several times, else all but admin."),
]
Expires = Annotated[
    timedelta | None,
    typer.Option(parser=age, metavar="AGE", help="After 30m, 12h, 90d, 2w; else never."),
]
Label = Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `olearn keys list` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def create(
    tenant: Tenant = None,
    operator: Operator = False,
    scopes: Scopes = None,
    expires: Expires = None,
    label: Label = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once."""
    if operator and tenant is not None:
        raise typer.BadParameter("an operator's key is for all tenants: leave --tenant out")
    named = [str(scope) for scope in scopes or _usual(operator=operator)]
    expires_at = None if expires is None else time.time() + expires.total_seconds()
    owner = OPERATOR if operator else DEFAULT_TENANT if tenant is None else tenant

    async def work(keys: ApiKeys) -> tuple[str, ApiKeyRow]:
        return await keys.create(owner, named, label=label, expires_at=expires_at)

    text, row = _with_keys(config, work)
    if as_json:
        print_json({"api_key": text} | _described(row))
        return
    typer.echo(text)
    typer.echo(f"key {row.id}: keep it now, it is shown only once", err=True)


@app.command("list")
def list_keys(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List all keys, without their secrets."""
    rows = _with_keys(config, lambda keys: keys.store.all())
    if as_json:
        print_json([_described(row) for row in rows])
    else:
        print_table(COLUMNS, map(_cells, rows), left=len(COLUMNS))


@app.command()
def revoke(key_id: Id, yes: Yes = False, config: ConfigFile = None) -> None:
    """End a key; running nodes refuse it within seconds."""
    if not yes:
        typer.confirm(f"Whoever uses key {key_id} is refused then. Go on?", abort=True)
    _with_keys(config, lambda keys: keys.store.revoke(key_id, time.time()))
    typer.echo(f"key {key_id} is revoked; running nodes know within seconds")


def _usual(*, operator: bool) -> list[ScopeName]:
    return [scope for scope in ScopeName if operator or scope is not ScopeName.ADMIN]


def _state(row: ApiKeyRow) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= time.time() else "good"


def _described(row: ApiKeyRow) -> dict[str, Any]:
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "id": row.id,
        "tenant": row.tenant,
        "scopes": list(row.scopes),
        "label": row.label,
        "state": _state(row),
    } | {name: _time(getattr(row, name)) for name in times}


def _cells(row: ApiKeyRow) -> tuple[object, ...]:
    times = (row.created_at, row.expires_at, row.last_used_at)
    scopes = " ".join(row.scopes)
    return (row.id, row.tenant, scopes, row.label, _state(row), *(when(_time(t)) for t in times))


def _time(unix_seconds: float | None) -> str | None:
    return None if unix_seconds is None else now_rfc3339(unix_seconds)


def _with_keys(config: ConfigFile, work: Callable[[ApiKeys], Awaitable[T]]) -> T:
    from olearn_core.config import load_settings

    return asyncio.run(_worked(load_settings(config), work))


async def _worked(settings: Settings, work: Callable[[ApiKeys], Awaitable[T]]) -> T:
    """Do something with the keys of the configured database, which has to be there."""
    from olearn_core.auth.api_keys import ApiKeys
    from olearn_core.cli.checks import check_database, database_errors
    from olearn_core.storage.database import Database

    await check_database(settings.database)
    async with AsyncExitStack() as stack:
        with database_errors(settings.database):
            database = await Database.open(settings.database, stack)
            return await work(ApiKeys(database, settings.auth.environment))
