"""`olearn agents`: what is known of each agent."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import number, percent, print_json, print_table, usd, when

if TYPE_CHECKING:
    from olearn_core.schemas import AgentPerformance, RetirementResponse

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="Its name, as in `agents list`.")]

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
    rows, retired = asyncio.run(_agents(url, by))
    if as_json:
        print_json([row.model_dump() for row in rows])
    elif not rows:
        typer.echo("No outcome was learned yet.", err=True)
    elif by is By.AGENT:
        print_table(COLUMNS, sorted(_cells(row, retired) for row in rows))
    else:
        cells = sorted((row.task_type or "", *_cells(row, retired)) for row in rows)
        print_table(("task type", *COLUMNS), cells, left=2)


@app.command()
def retire(
    agent: Agent,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="To be kept.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Have an agent chosen no more; it goes on learning from outcomes that come."""
    _print_retirement(asyncio.run(_retired(url, agent, reason)), as_json)


@app.command()
def reinstate(agent: Agent, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Let a retired agent be chosen again."""
    _print_retirement(asyncio.run(_reinstated(url, agent)), as_json)


def _print_retirement(done: RetirementResponse, as_json: bool) -> None:
    if as_json:
        print_json(done.model_dump())
    elif done.retired:
        typer.echo(f"{done.agent_name} is retired since {when(done.retired_at)}")
    else:
        typer.echo(f"{done.agent_name} may be chosen")


async def _retired(url: str, agent: str, reason: str) -> RetirementResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.retire(agent, reason)


async def _reinstated(url: str, agent: str) -> RetirementResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.reinstate(agent)


async def _agents(url: str, by: By) -> tuple[list[AgentPerformance], set[str]]:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        rows = await client.agents("task_type" if by is By.TASK_TYPE else "agent")
        return rows, await client.retired_agents()


def _cells(row: AgentPerformance, retired: set[str]) -> tuple[object, ...]:
    return (
        f"{row.agent_name} (retired)" if row.agent_name in retired else row.agent_name,
        row.total_executions,
        percent(row.success_rate),
        percent(row.avg_quality),
        number(row.avg_latency_ms, "ms"),
        usd(row.avg_cost_usd),
        percent(row.confidence),
    )
