"""`olearn alerts`: what deserves attention."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    from olearn_core.schemas import AlertBody, AlertsResponse

COLUMNS = ("severity", "kind", "since", "tenant", "message")

Recent = Annotated[bool, typer.Option("--recent", help="Show also what was resolved lately.")]


def alerts(*, recent: Recent = False, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the alerts that are firing, the worst first; --json has those resolved lately, too."""
    found = asyncio.run(_alerts(url))
    if as_json:
        print_json(found.model_dump())
        return
    print_table(COLUMNS, map(_cells, found.firing), left=len(COLUMNS))
    if recent:
        rows = [(*_cells(alert), when(alert.resolved_at)) for alert in found.recent]
        print_table((*COLUMNS, "resolved"), rows, title="Resolved", left=len(COLUMNS) + 1)
    elif not found.firing:
        typer.echo("No alert is firing.", err=True)


async def _alerts(url: str) -> AlertsResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.alerts()


def _cells(alert: AlertBody) -> tuple[object, ...]:
    return (alert.severity, alert.kind, when(alert.since), alert.tenant, alert.message)
