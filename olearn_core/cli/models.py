"""`olearn models`: the models of a running service and their versions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    from olearn_core.schemas import (
        ModelResponse,
        RollbackResponse,
        SaveResponse,
        VersionBody,
        VersionsResponse,
    )

app = typer.Typer(help="Models and their versions.", no_args_is_help=True)

LIST_COLUMNS = ("model", "kind", "unit", "agents", "task patterns", "version", "last update")
VERSION_COLUMNS = ("version", "status", "saved", "samples", "parent", "sha256")
CHANGE_COLUMNS = ("model", "tenant", "samples before", "samples after")


@app.command("list")
def list_models(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the models that the service has loaded."""
    models = asyncio.run(_models(url))
    if as_json:
        print_json([model.model_dump() for model in models])
    else:
        print_table(LIST_COLUMNS, [_cells(model) for model in models], left=3)


@app.command()
def show(
    model_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as agent_selection.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show one model, its options and its versions."""
    model, versions = asyncio.run(_model(url, model_type))
    if as_json:
        print_json(model.model_dump() | {"versions": versions.model_dump()["versions"]})
        return
    print_table(LIST_COLUMNS, [_cells(model)], left=3)
    print_table(("option", "value"), model.options.items(), left=2)
    numbers = {version.id: str(version.version_number) for version in versions.versions}
    rows = [_version_cells(version, numbers) for version in versions.versions]
    print_table(VERSION_COLUMNS, rows, left=3)


@app.command()
def save(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Have a version of every model saved."""
    saved = asyncio.run(_save(url))
    if as_json:
        print_json(saved.model_dump())
    else:
        print_table(("model", "version saved"), saved.versions.items())


@app.command()
def rollback(
    model_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as agent_selection.")],
    to_version: Annotated[
        int | None,
        typer.Option("--to", metavar="VERSION", min=1, help="The version to go back to."),
    ] = None,
    undo: Annotated[
        int | None,
        typer.Option("--undo", metavar="ROLLBACK_ID", min=1, help="The rollback to take back."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Only this one; else all.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="To be kept.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Bring a model back to a version, or undo that. Learning goes on; what it learns stays."""
    if (to_version is None) == (undo is None):
        raise typer.BadParameter("give either --to or --undo")
    done = asyncio.run(_rolled_back(url, model_type, to_version, undo, tenant, reason))
    if as_json:
        print_json(done.model_dump())
    else:
        _print_rollback(model_type, done)


def _print_rollback(model_type: str, done: RollbackResponse) -> None:
    rows = [
        (change.model_type, change.tenant, change.samples_before, change.samples_after)
        for change in done.changes
    ]
    print_table(CHANGE_COLUMNS, rows, left=2)
    saved = "" if done.version_before is None else f" Version {done.version_before} is before it."
    typer.echo(
        f"This is rollback {done.rollback_id}.{saved}"
        f" To undo it: olearn models rollback {model_type} --undo {done.rollback_id}"
    )


async def _models(url: str) -> list[ModelResponse]:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        names = (await client.status()).models_loaded
        return [await client.model(name) for name in names]


async def _model(url: str, model_type: str) -> tuple[ModelResponse, VersionsResponse]:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.model(model_type), await client.versions(model_type)


async def _save(url: str) -> SaveResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.save()


async def _rolled_back(
    url: str,
    model_type: str,
    to_version: int | None,
    undo: int | None,
    tenant: str | None,
    reason: str,
) -> RollbackResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.rollback(
            model_type, to_version=to_version, undo=undo, tenant=tenant, reason=reason
        )


def _cells(model: ModelResponse) -> tuple[object, ...]:
    seen = model.performance_summary
    return (
        model.model_type,
        model.kind,
        model.unit,
        seen.total_agents,
        seen.task_patterns,
        model.active_version,
        when(model.last_update),
    )


def _version_cells(version: VersionBody, numbers: Mapping[int, str]) -> tuple[object, ...]:
    return (
        str(version.version_number),
        version.status,
        when(version.created_at),
        version.training_samples,
        numbers.get(version.parent_version_id or 0),
        version.sha256[:12],
    )
