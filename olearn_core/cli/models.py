"""`olearn models`: the models of a running service and their versions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    from olearn_core.schemas import ModelResponse, SaveResponse, VersionBody, VersionsResponse

app = typer.Typer(help="Models and their versions.", no_args_is_help=True)

LIST_COLUMNS = ("model", "kind", "unit", "agents", "task patterns", "version", "last update")
VERSION_COLUMNS = ("version", "status", "saved", "samples", "parent", "sha256")


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
    print_table(VERSION_COLUMNS, [_version_cells(v) for v in versions.versions], left=3)


@app.command()
def save(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Have a version of every model saved."""
    saved = asyncio.run(_save(url))
    if as_json:
        print_json(saved.model_dump())
    else:
        print_table(("model", "version saved"), saved.versions.items())


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


def _version_cells(version: VersionBody) -> tuple[object, ...]:
    return (
        str(version.version_number),
        version.status,
        when(version.created_at),
        version.training_samples,
        version.parent_version_id,
        version.sha256[:12],
    )
