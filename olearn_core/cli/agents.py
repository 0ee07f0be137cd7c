"""`olearn agents`: what is known of each agent."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import number, percent, print_json, print_table, usd

if TYPE_CHECKING:
    from olearn_core.schemas import AgentPerformance

app = typer.Typer(help="What is known of each agent.", no_args_is_help=True)

COLUMNS = ("agent", "executions", "success", "quality", "latency", "cost", "confidence")


class By(StrEnum):
    """What makes a row."""

    AGENT = "agent"
    TASK_TYPE = "task_type"


@app.command("list")
def list_agents(
    by: Annotated[By, typer.Option(help="One row an agent, or one for each task type.")] = By.AGENT,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List agents with their record; --json has the raw integer sums as well."""
    rows = asyncio.run(_agents(url, by))
    if as_json:
        print_json([row.model_dump() for row in rows])
    elif by is By.AGENT:
        print_table(COLUMNS, sorted(map(_cells, rows)))
    else:
        cells = sorted((row.task_type or "", *_cells(row)) for row in rows)
        print_table(("task type", *COLUMNS), cells, left=2)


async def _agents(url: str, by: By) -> list[AgentPerformance]:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.agents("task_type" if by is By.TASK_TYPE else "agent")


def _cells(row: AgentPerformance) -> tuple[object, ...]:
    return (
        row.agent_name,
        row.total_executions,
        percent(row.success_rate),
        percent(row.avg_quality),
        number(row.avg_latency_ms, "ms"),
        usd(row.avg_cost_usd),
        percent(row.confidence),
    )
